"""Where the tests find image files, and CIFAR-10 laid out for torchvision from a packed copy."""

import functools
import hashlib
import importlib.util
import os
import tempfile
from pathlib import Path

import pytest

from benchmarks.datasets import DATASETS, ROOT_VARIABLE

SHARED = Path(os.environ.get(ROOT_VARIABLE, Path(__file__).parents[3] / "shared" / "data"))
PACKED = SHARED / "load_packed.py"
FOLDER = DATASETS["cifar10"].folder

no_cifar10 = pytest.mark.skipif(
    not ((SHARED / FOLDER).is_dir() or PACKED.is_file()), reason=f"no CIFAR-10 under {SHARED.name}"
)


class _CIFAR10:
    """CIFAR-10 as a test may have it: the publisher's files, or the same content pickled anew."""

    @functools.cached_property
    def root(self):
        """A folder that torchvision reads."""
        if (SHARED / FOLDER).is_dir():
            return SHARED
        spec = importlib.util.spec_from_file_location("load_packed", PACKED)
        packed = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(packed)
        root = Path(tempfile.gettempdir()) / f"noisy-labels-tests-{os.getuid()}"
        if not (root / FOLDER).is_dir():
            root.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(dir=root) as building:
                packed.write_torchvision_root(building)
                (Path(building) / FOLDER).rename(root / FOLDER)
        return root

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


def _md5(path):
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


CIFAR10 = _CIFAR10()
