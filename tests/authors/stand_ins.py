"""What stands in for the libraries and the loops that authors' code asks for."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor


class Torch64:
    """What code knows as torch, with float64 for float32."""

    FloatTensor = torch.DoubleTensor
    float32 = torch.float64

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


class Numpy64:
    """What code knows as numpy, with float64 for float32, and with a name that numpy has lost."""

    float32 = float = np.float64

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


class Bar(list[Any]):
    """A list that shows no progress."""

    def __init__(self, rows: Any, **_more: Any):
        super().__init__(rows)

    def set_description(self, _text: str) -> None:
        pass


class Loader(list[Any]):
    """Batches, as a loader of a dataset of a size gives them."""

    batch_size = 1

    def __init__(self, rows: Any, size: int):
        super().__init__(rows)
        self.dataset = range(size)


SILENT = SimpleNamespace(stdout=SimpleNamespace(write=lambda _: None, flush=lambda: None))
QUIET: dict[str, Any] = {"tqdm": Bar, "print": lambda *_, **__: None, "sys": SILENT}


@contextmanager
def losses_kept() -> Iterator[list[Tensor]]:
    """Keep what code asks a gradient of, in place of taking it; and all in float64."""
    found: list[Tensor] = []

    def keep(loss: Tensor) -> None:
        found.append(loss)

    with patch.object(Tensor, "backward", keep), patch.object(Tensor, "float", Tensor.double):
        yield found
