"""Puts every test, doctests too, into a world of its own."""

pytest_plugins = ["tests.world"]
