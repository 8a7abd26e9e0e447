"""Which cell of one results folder is compared with which cell of another."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmarks.commands import quoted
from benchmarks.errors import RefusedError, count, refuse_unknown

KEYS = ("dataset", "noise", "model", "recipe", "method", "seed")
"""The columns in which the two finished cells of a pair agree."""
ARROW = "\N{RIGHTWARDS ARROW}"


class NoiseChange(NamedTuple):
    """A comparison in which the noise is what changed: the k-th of A became the k-th of B.

    A side without names has one noise, which is meant.
    """

    before: Sequence[str] = ()
    after: Sequence[str] = ()


def pair_same(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """Return the cells of A and B side by side, paired where they agree in ``KEYS``.

    Every other column has the suffix ``_a`` or ``_b``; ``setting`` is there without one, too. A
    noise from a file is the same wherever the file lies, which early versions say, and whatever its
    name where the cells are the same.
    """
    a, b = (side.assign(noise=side["noise"].map(_file_name)) for side in (a, b))
    shared = a[["cell_id", "noise"]].merge(b[["cell_id", "noise"]], on="cell_id")
    names = dict(zip(shared["noise_y"], shared["noise_x"], strict=True))  # of one cell
    b = b.assign(noise=b["noise"].map(lambda name: names.get(name, name)))
    cells = a.merge(b, on=list(KEYS), how="outer", suffixes=("_a", "_b"))
    return cells.assign(setting=cells["setting_a"].fillna(cells["setting_b"]))


def _file_name(noise: str) -> str:
    """Return a noise as results show it: its file without folders."""
    return re.sub(r"(=['\"])[^'\"]*[/\\]", r"\1", noise)


def pair_changed(
    a: pd.DataFrame, b: pd.DataFrame, change: NoiseChange, folders: tuple[Path, Path]
) -> pd.DataFrame:
    """Return the same of cells that agree in all but the noise, of which one became the other.

    Cells with other noises are left out. ``noise`` is that of A, or of B for a cell without a
    partner; ``noise_a``, ``noise_b`` are those of a pair.

    Args:
        a: finished cells of A, one row each, with ``KEYS``, ``setting`` and ``panel``.
        b: likewise of B.
        change: which noise became which.
        folders: A and B.

    Raises:
        RefusedError: that is not clear.
    """
    noises = _changes(a, b, change, folders)
    sides = []
    for table, names in ((a, noises), (b, noises.values())):
        place = {name: k for k, name in enumerate(names)}
        chosen = table[table["noise"].isin(place)]
        sides.append(chosen.assign(place=chosen["noise"].map(place)))
    keys = [*(key for key in KEYS if key != "noise"), "place"]
    cells = sides[0].merge(sides[1], on=keys, how="outer", suffixes=("_a", "_b"))
    setting = cells["setting_a"] + f" {ARROW} " + cells["panel_b"]
    return cells.assign(noise=cells["noise_a"].fillna(cells["noise_b"]), setting=setting)


def _changes(
    a: pd.DataFrame, b: pd.DataFrame, change: NoiseChange, folders: tuple[Path, Path]
) -> dict[str, str]:
    """Return the noise of B that each noise of A became."""
    known = [sorted(set(table["noise"])) for table in (a, b)]
    change = NoiseChange(
        *(
            [_shown(name, there) for name in asked]
            for asked, there in zip(change, known, strict=True)
        )
    )
    for side, asked, there, folder in zip("ab", change, known, folders, strict=True):
        _refuse_odd(f"--noises-{side}", asked, there, folder)
    first, second = (asked or there for asked, there in zip(change, known, strict=True))
    clear = all(asked or len(there) == 1 for asked, there in zip(change, known, strict=True))
    if not clear or len(first) != len(second):
        raise RefusedError(_unclear(change, known, folders))
    return dict(zip(first, second, strict=True))


def _shown(noise: str, known: Sequence[str]) -> str:
    """Return the noise that is meant: as it is, or as results show it."""
    short = _file_name(noise)
    return short if noise not in known and short in known else noise


def _refuse_odd(option: str, asked: Sequence[str], there: Sequence[str], folder: Path) -> None:
    owner = f"{option}: no finished cell of {folder}"
    refuse_unknown(owner, {"noise": asked}, {"noise": there})
    if twice := [name for name, number in Counter(asked).items() if number > 1]:
        raise RefusedError(f"{option} names {twice[0]!r} twice")


def _unclear(
    change: NoiseChange, known: Sequence[Sequence[str]], folders: tuple[Path, Path]
) -> str:
    """Say what has to be chosen so that it is clear which noise became which."""
    if change.before and change.after:
        return (
            "--noises-a and --noises-b are paired in their order and must be as many, got "
            f"{len(change.before)} and {len(change.after)}"
        )
    told = [
        f"{folder} has {count(len(there), 'noise')} ({', '.join(there)})"
        for folder, there in zip(folders, known, strict=True)
    ]
    options = []
    for side, asked, there in zip("ab", change, known, strict=True):
        if len(there) > 1 or asked:
            example = asked or [next((name for name in there if name != "clean"), there[0])]
            options += [f"--noises-{side}", *example]
    return (
        f"{' and '.join(told)}: say which noise became which, each of A paired with one of B, "
        f"as in {' '.join(map(quoted, options))}"
    )
