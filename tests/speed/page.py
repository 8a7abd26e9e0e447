"""The page and the CSV of a comparison."""

import math
from pathlib import Path

import pandas as pd

from tests.speed.contest import interval

WHAT = """# Speed

Written by `python -m tests.speed.measure`; `speed-*.csv` holds every round. One row per workload
and contestant: epochs of cells per second (training, and the evaluation of all images after each
epoch), and how many times the rate of B0 and of B1 in one process that is: the median over rounds
of ratios within a round, with a 95% bootstrap interval. Of the floor: what share of its time would
be left if the device did nothing but the multiplications, at the speed of one large product, and
moved every weight, activation and gradient at the speed of one large copy, on all cores
(`tests/speed/floor.py`). The same cells, initial weights, labels,
evaluations and precision; `tests/speed/test_engines.py` holds their accuracies and numbers
together.

- engine: what `python run_all.py` does by default, one process per core or GPU; `--graph` with
  every step replayed, `--branches` with those of several cells replayed side by side.
- B0: PIL images, a DataLoader with two workers, `.item()` after every step, as official
  repositories.
- B1: tensors in a TensorDataset and a DataLoader.
- B2: one cell as fast as a careful author makes it: resident tensors, indexing, fused SGD.

A sweep is a run of the command line from the start of Python to the last CSV file, all metrics
included, against B1 in one process, which only counts right answers. B1 trains one cell in twenty;
its time is start-up plus twenty times the rest.
"""

KEYS = ["workload", "engine", "processes", "threads"]


def ratios(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row per contestant: its median rate, its ratios to B0 and B1, and of the floor."""
    found = []
    for keys, own in rows.groupby(KEYS, sort=False):
        row = dict(zip(KEYS, keys, strict=True)) | {"rate": f"{own['rate'].median():.3g}"}
        for name in ("B0", "B1"):
            row[f"times {name}"] = _against(own, _rival(rows, keys[0], name))
        share = own["rate"].median() * own["floor"].iloc[0]
        found.append(row | {"of the floor": "" if math.isnan(share) else f"{share:.0%}"})
    return pd.DataFrame(found)


def _rival(rows: pd.DataFrame, workload: str, name: str) -> pd.DataFrame:
    here = rows[(rows["workload"] == workload) & (rows["engine"] == name)]
    return here[here["processes"] == 1]


def _against(own: pd.DataFrame, rival: pd.DataFrame) -> str:
    if rival.empty:
        return ""
    pairs = own.merge(rival, on="round")
    middle, low, high = interval((pairs["rate_x"] / pairs["rate_y"]).tolist())
    return f"{middle:.2f} [{low:.2f}, {high:.2f}]"


def write(folder: Path, device: str, rows: pd.DataFrame, machine: dict[str, str]) -> None:
    """Write the rounds of a device, and the page of all devices there are."""
    rows.assign(**machine).to_csv(
        folder / f"speed-{device}.csv", index=False, float_format="%.6g", lineterminator="\n"
    )
    text = WHAT
    for path in sorted(folder.glob("speed-*.csv")):
        rounds = pd.read_csv(path)
        known = rounds.iloc[0]
        where = ", ".join(str(known[name]) for name in machine)
        text += f"\n## {path.stem.partition('-')[2]}: {where}\n\n{_markdown(ratios(rounds))}"
    (folder / "speed.md").write_text(text, encoding="utf-8", newline="\n")


def _markdown(table: pd.DataFrame) -> str:
    lines = [list(table), ["---"] * len(table.columns), *table.astype(str).to_numpy().tolist()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
