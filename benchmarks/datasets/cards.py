"""Cards: the text that tells a user about a dataset before training on it."""

import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

from benchmarks.datasets import DATASETS, Dataset, data_root
from benchmarks.datasets.content import load

WIDTH = 100
INDENT = 15
GLUE = "\xa0"
"""A space at which no line is broken."""


def card(spec: str, root: Path | None = None) -> str:
    """Return what is known about a dataset, as text of at most ``WIDTH`` columns.

    Args:
        spec: its spec.
        root: the folder of the image files, the usual one if None; only of data of one's own is
            anything read.

    Raises:
        ValueError: there is no such dataset.
        RefusedError: it is data of one's own, and its files are not there or hold something else.
    """
    dataset = DATASETS.build(spec)
    name = DATASETS.spec(dataset)
    about = (inspect.getdoc(dataset) or "").partition("\n\n")[0].replace("\n", " ")
    rows = [_row(label, text) for label, text in _facts(dataset, data_root(root))]
    traps = [_row("" if place else "traps", trap) for place, trap in enumerate(dataset.card.traps)]
    return "\n".join([*textwrap.wrap(f"{name}: {about}", WIDTH), *rows, *traps])


def _facts(dataset: Dataset, root: Path) -> Iterator[tuple[str, str]]:
    """Yield what is said, in order."""
    train, test = dataset.sizes
    split = ", split anew for each seed" if dataset.resplit else ""
    yield "source", dataset.card.source
    yield "paper", dataset.card.paper
    yield "licence", dataset.card.licence
    yield "images", f"{train:,} training, {test:,} test{split}"
    if dataset.vectors:
        yield "features", f"{dataset.shape[0]}, float32, of mean 0"
    else:
        yield "shape", f"{'x'.join(map(str, dataset.shape))}, uint8, 0 to {dataset.white}"
    if not dataset.superclasses:
        yield "classes", _numbered(dataset, dataset.classes)
    for place, (group, members) in enumerate(dataset.superclasses.items()):
        yield "" if place else "classes", f"{group}: {_numbered(dataset, members)}"
    yield "balance", _balance(dataset)
    if not dataset.vectors:
        shares = (_shares(dataset, values) for values in dataset.normalisation(root))
        yield "normalisation", " mean, ".join(shares) + " std"
    if dataset.gives_labels:
        yield "truth", _truth(dataset, root)
    yield "asymmetric", _asymmetric(dataset)
    yield "label errors", dataset.card.label_errors
    yield "integrity", dataset.card.integrity


def _numbered(dataset: Dataset, names: tuple[str, ...]) -> str:
    """List classes with their numbers, which stay beside them when lines are broken."""
    places = {name: str(place) for place, name in enumerate(dataset.classes)}
    pairs = (name if name == places[name] else f"{places[name]} {name}" for name in names)
    return ", ".join(pair.replace(" ", GLUE) for pair in pairs)


def _balance(dataset: Dataset) -> str:
    """Say how many training images a class has."""
    if not dataset.class_counts:
        each = dataset.published[0] // dataset.num_classes
        return f"{'about ' if dataset.resplit else ''}{each:,} training images of each class"
    ends = {
        count: dataset.classes[dataset.class_counts.index(count)] for count in dataset.class_counts
    }
    low, high = min(ends), max(ends)
    return f"{low:,} ({ends[low]}) to {high:,} ({ends[high]}) training images of a class"


def _shares(dataset: Dataset, values: tuple[float, ...]) -> str:
    """Write values as shares of the largest one, as ``torchvision.transforms.Normalize`` wants."""
    return "(" + ", ".join(f"{value / dataset.white:.4f}" for value in values) + ")"


def _truth(dataset: Dataset, root: Path) -> str:
    """Say whether there are clean labels, and then how many of the given ones are others."""
    if dataset.truth == "unknown":
        return "unknown: there are no clean labels, and results are agreement with the given ones"
    train = load(dataset, root, 0)[0]
    wrong = 0 if train.given is None else int((train.given != train.label).sum())
    rate = wrong / len(train.label)
    return f"known: {wrong:,} of {len(train.label):,} given training labels are wrong ({rate:.1%})"


def _asymmetric(dataset: Dataset) -> str:
    """Write the map of asymmetric noise in names, but for a hundred classes only its rule."""
    names = dataset.classes
    pairs = [f"{names[true]} -> {names[given]}" for true, given in dataset.confusions.items()]
    shown = "" if dataset.superclasses or not pairs else ", ".join(pairs) + "; "
    return shown + dataset.card.asymmetric


def _row(label: str, text: str) -> str:
    filled = textwrap.fill(
        text,
        WIDTH,
        initial_indent=f"  {label}".ljust(INDENT + 2),
        subsequent_indent=" " * (INDENT + 2),
        break_on_hyphens=False,
        break_long_words=False,
    )
    return filled.replace(GLUE, " ")
