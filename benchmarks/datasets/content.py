"""What a dataset holds: loaded once a process, and the digest of what nobody published a sum of."""

import functools
import hashlib
from pathlib import Path
from typing import Protocol

from benchmarks import plugin_errors
from benchmarks.datasets.base import Dataset, Split, digest
from benchmarks.errors import DataMissingError, RefusedError
from benchmarks.outputs import WritingError

Splits = tuple[Split, Split]

_digests: dict[tuple[Dataset, Path], str] = {}


@functools.lru_cache(maxsize=8)
def _load(dataset: Dataset, root: Path, seed: int, _edition: object) -> Splits:
    return dataset.load(root, seed)


def load(dataset: Dataset, root: Path, seed: int, known: str = "") -> Splits:
    """Return (train, test) of a seed, loaded once a process.

    Args:
        dataset: a dataset.
        root: the folder of the image files.
        seed: of the cell.
        known: the digest that :func:`content` gave of it, if it did.

    Raises:
        DataMissingError: the files are absent or damaged.
        RefusedError: they hold something else by now.
    """
    splits = _load(dataset, root, seed if dataset.resplit else 0, dataset.edition())
    if known and content(dataset, root, None if dataset.resplit else splits) != known:
        name = type(dataset).__name__
        raise RefusedError(f"the data of {name} were edited after the run had begun; run again")
    return splits


class Fetched(Protocol):
    """A dataset or a noise, whose files may have to be fetched."""

    def fetch(self, root: Path) -> None:
        """Make sure that the files are there."""


def fetch(name: str, entry: Fetched, root: Path) -> None:
    """Fetch the files of an entry; however those of a plugin fail, it is data that is missing.

    Raises:
        DataMissingError: they are absent or damaged and could not be fetched.
    """
    try:
        entry.fetch(root)
    except (RefusedError, WritingError):
        raise
    except Exception as error:
        raise DataMissingError(
            f"{name} cannot be fetched: {plugin_errors.reason(error)}"
        ) from error


def is_brought(dataset: Dataset) -> bool:
    """Tell whether nobody published a sum of what a dataset holds: a plugin's, or vectors."""
    own = type(dataset).__module__.startswith("benchmarks.")
    return not own or type(dataset).content is not Dataset.content


def content(dataset: Dataset, root: Path, splits: Splits | None = None) -> str:
    """Return the digest of images and labels that is part of a cell's identity, taken once.

    It is empty for the datasets of this project, whose files have a known sum: their cells are the
    same whether the files are there or not. Another one may state what it holds by a cheaper
    ``content``; if not, all that it loads is hashed, for seed 0 if it is split anew for each.

    Args:
        dataset: a dataset.
        root: the folder of the image files.
        splits: what it loads, if it has been loaded.

    Raises:
        DataMissingError: the files are absent or damaged.
        RefusedError: the plugin fails.
    """
    if not is_brought(dataset):
        return ""
    if (dataset, root) not in _digests:
        name = type(dataset).__name__
        try:
            _digests[dataset, root] = _digest(dataset, root, splits)
        except RefusedError:
            raise
        except OSError as error:
            raise DataMissingError(
                f"{name} cannot be loaded: {plugin_errors.reason(error)}"
            ) from error
        except Exception as error:
            sentence = plugin_errors.failure(error) or (
                f"{name}.load must return two Splits, each of images (N, channels, height, width) "
                f"uint8 and labels (N,) int64 ({plugin_errors.in_words(error)})"
            )
            raise RefusedError(sentence) from error
    return _digests[dataset, root]


def _digest(dataset: Dataset, root: Path, splits: Splits | None) -> str:
    if stated := dataset.content(root):
        return hashlib.sha256(str(stated).encode()).hexdigest()[:12]
    return digest(*(splits or _load(dataset, root, 0, dataset.edition())))[:12]


def release() -> None:
    """Let go of the images that were loaded, once their digests are known."""
    _load.cache_clear()


def forget() -> None:
    """Forget what was loaded, as files may have been edited since."""
    _load.cache_clear()
    _digests.clear()
