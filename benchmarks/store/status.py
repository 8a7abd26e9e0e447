"""How much of a results folder is done. No torch: the answer is wanted at once."""

from collections import Counter, defaultdict
from pathlib import Path

from benchmarks.store import Parts, read_plan


def describe(folder: Path) -> str:
    """Return a table of methods by noises with the share of seeds done, and every failure.

    Raises:
        RefusedError: the folder has no plan of this version.
    """
    plan, parts = read_plan(folder), Parts(folder)
    planned: dict[tuple[str, str], int] = defaultdict(int)
    done: dict[tuple[str, str], int] = defaultdict(int)
    statuses: Counter[str] = Counter()
    for cell in plan["cells"]:
        meta = parts.meta.get(cell["cell_id"])
        state = meta["status"] if meta else "missing"
        statuses[state] += 1
        where = (cell["method"], f"{cell['dataset']} {cell['noise']}")
        planned[where] += 1
        done[where] += state == "done"
    columns = list(dict.fromkeys(noise for _, noise in planned))
    rows = list(dict.fromkeys(method for method, _ in planned))
    table = [["", *columns]]
    table += [[row, *(f"{done[row, c]}/{planned[row, c]}" for c in columns)] for row in rows]
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    lines = [
        "  ".join(f"{text:<{w}}" for text, w in zip(line, widths, strict=True)) for line in table
    ]
    total = ", ".join(f"{count} {state}" for state, count in sorted(statuses.items()))
    failures = [
        f"{meta['status']}: {meta['keys']['method']} {meta['keys']['noise']} "
        f"seed {meta['keys']['seed']}: {meta['reason']}"
        for meta in parts.meta.values()
        if meta["status"] != "done"
    ]
    head = (
        f"{folder}: suite {plan['suite']} on {plan['device']}, {len(plan['cells'])} cells: {total}"
    )
    return "\n".join([head, *(line.rstrip() for line in lines), *failures])
