"""Images that stay where they lie, in memory or in a map of a file, and come batch by batch."""

import math
from collections import deque
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

COPIED = 2**28
"""Bytes of a set of images, up to which a cell has a copy of its own, in its order."""

SHARE, FILLED = 0.7, 0.5
"""Shares of a GPU's free memory: images that take at most the first all stay on it, which is what
packs are planned by; of more, so many stay as the second holds, and the rest is sent.
"""

AHEAD = 2
"""Batches that may be on their way to a GPU while the next one is gathered."""

AT_ONCE = 2**24
"""Bytes of images that are moved together to where they stay."""


class Gathered:
    """Some of many images, in an order of their own, of which only what is asked for is copied.

    The first of them may stay on the device; the others are sent to it, a GPU gets them from pinned
    memory.
    """

    def __init__(
        self, every: Tensor, place: Tensor, device: torch.device, resident: int = 0
    ) -> None:
        """Take images where they lie.

        Args:
            every: ``(M, channels, H, W)``, in memory or mapped.
            place: ``(N,)`` int64, on the CPU: which of them, in order.
            device: where they are wanted.
            resident: so many of the first ones stay there.
        """
        self._every, self._place, self._device = every, place, device
        self._resident = moved(every, place[:resident], device)
        self._sent: deque[torch.cuda.Event] = deque()

    @property
    def shape(self) -> torch.Size:
        """The shape of all images together."""
        return torch.Size((len(self._place), *self._every.shape[1:]))

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._place)

    def numel(self) -> int:
        """Return the number of pixels."""
        return self.shape.numel()

    def split(self, size: int) -> Iterator[Tensor]:
        """Yield all images, so many at a time."""
        return (self[start : start + size] for start in range(0, len(self), size))

    def __getitem__(self, which: Tensor | slice) -> Tensor:
        """Return some images on the device.

        Args:
            which: places ``(n,)`` int64; if they are on a GPU, the host waits for them.
        """
        if isinstance(which, slice):
            which = torch.arange(*which.indices(len(self)))
        self._wait()
        which = which.cpu()
        is_sent = which >= len(self._resident)
        order = is_sent.argsort(stable=True)  # resident ones first
        stay, sent = which[order].split([int((~is_sent).sum()), int(is_sent.sum())])
        image = self._send(self._every[self._place[sent]])
        if len(stay):
            image = torch.cat([self._resident[self._send(stay)], image])
            image = image[self._send(order.argsort())]
        self._note()
        return image

    def _send(self, tensor: Tensor) -> Tensor:
        """Return a tensor that is on its way to the device."""
        tensor = tensor.pin_memory() if self._device.type == "cuda" else tensor
        return tensor.to(self._device, non_blocking=True)

    def _wait(self) -> None:
        """Wait until few batches are on their way, for each of them holds pinned memory."""
        if len(self._sent) == AHEAD:
            self._sent.popleft().synchronize()

    def _note(self) -> None:
        """Note what has been sent to a GPU by now."""
        if self._device.type == "cuda":
            event = torch.cuda.Event()
            event.record()
            self._sent.append(event)


Images = Tensor | Gathered
"""The images of a cell, on its device or on their way there."""


def held(sets: Sequence[tuple[Tensor, Tensor | None]], device: torch.device) -> list[Images]:
    """Return the images of a cell: copies in their own order, or gathered where they are many.

    Args:
        sets: images ``(M, channels, H, W)`` and which of them ``(N,)``, None for all; first those
            that had best stay on a GPU.
        device: of the cell.
    """
    sizes = [_bytes(every) * len(every if place is None else place) for every, place in sets]
    room, on_cpu = _room(sum(sizes), device), device.type == "cpu"
    found: list[Images] = []
    for size, (every, place) in zip(sizes, sets, strict=True):
        if place is None or size <= COPIED if on_cpu else size <= room:
            found.append(moved(every, place, device))
            room -= size
        else:
            some = torch.arange(len(every)) if place is None else place
            stay = 0 if on_cpu else int(room // _bytes(every))
            found.append(Gathered(every, some, device, stay))
            room -= stay * _bytes(every)
    return found


def _room(wanted: int, device: torch.device) -> float:
    """Return the bytes of images that may stay on a device."""
    if device.type != "cuda":
        return math.inf
    free = torch.cuda.mem_get_info(device)[0]
    return free * (SHARE if wanted <= SHARE * free else FILLED)


def moved(every: Tensor, place: Tensor | None, device: torch.device) -> Tensor:
    """Return images on a device; many go there in pieces, and are never copied whole on the way.

    Args:
        every: ``(M, channels, H, W)``, in memory or mapped.
        place: ``(N,)`` int64, which of them; None for all, which a CPU has already.
        device: where to.
    """
    if place is None:
        return every.to(device)
    if len(place) * _bytes(every) <= COPIED:
        return every[place].to(device)
    there = torch.empty(len(place), *every.shape[1:], dtype=every.dtype, device=device)
    count = max(1, AT_ONCE // _bytes(every))
    for part, some in zip(there.split(count), place.split(count), strict=True):
        part.copy_(every[some])
    return there


def _bytes(image: Tensor) -> int:
    """Return the bytes of one of some images."""
    return image[0].numel() * image.element_size() if len(image) else 1
