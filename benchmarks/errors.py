"""What a user is told in one sentence, and the exit code that goes with it."""

import enum


class Exit(enum.IntEnum):
    """Exit codes of ``run_all.py``."""

    DONE = 0
    INTERNAL = 1
    USAGE = 2  # nothing ran
    SOME_FAILED = 3
    REGRESSION = 4
    DATA_MISSING = 5
    INCONCLUSIVE = 6
    STOPPED_EARLY = 75  # rerunning continues
    INTERRUPTED = 130
    TERMINATED = 143


class RefusedError(Exception):
    """A request that cannot be served; its text is the whole message to the user."""

    code = Exit.USAGE


class DataMissingError(RefusedError):
    """A dataset or baseline that is neither on disk nor to be had, or that is damaged."""

    code = Exit.DATA_MISSING
