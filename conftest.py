"""Puts every test, doctests too, into a world of its own."""

from importlib.util import find_spec

EXTRAS = {
    "launch/ray": ("ray",),
    "launch/slurm": ("submitit",),
    "trackers/mlflow": ("mlflow", "alembic", "sqlalchemy"),
    "trackers/wandb": ("wandb",),
    "trackers/tensorboard": ("tensorboard",),
}
"""Modules, and the libraries that they import."""

pytest_plugins = ["tests.world"]
collect_ignore = [
    "benchmarks/examples/my_method.py",  # imported, it would register a method
    *(
        f"benchmarks/{name}.py"
        for name, needed in EXTRAS.items()
        if not all(map(find_spec, needed))
    ),
]
