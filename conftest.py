"""Puts every test, doctests too, into a world of its own."""

pytest_plugins = ["tests.world"]
collect_ignore = ["benchmarks/examples/my_method.py"]  # imported, it would register a method
