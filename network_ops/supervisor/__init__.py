"""One parent for the whole NOC: starts, watches and restarts the parts, and leaves no process behind."""
