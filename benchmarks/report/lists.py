"""Lists of numbers in fields of a table: checked when it is read, taken apart to be drawn."""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from benchmarks.report.stats import Floats
from benchmarks.schema import POOLED_KEYS

CLASSES, SEEDS = "classes", "seeds"
LISTS: Mapping[str, Mapping[str, str]] = {
    "transitions.csv": {"estimated": CLASSES, "realised": CLASSES},
    "confusion.csv": {
        "tested": SEEDS,
        "correct": SEEDS,
        "predicted": CLASSES,
        "given": CLASSES,
    },
    "risk_coverage.csv": {"errors": SEEDS},
    "precision_recall.csv": {"precisions": SEEDS},
}
"""The columns of lists in each table, and what a list has a number for."""
_KEYS = list(POOLED_KEYS)
_LIST = re.compile(r"-?(\d+(\.\d+)?(e[+-]?\d+)?|nan|inf)( -?(\d+(\.\d+)?(e[+-]?\d+)?|nan|inf))*")


def fault_of_lists(table: pd.DataFrame, name: str) -> str:
    """Return what is wrong with the lists of a table, behind its path; nothing if all are right.

    Of a method in a setting, the rows of a list over classes are one for each class, from 0.
    """
    kinds = LISTS.get(name, {})
    if table.empty or not kinds:
        return ""
    lengths = {SEEDS: table["seeds"]}
    if CLASSES in kinds.values():
        groups = table.groupby(_KEYS, dropna=False)["label"]
        lengths[CLASSES] = groups.transform("size")
        if not (groups.rank() == table["label"] + 1).all():
            return "does not have one row for each class of a method in a setting"
    for column, kind in kinds.items():
        texts = table[column].tolist()
        for text, length in zip(texts, lengths[kind].tolist(), strict=True):
            if text.count(" ") + 1 != length or not _LIST.fullmatch(text):
                return (
                    f"should have {length:.6g} numbers for the {kind} in {column}, with blanks "
                    f"between them, and has {text[:40]!r}"
                )
    return ""


def values_of(text: str) -> list[float]:
    """Return the numbers of a list.

    >>> values_of("0.5 1")
    [0.5, 1.0]
    """
    return [float(value) for value in text.split(" ")]


def matrix_of(rows: pd.DataFrame, column: str) -> Floats:
    """Return the lists of the classes in a column as a matrix, ``(C, C)``."""
    ordered = rows.sort_values("label")[column]
    return np.array([values_of(text) for text in ordered], np.float64)


def each_seed(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the rows of a table once for each seed, a list over seeds in them as one number."""
    lists = pd.Series([values_of(text) for text in table[column]], table.index, "object")
    return table.assign(**{column: lists}).explode(column).astype({column: "float64"})
