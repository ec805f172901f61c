"""The rules: pure functions over `Resource`, and the tables they read."""
