"""The verb ``ls``: list what can be named."""

from typing import Literal

from benchmarks.errors import Exit

Kind = Literal[
    "datasets", "noises", "methods", "models", "recipes", "profiles", "metrics", "suites"
]


def ls(kind: Kind | None = None) -> Exit:
    """List what can be named: datasets, noises, methods, models, profiles, metrics and so on.

    Args:
        kind: Only these.
    """
    from benchmarks.listing import listing

    print(listing(kind))
    return Exit.DONE
