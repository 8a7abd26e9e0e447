"""Results folders of one sweep brought together, as where machines trained a shard each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.errors import RefusedError, count
from benchmarks.inputs import read_bytes
from benchmarks.outputs import make_folder, write_atomically
from benchmarks.store.files import locked, refuse_foreign
from benchmarks.store.parts import Parts, collected_path
from benchmarks.store.plan_file import NAME, WHOLE, PlanFile, merged, read_current_plan, write_plan
from benchmarks.store.tables import derive

SETTINGS = ("device", "keep_all", "pack", "flags")
"""The settings of a folder that change the last bits of its numbers, or what is kept of them."""


@dataclass(frozen=True)
class Merged:
    """What was brought together."""

    folder: Path
    folders: int
    cells: int  # that are planned
    results: int  # of them that have one
    damage: list[str]  # a line for each damaged part

    def lines(self) -> list[str]:
        """Return the lines that tell a user of it."""
        head = f"{self.folder}: {count(self.cells, 'cell')} of {count(self.folders, 'folder')}"
        return [f"{head}, {self.results} of them with results", *self.damage]


def merge(folders: Sequence[Path], out: Path) -> Merged:
    """Copy the parts of folders into one, which is made or added to, and write its CSV files.

    Of a cell that several have, the first success counts. The folders are only read. Whenever this
    is killed, doing it again finishes it.

    Args:
        folders: what is brought together.
        out: where.

    Raises:
        RefusedError: the folders do not belong together; nothing has been written.
        WritingError: the folder cannot be written.
    """
    if len(folders) < 2:
        raise RefusedError(f"merge needs two results folders or more, got {len(folders)}")
    refuse_foreign(out)
    known = [read_current_plan(out)] if (out / NAME).exists() else []
    plans = [*known, *(read_current_plan(folder) for folder in folders)]
    names = [*([out] if known else []), *folders]
    whole = plans[0]
    for plan, name in zip(plans[1:], names[1:], strict=True):
        _refuse_other(whole, plan, (names[0], name))
        whole = _with_all(whole, plan)
    make_folder(out)
    with locked(out):
        write_plan(out, whole)
        damage = [line for folder in folders for line in _copied(folder, out)]
        parts = Parts(out)
        derive(out, parts)
    return Merged(out, len(folders), len(whole.cells), len(parts.done() & whole.ids()), damage)


def _with_all(first: PlanFile, second: PlanFile) -> PlanFile:
    """Return a plan with the cells of two, each requested if either asks for it."""
    asked = {cell.cell_id for plan in (first, second) for cell in plan.cells if cell.requested}
    whole = merged(first, second)
    cells = (msgspec.structs.replace(cell, requested=cell.cell_id in asked) for cell in whole.cells)
    return msgspec.structs.replace(whole, cells=tuple(cells), shard=WHOLE)


def _refuse_other(first: PlanFile, second: PlanFile, names: tuple[Path, Path]) -> None:
    """Refuse two plans whose numbers must not be mixed.

    Raises:
        RefusedError: they differ in a setting, or in what a cell of the same name is made of.
    """
    for name in SETTINGS:
        values = [getattr(plan, name) for plan in (first, second)]
        if values[0] != values[1]:
            raise RefusedError(
                f"{names[0]} and {names[1]} were started with other settings, {name} {values[0]!r} "
                f"and {values[1]!r}, so their numbers must not be mixed"
            )
    widths = [{kind: driver.width for kind, driver in p.drivers.items()} for p in (first, second)]
    for kind in widths[0].keys() & widths[1].keys():
        if widths[0][kind] != widths[1][kind]:
            raise RefusedError(
                f"{names[0]} and {names[1]} train packs of other sizes, {widths[0][kind]} and "
                f"{widths[1][kind]} of {kind}, so their last bits differ; start each with --pack"
            )
    ids = {cell.specs.point(): cell.cell_id for cell in first.cells}
    for cell in second.cells:
        if ids.get(cell.specs.point(), cell.cell_id) != cell.cell_id:
            raise RefusedError(
                f"{names[0]} and {names[1]} trained {cell.method} on {cell.dataset} {cell.noise} "
                "by other code or other data; train with the same version and files"
            )


def _copied(folder: Path, out: Path) -> list[str]:
    """Copy the parts that a folder has and another lacks; return a line for each damaged one."""
    parts = Parts(folder)
    for path in parts.by_part(parts.meta):
        for source in (path, collected_path(path)):
            target = out / source.relative_to(folder)
            if source.exists() and not target.exists():
                make_folder(target.parent)
                write_atomically(target, read_bytes(source))
    return parts.damage("left out")
