"""A description of how much of a results folder is done. No torch: it is wanted at once."""

from collections import Counter
from pathlib import Path

from benchmarks.errors import count
from benchmarks.store import Parts, read_plan
from benchmarks.store.tables import finished_rows


def describe(folder: Path) -> str:
    """Return a table of methods by noises with the share of seeds done, and every failure.

    Raises:
        RefusedError: the folder has no plan of this version.
    """
    plan, parts = read_plan(folder), Parts(folder)
    planned: Counter[tuple[str, str]] = Counter()
    done: Counter[tuple[str, str]] = Counter()
    statuses: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}  # by requested
    for cell in plan.cells:
        meta = parts.meta.get(cell.cell_id)
        status = meta.status if meta else "missing"
        statuses[cell.requested][status] += 1
        entry = (cell.method, f"{cell.dataset} {cell.noise}")
        planned[entry] += 1
        done[entry] += status == "done"
    noises = list(dict.fromkeys(noise for _, noise in planned))
    methods = dict.fromkeys(method for method, _ in planned)
    table = [["", *noises]]
    table += [[m, *(f"{done[m, n]}/{planned[m, n]}" for n in noises)] for m in methods]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [
        "  ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)).rstrip()
        for line in table
    ]
    head = f"{folder}: suite {plan.suite} on {plan.device}, {_counted(statuses[True], 'cell')}"
    if statuses[False]:
        head += (
            f"; {_counted(statuses[False], 'further cell')}, which the last run was not asked for"
        )
    ids = plan.ids()
    failures = [
        f"{meta.status}: {meta.keys.method} {meta.keys.noise} seed {meta.keys.seed}: {meta.reason}"
        for cell_id, meta in parts.meta.items()
        if meta.status != "done" and cell_id in ids
    ]
    if lost := len(finished_rows(folder) - ids):
        failures.append(
            f"{count(lost, 'finished cell')} of results.csv, which plan.json does not name: bring "
            "back the plan that they were trained by"
        )
    return "\n".join([head, *lines, *failures, *parts.damage()])


def _counted(statuses: Counter[str], noun: str) -> str:
    """Return ``12 cells: 11 done, 1 failed``."""
    each = ", ".join(f"{number} {status}" for status, number in sorted(statuses.items()))
    return f"{count(statuses.total(), noun)}: {each or 'none'}"
