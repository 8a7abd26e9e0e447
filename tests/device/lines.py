"""The lines that ``matrix.py`` prints, made once in a session, and what was committed of them.

Of every combination that each commit tries, ``budget-VERSION.csv`` holds the kernels, copies and
MiB of a step, by the version of PyTorch that launched them; ``waits.csv`` holds the places where
the host may wait. Both may only fall: ``python -m tests.device.lines`` writes what is measured
where that is less, in two minutes. Lines are kept in the folder that it is given, and not made
again there.
"""

import csv
import itertools
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from filelock import FileLock

from methods import METHODS
from tests.device.matrix import DRIVERS, MODELS, PRECISIONS, Combination
from tests.device.program import printed

HERE = Path(__file__).parent
VERSION = ".".join(torch.__version__.split(".")[:2])
BUDGET, WAITS = HERE / f"budget-{VERSION}.csv", HERE / "waits.csv"

ALL_HOOKS = (
    *("cross_entropy", "ce_ema", "co_teaching", "dividemix", "dyr", "elr", "elr_plus", "l2rw"),
    *("mw_net", "pes", "reweighting", "sam", "t_revision"),
)
"""Methods that together have every hook, stage and kind of draw."""

QUICK: dict[tuple[str, str], dict[str, Sequence[str]]] = {
    ("mlp", "float32"): {
        "stack graph": tuple(METHODS),
        "one_by_one graph": ALL_HOOKS,
        "branches graph": ALL_HOOKS,
    },
    ("convnet", "float32"): dict.fromkeys(DRIVERS, ("cross_entropy", "elr_plus", "l2rw")),
    ("convnet", "bfloat16"): {
        "stack": ("cross_entropy",),
        "stack graph": ("cross_entropy", "dividemix", "elr_plus", "l2rw", "sam"),
        "one_by_one graph": ("elr_plus",),
        "branches graph": ("cross_entropy", "dividemix"),
    },
    ("resnet18", "bfloat16"): {"stack graph": ("elr_plus",), "branches graph": ("cross_entropy",)},
}
"""What every commit tries: methods by model, precision and driver. ``make soak`` tries all."""


FIELDS = Combination._fields
EVERY = [Combination(*parts) for parts in itertools.product(MODELS, PRECISIONS, DRIVERS, METHODS)]
CHOSEN = [
    Combination(model, precision, driver, method)
    for (model, precision), drivers in QUICK.items()
    for driver, methods in drivers.items()
    for method in methods
]

SMALL_WORKSPACES = {"CUBLAS_WORKSPACE_CONFIG": ":16:8"}
"""Those of a worker, 32 MiB a stream, would hide what a step of a small network takes."""

Line = Mapping[str, Any]
Place = tuple[str, str, str, str]
"""Phase, file, function and kind of a wait."""


def made(
    model: str, precision: str, *, whole: bool, folder: Path, run: Callable[..., Any] = printed
) -> dict[Combination, Line]:
    """Return the lines of a model and precision, made by whichever process is the first to ask.

    Args:
        model: of ``matrix.MODELS``.
        precision: of ``matrix.PRECISIONS``.
        whole: all methods by all drivers, else those of ``QUICK``.
        folder: that all processes of the session share.
        run: what runs a program on the stub.
    """
    path = folder / f"{model}-{precision}-{'whole' if whole else 'quick'}.json"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            path.write_text(json.dumps(_made(model, precision, whole, run)), encoding="utf-8")
    lines = json.loads(path.read_text(encoding="utf-8"))
    return {Combination(*(line[name] for name in FIELDS)): line for line in lines}


def _made(model: str, precision: str, whole: bool, run: Callable[..., Any]) -> list[Line]:
    by_driver = {} if whole else QUICK[model, precision]
    asked = [f"{driver}={','.join(methods)}" for driver, methods in by_driver.items()]
    program = ["-m", "tests.device.matrix", "--model", model, "--precision", precision]
    program += ["--train", *asked] if asked else []
    lines: list[Line] = run(*program, seconds=3600 if whole else 500, **SMALL_WORKSPACES)
    return lines


# ---- what was committed ----


class Budget(NamedTuple):
    """What a step may take at most."""

    kernels: float
    copies: float
    mib: float

    @classmethod
    def of(cls, line: Line) -> "Budget":
        """Return what a line says was taken."""
        return cls(line["kernels"], line["copies"], line["peak_mib"])


def read_budget() -> dict[Combination, Budget]:
    """Return the committed budget; nothing for a PyTorch that has none."""
    if not BUDGET.is_file():
        return {}
    with BUDGET.open(newline="", encoding="utf-8") as file:
        return {
            Combination(*row[:4]): Budget(*map(float, row[4:]))
            for row in list(csv.reader(file))[1:]
        }


def read_waits() -> dict[Place, int]:
    """Return where the host may wait, and how often in the worst combination of ``CHOSEN``."""
    if not WAITS.is_file():
        return {}
    with WAITS.open(newline="", encoding="utf-8") as file:
        return {tuple(row[:4]): int(row[4]) for row in list(csv.reader(file))[1:]}


def most_waits(lines: Iterable[Line]) -> dict[Place, int]:
    """Return how often the host waited at each place in training, in the line that has most."""
    most: dict[Place, int] = {}
    for line in lines:
        for *place, count in line["waits"]:
            if place[0]:  # not while a cell's data and state are made
                most[tuple(place)] = max(count, most.get(tuple(place), 0))
    return most


# ---- to commit less ----


def lower(folder: Path) -> None:
    """Measure what every commit tries, and write budget and waits where they are new or lower.

    Raises:
        ValueError: the host waits at a new place, or more often.
    """
    lines: dict[Combination, Line] = {}
    for key in QUICK:
        lines |= made(*key, whole=False, folder=folder)
        print(*key, "measured", flush=True)
    budget, before, waits = read_budget(), read_waits(), most_waits(lines[one] for one in CHOSEN)
    for place, count in waits.items():
        if before and count > before.get(place, 0):
            raise ValueError(
                f"the host waits {count} times at {', '.join(place)}: more than before"
            )
    for one in CHOSEN:
        if (line := lines[one])["status"] == "ok":
            taken = Budget.of(line)
            budget[one] = Budget(*map(min, taken, budget.get(one, taken)))
    rows = [[*one, *map(_short, budget[one])] for one in CHOSEN if one in budget]
    _write(BUDGET, [*FIELDS, *Budget._fields], rows)
    rows = [[*place, waits[place]] for place in sorted(waits)]
    _write(WAITS, ["phase", "file", "function", "kind", "count"], rows)


def _short(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as kept:
        lower(Path(sys.argv[1] if sys.argv[1:] else kept))
