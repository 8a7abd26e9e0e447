"""Matrices of classes by classes, and the names of classes beside them."""

from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from benchmarks.report.data import Run
from benchmarks.report.figures.tips import plain, say
from benchmarks.report.phrases import printable
from benchmarks.report.stats import Floats
from benchmarks.report.venues import SMALLEST

NAMED = 12
"""Most classes of which each has a name beside a matrix."""
_LONGEST = 12
"""The letters of the longest name of a class."""
_LETTER = SMALLEST * 0.0083
"""The inches of a letter of a name."""


class Names(NamedTuple):
    """What is written beside the rows and columns of a matrix."""

    names: tuple[str, ...]  # none where there are too many to write

    @property
    def inches(self) -> float:
        """How long the longest is."""
        return _LETTER * max(map(len, self.names), default=0)

    @property
    def turned(self) -> bool:
        """Whether names below a matrix stand upright, as they are long."""
        return any(len(name) > 2 for name in self.names)


def class_names(run: Run, dataset: str, count: int) -> tuple[str, ...]:
    """Return the names of the classes of a dataset: numbers where its plan does not tell them."""
    names = run.class_names.get(dataset, ())
    return tuple(map(printable, names)) if len(names) == count else tuple(map(str, range(count)))


def numbered(run: Run, rows: pd.DataFrame) -> str:
    """Return the sentence for a caption on datasets without names of classes, if there are any."""
    unknown = any(name not in run.class_names for name in rows["dataset"].unique())
    return " Classes are numbered as in the dataset." if unknown else ""


def names_beside(run: Run, dataset: str, count: int) -> Names:
    """Return the names to write beside a matrix of a dataset."""
    names = class_names(run, dataset, count) if count <= NAMED else ()
    return Names(tuple(map(shortened, names)))


def shortened(name: str) -> str:
    """Return the name of a class, without its end if it is long."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"


def draw(axes: Axes, values: Floats, scale: dict[str, Any]) -> AxesImage:
    """Draw a matrix in the colours of a scale, a square for each entry."""
    image = axes.imshow(values, interpolation="nearest", **scale)
    axes.set(xticks=[], yticks=[])
    axes.tick_params(length=0, labelsize=SMALLEST, pad=1)
    axes.grid(visible=False)
    axes.spines[:].set(visible=True, color="0.7", linewidth=0.4)
    return image


def tell(axes: Axes, values: Floats, names: Names) -> None:
    """Let the entries of a matrix say what they are of, where the classes have names."""
    for row, name in enumerate(names.names):
        texts = [
            f"{name} → {to}: {plain(v)}" for to, v in zip(names.names, values[row], strict=True)
        ]
        say(axes, range(len(texts)), row, texts)


def name_below(axes: Axes, names: Names) -> None:
    """Write the names of classes below a matrix."""
    places = range(len(names.names))
    axes.set_xticks(places, names.names, rotation=90 if names.turned else 0)


def name_beside(axes: Axes, names: Names) -> None:
    """Write the names of classes on the left of a matrix."""
    axes.set_yticks(range(len(names.names)), names.names)
