"""The page of what was found: what is red, then a table for each stage."""

from collections import Counter
from collections.abc import Iterable, Sequence

from tests.gpu.findings import RED, Row
from tests.speed.contest import BASELINES

HEAD = "# Findings on a GPU\n"
NOTHING = "\nThis device calculates nothing: no number here, and no time, says anything of a GPU.\n"


def summary(rows: Sequence[Row]) -> str:
    """Return the page: counts by verdict, what is red, speeds beside the baselines', the rest."""
    stages = list(dict.fromkeys(str(row["stage"]) for row in rows))
    parts = [HEAD, *_reds(rows)]
    if any(row.get("calculates") is False for row in rows):
        parts.insert(1, NOTHING)
    for stage in stages:
        own = [row for row in rows if row["stage"] == stage]
        counts = Counter(str(row["verdict"]) for row in own)
        parts.append(f"\n## {stage}: {', '.join(f'{n} {what}' for what, n in counts.items())}\n\n")
        parts.append(_speeds(own) if stage == "speed" else _table(own))
    return "".join(parts)


def _reds(rows: Iterable[Row]) -> list[str]:
    """Return a line for each finding that is not as it should be."""
    lines = []
    for row in rows:
        if row["verdict"] == RED:
            why = {
                n: row[n] for n in ("error", "no_graph", "off", "limit", "changed") if row.get(n)
            }
            lines.append(f"- RED {row['stage']}: {row['key']}: {_listed(why)}\n")
    return ["\n", *(lines or ["Nothing is red.\n"])]


def _speeds(rows: Sequence[Row]) -> str:
    """Return the table of contestants: times the baselines, and the share of the floor."""
    known = {str(row["key"]): row.get("cell_epoch") for row in rows}
    head = ["what", "ms a cell and epoch", *(f"times {name}" for name in BASELINES), "of the floor"]
    lines = [head, ["---"] * len(head)]
    for key, took in known.items():
        work = key.partition(" by ")[0]
        if not isinstance(took, float):
            lines.append([key, "failed", *[""] * (len(head) - 2)])
            continue
        rivals = [known.get(f"{work} by {name}") for name in BASELINES]
        times = [f"{rival / took:.2f}" if isinstance(rival, float) else "" for rival in rivals]
        floor = known.get(f"{work} by floor")
        share = f"{floor / took:.0%}" if isinstance(floor, float) else ""
        lines.append([key, f"{1000 * took:.4g}", *times, share])
    return _markdown(lines)


def _table(rows: Sequence[Row]) -> str:
    lines = [["what", "verdict", "values"], ["---"] * 3]
    left = ("stage", "key", "verdict", "at", "trace", "method", "driver", "source")
    for row in rows:
        values = {name: value for name, value in row.items() if name not in left}
        lines.append([str(row["key"]), str(row["verdict"]), _listed(values)])
    return _markdown(lines)


def _listed(values: Row) -> str:
    shown = {n: f"{v:.4g}" if isinstance(v, float) else v for n, v in values.items()}
    return ", ".join(f"{name} {value}" for name, value in shown.items()).replace("|", "/")


def _markdown(lines: Iterable[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
