"""Cells that have a result and are trained again: into a folder of their own, then into place.

So the earlier result of a cell stays until the new one is there, and where that fails it stays for
good. The folder is a results folder within the results folder; a run that was killed goes on in it.
"""

import shutil
from dataclasses import replace
from pathlib import Path

from benchmarks.launch.session import Session
from benchmarks.outputs import writing
from benchmarks.store import (
    CellMeta,
    Parts,
    derive,
    locked,
    read_current_plan,
    refuse_foreign,
    write_part,
)
from benchmarks.store.plan_file import NAME as PLAN
from benchmarks.store.plan_file import WHOLE, plan_digest

FOLDER = "rerun"


def session_of(session: Session) -> Session:
    """Return the session that trains the cells of another one again.

    What an earlier one has left, of other cells, is put into place first.

    Raises:
        RefusedError: its folder holds files of the user's.
    """
    folder, cells = session.folder / FOLDER, tuple(session.again)
    refuse_foreign(folder)
    if (folder / PLAN).exists() and read_current_plan(folder).ids() != {c.id for c in cells}:
        put_into_place(session.folder)
    plan = replace(session.plan, cells=cells, held=(), shard=WHOLE)
    inner = replace(session, folder=folder, plan=plan, parts=Parts(folder), rerun=None)
    return replace(inner, lost={}, unused=(), read=plan_digest(folder))


def put_into_place(folder: Path) -> int:
    """Put what was trained again in place of the earlier results, and remove its folder.

    Killed at any moment, doing it again finishes it.

    Args:
        folder: the results folder in which it lies.

    Returns:
        The number of cells whose earlier result stays, as the new try failed, or diverged where the
        earlier one had not.
    """
    with locked(folder):
        parts, new = Parts(folder), Parts(folder / FOLDER)
        planned = read_current_plan(folder).ids()
        better = {i for i, meta in new.meta.items() if i in planned and _is_better(meta, parts)}
        packs = new.by_part(better).values()
        written = [write_part(folder, list(new.trained(ids))) for ids in packs]
        parts.remove(better, but=written)
        derive(folder, Parts(folder))
        with writing(folder / FOLDER):
            shutil.rmtree(folder / FOLDER)
    return len(new.meta.keys() & planned - better)


def _is_better(meta: CellMeta, parts: Parts) -> bool:
    """Tell whether a new result replaces the earlier one."""
    earlier = parts.meta.get(meta.keys.cell_id)
    worst = earlier is None or earlier.status != "done"
    return meta.status == "done" or (meta.status == "diverged" and worst)
