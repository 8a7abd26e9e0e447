"""The verb ``check``: does a user's own entry do what the suite relies on?"""

import textwrap

from benchmarks.errors import Exit
from benchmarks.launch.request import Plugins


def check(*, plugin: Plugins) -> Exit:
    """Check that your own methods, datasets, noises and models do what the suite relies on.

    Args:
        plugin: A Python file that registers entries; may be given several times.
    """
    from benchmarks import plugins
    from benchmarks.contract import examine

    faults = 0
    for kind, name in plugins.load(*plugin):
        print(f"{kind} {name}")
        for finding in examine(kind, name):
            print(textwrap.indent(str(finding), "  "))
            faults += bool(finding.fault)
    print(f"{faults} {'fault' if faults == 1 else 'faults'}")
    return Exit.SOME_FAILED if faults else Exit.DONE
