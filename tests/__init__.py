"""The tests: a package, so that scripts among them find their parts."""
