"""One programme a layer: top to bottom a list of components."""
