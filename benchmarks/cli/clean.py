"""The verb ``clean``: take out of a results folder what nothing needs any more."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from benchmarks.errors import Exit


def clean(folder: Path, *, dry_run: Annotated[bool, Parameter(negative="")] = False) -> Exit:
    """Remove what a results folder needs no more, a line for each with its bytes.

    That is: checkpoints that no pack can go on from, damaged parts that a run put aside, and what
    processes that were killed have left: unfinished files and locks. Parts, CSV files, plan and
    files of your own stay. Refused while cells are trained.

    Args:
        folder: The results folder.
        dry_run: Only say what would be removed.
    """
    from benchmarks.launch.cleaning import clean as clean_folder

    print("\n".join(clean_folder(folder, dry_run=dry_run).lines()))
    return Exit.DONE
