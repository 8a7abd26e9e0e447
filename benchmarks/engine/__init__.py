"""How cells are trained."""
