"""Puts every test, doctests too, into a world of its own."""

from importlib.util import find_spec

EXTRAS = {"ray": "ray", "slurm": "submitit"}  # launchers, and the libraries that they import

pytest_plugins = ["tests.world"]
collect_ignore = [
    "benchmarks/examples/my_method.py",  # imported, it would register a method
    *(f"benchmarks/launch/{name}.py" for name, library in EXTRAS.items() if not find_spec(library)),
]
