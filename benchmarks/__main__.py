"""The command line as ``python -m benchmarks``."""

import sys

from benchmarks.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
