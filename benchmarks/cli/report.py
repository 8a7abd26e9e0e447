"""The verb ``report``: draw the report of a results folder."""

from pathlib import Path
from typing import Literal

from benchmarks import processes
from benchmarks.errors import Exit

VenueName = Literal["neurips", "iclr", "icml", "tmlr", "jmlr"]


def report(
    folder: Path = Path("results/default"), *, force: bool = False, venue: VenueName = "neurips"
) -> Exit:
    """Draw the figures, tables and verdict of a results folder.

    Args:
        folder: The results folder.
        force: Draw them again even if nothing changed.
        venue: Whose page the figures fit at their natural size.
    """
    from benchmarks.store import Parts, derive

    parts = Parts(folder)
    if (folder / "parts").is_dir():  # committed results have only the CSV files
        derive(folder, parts)
    show(folder, force=force, venue=venue)
    for line in parts.damage():
        print(line)
    return Exit.DONE


def show(folder: Path, *, force: bool = False, venue: VenueName = "neurips") -> None:
    """Draw a report and print its ranking and verdict, and where everything is."""
    from benchmarks.report import build

    built = build(folder, force=force, venue=venue, workers=processes.cores())
    print(f"\n{built.ranking}\n\n{built.verdict}\n")
    print(f"results  {folder / 'results.csv'}")
    print(f"report   {built.folder / 'report.md'}{'' if built.rebuilt else ' (unchanged)'}")
    print(f"browser  {built.folder / 'report.html'}")
    print(f"figures  {built.folder / 'figures'}")
