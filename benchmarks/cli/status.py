"""The verb ``status``: how much of a results folder is done."""

from pathlib import Path

from benchmarks.errors import Exit


def status(folder: Path = Path("results/default")) -> Exit:
    """Show how much of a results folder is done, and what failed.

    Cells that the last run was asked for and further ones that the folder holds are counted apart.

    Args:
        folder: The results folder.
    """
    from benchmarks.store.status import describe

    print(describe(folder))
    return Exit.DONE
