"""The files behind datasets and noises: downloaded where they are missing, and checked."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import plugin_errors
from benchmarks.datasets import DATASETS, published
from benchmarks.datasets.content import fetch as fetch_entry
from benchmarks.errors import Exit, RefusedError
from benchmarks.noise import NOISES, Human
from benchmarks.outputs import WritingError
from benchmarks.sweep import Cell
from methods import Registry


def fetch_files(cells: Iterable[Cell], root: Path) -> None:
    """Make sure that the files that cells train on are there.

    Args:
        cells: whose datasets and noises, and the datasets that a noise borrows images from.
        root: the folder of the files.

    Raises:
        DataMissingError: a file is neither there nor can be downloaded, or is damaged.
    """
    for registry, entry in _entries(cells):
        fetch_entry(registry.spec(entry), entry, root)


def absent(cells: Iterable[Cell], root: Path) -> list[str]:
    """Return the names of datasets and noises that cells train on and whose files are not there."""
    names = [reg.name(entry) for reg, entry in _entries(cells) if not entry.is_there(root)]
    return list(dict.fromkeys(names))


def _entries(cells: Iterable[Cell]) -> Iterator[tuple[Registry[Any], Any]]:
    """Yield the datasets and noises of cells, and the datasets that a noise borrows images from."""
    every = list(cells)
    noises = dict.fromkeys(cell.noise for cell in every)
    lenders = [DATASETS.build(name) for noise in noises for name in noise.borrows]
    for dataset in dict.fromkeys((*(cell.dataset for cell in every), *lenders)):
        yield DATASETS, dataset
    for noise in noises:
        yield NOISES, noise


def check_files(names: Sequence[str], root: Path, *, fetch: bool) -> Iterator[tuple[str, Exit]]:
    """Load datasets and people's labels and yield a line about each with its exit code.

    Args:
        names: of datasets and of noises that are labels of people; none means all datasets.
        root: the folder of the files.
        fetch: download what is missing.

    Raises:
        RefusedError: a name is unknown; nothing was downloaded.
    """
    humans = {name: entry for name, entry in NOISES.items() if issubclass(entry, Human)}
    names = names or [name for name in published() if not DATASETS[name].vectors]
    try:
        datasets = {name: DATASETS.build(name) for name in names if name not in humans}
    except ValueError as error:
        raise RefusedError(str(error)) from error
    for name in names:
        try:
            if name in humans:
                yield f"{name}: {_labels(humans[name], root, fetch=fetch)}", Exit.DONE
                continue
            if fetch:
                fetch_entry(name, datasets[name], root)
            train, test = datasets[name].load(root, 0)
            counts = f"{len(train.label)} training and {len(test.label)} test images"
            yield f"{name}: {counts}", Exit.DONE
        except RefusedError as error:
            yield f"{name}: {error}", error.code
        except WritingError:  # ends it all
            raise
        except OSError as error:  # of a plugin
            yield f"{name}: {plugin_errors.reason(error)}", Exit.DATA_MISSING


def _labels(human: type[Human], root: Path, *, fetch: bool) -> str:
    """Say what is in a file of people's labels, after fetching it where asked to."""
    if fetch:
        human.download(root)
    labels = human.read(root)
    sets = [name for name in labels if not name.startswith("clean")]
    size = len(labels["clean_label"])
    return f"{size} training labels of {human.labels_of}: {', '.join(sets)} ({human.licence})"
