"""What the console must not lose: accounts, sessions, acknowledgements and the audit trail, in SQLite or PostgreSQL."""
