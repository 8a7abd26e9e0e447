"""Benchmark methods for learning with noisy labels: ``python run_all.py --help``."""

import sys

from benchmarks.cli.app import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
