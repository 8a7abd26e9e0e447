"""What a folder holds beside the cells that were asked for, in words."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from benchmarks.commands import command_line
from benchmarks.errors import count
from benchmarks.store.parts import Parts
from benchmarks.store.plan_file import PlannedCell

AXES = ("dataset", "noise", "method", "model", "recipe", "seed")
SHOWN = 3
"""The most values of an axis that a command which drops cells names."""


def held_lines(
    folder: Path,
    asked: Mapping[str, Collection[str | int]],
    held: Sequence[PlannedCell],
    parts: Parts,
    repeated: Sequence[str],
) -> list[str]:
    """Say how many further cells a folder holds, and how to go on with them or drop them.

    Args:
        folder: the results folder.
        asked: the values of each axis among the cells that were asked for.
        held: the others.
        parts: of the folder.
        repeated: options that a run which goes on needs as this one did.
    """
    if not held:
        return []
    done = parts.done()
    missing = sum(cell.cell_id not in done for cell in held)
    cells = count(len(held), "further cell")
    them, all_ = ("it", "") if len(held) == 1 else ("them", "all ")
    if options := _filter(asked, held):
        drop = f"`{command_line('drop', folder, *options)}` drops {them}"
    else:
        drop = f"`{command_line('drop', '--help')}` says how to drop some"
    if not missing:
        return [f"{folder} also holds {cells}, {all_}finished; {drop}"]
    go_on = f"`{command_line('run', folder, *repeated)}` goes on with all cells"
    return [f"{folder} also holds {cells}, {missing} not finished; {go_on}, {drop}"]


def _filter(asked: Mapping[str, Collection[str | int]], held: Sequence[PlannedCell]) -> list[str]:
    """Return options that name the held cells and none that was asked for, if few do; else none."""
    for axis in ("method", "noise", *AXES):
        values = list(dict.fromkeys(getattr(cell, axis) for cell in held))
        if len(values) <= SHOWN and not set(asked[axis]) & set(values):
            return [f"--{axis}s", *map(str, values)]
    return []
