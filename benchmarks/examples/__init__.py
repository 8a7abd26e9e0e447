"""Complete entries of one's own, to copy and change."""
