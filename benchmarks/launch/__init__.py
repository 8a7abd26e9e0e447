"""Where cells are trained."""
