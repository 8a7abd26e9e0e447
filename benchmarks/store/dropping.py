"""Cells taken out of a results folder, with their results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import asdict

from benchmarks.commands import command_line
from benchmarks.errors import RefusedError, count, refuse_unknown
from benchmarks.store.choice import fits
from benchmarks.store.files import locked
from benchmarks.store.parts import Parts
from benchmarks.store.plan_file import read_current_plan, without, write_plan
from benchmarks.store.tables import derive, refuse_loss, refuse_misplaced


@dataclass(frozen=True)
class Dropped:
    """What was taken out of a folder, and what is left."""

    folder: Path
    cells: int
    results: int  # of which a part held something
    left: int
    damage: list[str]  # a line for each damaged part

    def lines(self) -> list[str]:
        """Return the lines that tell a user of it."""
        what = count(self.cells, "cell")
        lines = [
            f"{self.folder}: dropped {what}, {self.results} of them with results; {self.left} left"
        ]
        if (self.folder / "report").is_dir() and self.left:
            draw = command_line("report", self.folder)
            lines.append(f"its report is of before: `{draw}` draws it")
        return lines + self.damage


def drop(folder: Path, wanted: Mapping[str, Sequence[str | int]]) -> Dropped:
    """Take out the cells that have one of the values of each axis that has any.

    Parts are rewritten one by one, then the CSV files, then the plan: whenever this is killed,
    doing it again finishes it.

    Args:
        folder: the results folder.
        wanted: values by axis: ``dataset``, ``noise``, ``method``, ``model``, ``recipe``, ``seed``.

    Raises:
        RefusedError: no value is given, there is no such cell, or the folder cannot be changed;
            nothing has been.
    """
    if not any(wanted.values()):
        raise RefusedError(
            f"drop needs at least one of {', '.join(f'--{axis}s' for axis in wanted)}"
        )
    read_current_plan(folder)
    with locked(folder):
        plan, parts = read_current_plan(folder), Parts(folder)
        keys = {i: asdict(meta.keys) for i, meta in parts.meta.items()}
        keys |= {cell.cell_id: asdict(cell) for cell in plan.cells}
        known = {axis: {one[axis] for one in keys.values()} for axis in wanted}
        refuse_unknown(f"no cell of {folder}", wanted, known)
        ids = {i for i, one in keys.items() if fits(one, wanted)}
        if not ids:
            raise RefusedError(f"no cell of {folder} has all that is asked for; nothing is dropped")
        refuse_misplaced(folder)
        refuse_loss(folder, parts, plan.ids(), ids)
        results, left = len(ids & parts.done()), plan.ids() - ids
        parts.remove(ids)
        derive(folder, parts, ids)
        write_plan(folder, without(plan, ids))
    return Dropped(folder, len(ids), results, len(left), parts.damage())
