"""The verb ``ls``: list what can be named."""

from typing import Literal

from benchmarks.errors import Exit
from benchmarks.launch.request import Plugins

Kind = Literal[
    "datasets",
    "noises",
    "methods",
    "models",
    "recipes",
    "backbones",
    "profiles",
    "metrics",
    "suites",
    "passports",
]


def ls(kind: Kind | None = None, *, plugin: Plugins = ()) -> Exit:
    """List what can be named: datasets, noises, methods, models, profiles, metrics and so on.

    Args:
        kind: Only these; passports say of each method what is left out, which settings are
            published, whose code it was compared with, and what was reproduced.
        plugin: A Python file that registers entries of your own; may be given several times.
    """
    from benchmarks import plugins
    from benchmarks.listing import listing

    plugins.load(*plugin)
    print(listing(kind))
    return Exit.DONE
