"""CIFAR-10 laid out for torchvision: as a developer keeps it, or from a packed copy."""

import functools
import hashlib
import importlib.util

import filelock
import pytest

from benchmarks.datasets import DATASETS

FOLDER = DATASETS["cifar10"].folder


class CIFAR10:
    """CIFAR-10 as a test may have it: the publisher's files, or the same content pickled anew."""

    def __init__(self, root):
        self.root = root
        """A folder that torchvision reads."""

    @functools.lru_cache(maxsize=1)  # noqa: B019  there is one
    def load(self):
        """Return (train, test)."""
        with pytest.MonkeyPatch.context() as patch:
            self.accept(patch)
            return DATASETS.build("cifar10").load(self.root, 0)

    def original(self):
        """Say whether these are the publisher's own files, of which torchvision knows the md5s."""
        import torchvision  # noqa: PLC0415

        meta = torchvision.datasets.CIFAR10.meta
        return _md5(self.root / FOLDER / meta["filename"]) == meta["md5"]

    def accept(self, patch):
        """Tell torchvision the md5s of these files; their content is proven by its sha256."""
        import torchvision  # noqa: PLC0415

        folder = self.root / FOLDER
        files = torchvision.datasets.CIFAR10
        for name in ("train_list", "test_list"):
            found = [[part, _md5(folder / part)] for part, _ in getattr(files, name)]
            patch.setattr(files, name, found)
        key = files.meta["filename"]
        patch.setattr(files, "meta", {**files.meta, "md5": _md5(folder / key)})


@functools.cache
def cifar10_in(real_data, target):
    """Return the set that a developer keeps, or None; a packed one is unpacked to ``target``."""
    if (real_data / FOLDER).is_dir():
        return CIFAR10(real_data)
    packed = real_data / "load_packed.py"
    if not packed.is_file():
        return None
    with filelock.FileLock(target / "cifar10.lock"):  # which all workers of a session share
        if not (target / "cifar10").is_dir():
            spec = importlib.util.spec_from_file_location("load_packed", packed)
            loaded = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(loaded)
            loaded.write_torchvision_root(target / "cifar10")
    return CIFAR10(target / "cifar10")


def _md5(path):
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
