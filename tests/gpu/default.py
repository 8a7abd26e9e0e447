"""The suite ``default`` on this device against the committed run of the CPU."""

import functools
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import torch

from benchmarks.engine.record import PackSetup, train_and_record
from benchmarks.errors import RefusedError
from benchmarks.planning.options import TrainingOptions, default_precision, flags_of_cell
from benchmarks.planning.plan import make_plan, packs
from benchmarks.store import Parts, derive, write_part
from benchmarks.sweep import Cell, Suite
from tests.gpu.environment import calculates, judged, timed
from tests.gpu.findings import UNJUDGED, Findings, Row
from tests.gpu.work import Item, Session, failure

COMMITTED = Path(__file__).parents[2] / "results" / "reference" / "default"
LEVEL = 0.05
SECONDS = 2.0
TOY_METHODS, TOY_NOISES, TOY_SEEDS = ("elr",), ("clean",), (0, 1)


def stage(session: Session, _findings: Findings) -> list[Item]:
    """List the methods of the suite, and the comparison."""
    methods = dict.fromkeys(str(cell.keys()["method"]) for cell in _cells(session))
    needed = 0.0 if session.toy else SECONDS
    return [
        Item(list(methods), functools.partial(_told, session, _train), needed),
        Item(["all methods"], functools.partial(_told, session, _compare), needed),
    ]


def _told(session: Session, find: Callable[[Session, str], Row], key: str) -> Row:
    """Find something; of numbers that nothing has computed the metrics may fail, too."""
    try:
        return find(session, key)
    except Exception as error:
        if calculates(torch.device(session.device)):
            raise
        return {**failure(error), "verdict": UNJUDGED}


def _cells(session: Session) -> list[Cell]:
    """Return the cells of the suite, in the precision that is usual on the device."""
    precision = functools.partial(default_precision, torch.device(session.device))
    cells = Suite.read("default").cells(precision)
    if not session.toy:
        return list(cells)
    few = {"method": TOY_METHODS, "noise": TOY_NOISES, "seed": TOY_SEEDS}
    return [cell for cell in cells if all(cell.keys()[n] in some for n, some in few.items())]


def _folder(session: Session) -> Path:
    """Return a results folder that outlives this process, beside the findings: it is none."""
    out = session.out.resolve()
    folder = out.with_name(f"{out.name}-default")
    folder.mkdir(exist_ok=True)
    return folder


def _train(session: Session, method: str) -> Row:
    """Train what a method owes, and return what became of it."""
    device = torch.device(session.device)
    own = [cell for cell in _cells(session) if cell.keys()["method"] == method]
    folder = _trained(session, own)
    done = {meta.keys.cell_id: meta for meta in Parts(folder).meta.values()}
    ended = [done[cell.id] for cell in own]
    seconds = sum(meta.costs.train_seconds or 0.0 for meta in ended)
    row: Row = {"cells": len(own), "training_seconds": seconds, "precision": own[0].precision}
    if reasons := sorted({meta.reason for meta in ended if meta.status != "done"}):
        return {**row, "verdict": judged(device, good=False), "error": "; ".join(reasons)}
    return {**row, "verdict": timed(device)}


def _trained(session: Session, wanted: Iterable[Cell]) -> Path:
    """Train those of some cells that no part has, as a run would; return the results folder."""
    device, folder = torch.device(session.device), _folder(session)
    plan = make_plan(folder, "default", _cells(session), TrainingOptions(device))
    plan.write(folder)
    done = Parts(folder).done()
    owed = [cell for cell in wanted if cell.id not in done]
    for pack in packs(owed, plan.widths):
        flags = flags_of_cell(pack.cells[0], plan.flags)
        setup = PackSetup(session.data, device, plan.keep_all, pack.width, flags)
        write_part(folder, train_and_record(pack.cells, setup))
    return folder


def _compare(session: Session, _key: str) -> Row:
    """Set the folder beside the committed one, and keep it with the findings."""
    from benchmarks.report.compare import compare  # noqa: PLC0415  needs pandas

    cells = _cells(session)
    folder = _trained(session, cells)
    derive(folder, Parts(folder))
    with tarfile.open(session.out / "default.tar.gz", "w:gz") as kept:
        for path in [*sorted(folder.glob("*.csv")), folder / "plan.json"]:
            kept.add(path, path.name)
    device = torch.device(session.device)
    try:
        found = compare(COMMITTED, folder)
    except RefusedError as error:  # no cell has ended with finite numbers, say
        return {"verdict": judged(device, good=False), "error": str(error)}
    numbers = found.numbers
    named = [
        f"{row['method']}, {row['setting']}: {row['metric']} by {row['difference']:+.3f} "
        f"[{row['low']:+.3f}, {row['high']:+.3f}], p {row['p_holm']:.3g}"
        for row in numbers[numbers["p_holm"] < LEVEL].to_dict("records")
    ]
    least = float(numbers["p_holm"].min(skipna=True))  # no number where nothing differs
    row = {"pairs": len(found.pairs), "of": len(cells), "least_p": round(least, 6)}
    good = not named and len(found.pairs) == len(cells)
    return {**row, "changed": named, "verdict": judged(device, good)}
