"""Components: one file each, typed arguments, explicit names, standalone children."""
