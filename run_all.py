"""Benchmark methods for learning with noisy labels: ``python run_all.py --help``."""

import sys

try:
    from benchmarks.cli.app import main
except ModuleNotFoundError as error:
    if not error.name or error.name.partition(".")[0] in {"benchmarks", "methods"}:
        raise
    print(
        f"run_all.py: this Python has no package {error.name}: install what is needed by "
        f"{sys.executable} -m pip install -e . in the folder of run_all.py, or use the Python "
        "in which you did",
        file=sys.stderr,
    )
    sys.exit(2)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
