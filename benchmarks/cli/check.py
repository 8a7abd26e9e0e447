"""The verb ``check``: does a user's own entry do what the suite relies on?"""

import math
import textwrap
from pathlib import Path

from benchmarks import processes
from benchmarks.errors import Exit, RefusedError, count
from benchmarks.launch.request import Plugins


def check(*, plugin: Plugins, data: Path | None = None, timeout: float = 60.0) -> Exit:
    """Check that your own methods, datasets, noises and models do what the suite relies on.

    They are loaded and run in a process of their own. What is in doubt, and not wrong, is no fault.

    Args:
        plugin: A Python file that registers entries; may be given several times.
        data: The folder of image files. [default: $NOISY_LABELS_DATA, else ./data]
        timeout: Seconds after which loading a file, or one check, is taken to hang.
    """
    if not 0 < timeout < math.inf:
        raise RefusedError(f"--timeout must be a number of seconds above 0, got {timeout}")
    processes.start_fork_server(("benchmarks.contract.process",))  # which this process imports now
    from benchmarks.contract.process import Heading, findings
    from benchmarks.datasets import data_root

    faults = 0
    for event in findings(plugin, data_root(data), timeout):
        if isinstance(event, Heading):
            print(event, flush=True)
        else:
            print(textwrap.indent(str(event), "  "), flush=True)
            faults += bool(event.fault) and not event.repeated
    print(count(faults, "fault"))
    return Exit.SOME_FAILED if faults else Exit.DONE
