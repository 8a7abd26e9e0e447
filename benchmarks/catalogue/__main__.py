"""Write what follows from the methods' files: ``python -m benchmarks.catalogue`` in a clone."""

import sys

from benchmarks import plugin_errors
from benchmarks.errors import Exit


def main() -> Exit:
    """Write the files and return the exit code."""
    try:
        from benchmarks.catalogue.derived import derived  # noqa: PLC0415  a method may be faulty
    except ImportError as error:
        if not (sentence := plugin_errors.faulty_method(error)):
            raise
        print(f"benchmarks.catalogue: {sentence}", file=sys.stderr)
        return Exit.USAGE
    for path, text in derived().items():
        path.write_text(text, encoding="utf-8")
    return Exit.DONE


if __name__ == "__main__":
    sys.exit(main())
