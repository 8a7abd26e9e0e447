"""Cards: the text that tells a user about a dataset before training on it."""

import inspect
import textwrap
from collections.abc import Iterator

from benchmarks.datasets import DATASETS, Dataset

WIDTH = 100
INDENT = 15
GLUE = "\xa0"
"""A space at which no line is broken."""


def card(name: str) -> str:
    """Return what is known about a dataset, as text of at most ``WIDTH`` columns.

    Args:
        name: its name in the catalogue, or its spec.

    Raises:
        ValueError: there is no such dataset.
    """
    dataset = DATASETS.build(name)
    about = (inspect.getdoc(dataset) or "").partition("\n\n")[0].replace("\n", " ")
    rows = [_row(label, text) for label, text in _facts(dataset)]
    traps = [_row("" if place else "traps", trap) for place, trap in enumerate(dataset.card.traps)]
    return "\n".join([*textwrap.wrap(f"{name}: {about}", WIDTH), *rows, *traps])


def _facts(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Yield what is said, in order."""
    train, test = dataset.published
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
        shares = (_shares(dataset, values) for values in (dataset.mean, dataset.std))
        yield "normalisation", " mean, ".join(shares) + " std"
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
