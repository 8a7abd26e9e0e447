"""What a run leaves on the disk."""

from typing import NamedTuple

from benchmarks.planning.repeats import Cells, repeats

TABLES_OF_CELL, TABLES_OF_EPOCH = 13_500, 380
"""The bytes of the CSV files and of the plan for a cell, and for each of its epochs."""

REPORT, REPORT_OF_CELL = 1_500_000, 26_000
"""The bytes of a report as a run draws it, and what each cell adds to it."""


class Disk(NamedTuple):
    """Bytes on the disk."""

    parts: int
    tables: int
    report: int

    def __str__(self) -> str:
        parts, tables, report = map(_mib, self)
        return f"{_mib(sum(self))} MiB: parts {parts}, tables {tables}, report {report}"


def disk_of(cells: Cells, *, keep_all: bool) -> Disk:
    """Estimate what a run of these cells leaves, their report included.

    Parts hold logits and a few numbers for each training image.
    """
    parts, tables, number = 0, 0, 0
    for each in repeats(cells):
        dataset, recipe = each.first.dataset, each.first.recipe
        n, test = dataset.sizes
        shown = test + round(recipe.val_fraction * n)
        logits = 4 * shown * dataset.num_classes * (3 if keep_all else 1)
        parts += len(each) * (logits + 34 * n + 8 * 30 * recipe.epochs + 9000)
        tables += len(each) * (TABLES_OF_CELL + TABLES_OF_EPOCH * recipe.epochs)
        number += len(each)
    return Disk(parts, tables, REPORT + REPORT_OF_CELL * number)


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f}" if size < 10 * 2**20 else f"{size / 2**20:.0f}"
