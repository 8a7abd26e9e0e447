"""Pure pieces that more than one paper uses."""
