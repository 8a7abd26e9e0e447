"""The verb ``plan``: what a run would do."""

from benchmarks.errors import Exit
from benchmarks.launch.request import DEFAULT, Request


def plan(request: Request = DEFAULT) -> Exit:
    """Show what a run would train, how long, and what it would take on the disk; train nothing.

    Args:
        request: What would be trained.
    """
    from benchmarks.launch.forecast import forecast

    print(forecast(request))
    return Exit.DONE
