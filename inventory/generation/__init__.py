"""How the shipped, representative tables were made. Not used at run time; see inventory/generate.py."""
