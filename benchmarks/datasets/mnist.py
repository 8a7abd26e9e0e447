"""MNIST."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from benchmarks.datasets.base import Dataset, Split, digest
from benchmarks.refusals import DataMissingError


@dataclass(frozen=True)
class MNIST(Dataset):
    """70,000 scans of handwritten digits, 28x28 grey pixels; 60,000 for training.

    Asymmetric noise follows Patrini et al. (CVPR 2017): 2->7, 3->8, 5<->6, 7->1.

    Reference:
        LeCun et al., "Gradient-based learning applied to document recognition", Proceedings of the
        IEEE, 1998. http://yann.lecun.com/exdb/mnist/
    """

    num_classes: ClassVar[int] = 10
    sizes: ClassVar[tuple[int, int]] = (60_000, 10_000)
    shape: ClassVar[tuple[int, int, int]] = (1, 28, 28)
    mean: ClassVar[tuple[float, ...]] = (0.1307 * 255,)
    std: ClassVar[tuple[float, ...]] = (0.3081 * 255,)
    source: ClassVar[str] = "torchvision.datasets.MNIST"
    confusions: ClassVar[Mapping[int, int]] = {2: 7, 3: 8, 5: 6, 6: 5, 7: 1}
    sha256: ClassVar[str] = "1e35582d42a90940c55b956deb61875c020b567ed20e3c5b174f52bf7809ed9b"

    def fetch(self, root: Path) -> None:
        """Download the publisher's files unless they are there, and check them."""
        self._checked(root, download=True)

    def load(self, root: Path, seed: int) -> tuple[Split, Split]:
        """Return the publisher's (train, test)."""
        return self._checked(root, download=False)

    def _checked(self, root: Path, *, download: bool) -> tuple[Split, Split]:
        """Return (train, test) if their content is the published one."""
        try:
            train, test = (self._read(root, train, download) for train in (True, False))
        except (OSError, RuntimeError, ValueError, EOFError) as error:
            raise DataMissingError(self._absent(root, error)) from error
        if (found := digest(train, test)) != self.sha256:
            name = type(self).__name__
            raise DataMissingError(
                f"the files in {root / name} are damaged: their content has sha256 {found[:12]}…, "
                f"the published one {self.sha256[:12]}…; delete that folder and fetch them anew"
            )
        return train, test

    def _read(self, root: Path, train: bool, download: bool) -> Split:
        import torchvision  # noqa: PLC0415  slow, and only these datasets need it

        files = getattr(torchvision.datasets, type(self).__name__)(root, train, download=download)
        return Split(files.data.unsqueeze(1), files.targets.long())

    def _absent(self, root: Path, error: Exception) -> str:
        reason = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else "no file"
        return (
            f"{type(self).__name__} is not to be had: looked in {root / type(self).__name__} "
            f"({reason}); fetch it with `python run_all.py data get`, or name its folder by --data"
        )
