"""A team that is trained on the stub, and what each part of its training launches."""

import collections
from typing import Any

from tests.device.counters import Stub

PARTS = ("step", "update_averages", "evaluate", "refit", "mean", "begin")
"""The calls of a team that are counted apart; the rest of an epoch is its batches."""

KERNELS = ("kernel", "library", "fill", "replayed_kernel")
COPIES = ("on_device", "replayed_copy")
TRANSFERS = ("to_device", "to_device_pinned", "to_host")
WAITS = ("stream_wait", "device_wait", "event_wait", "copy_wait")
"""Kinds that the stub counts, by what they cost: time of the device, of the bus, of the host."""


class Metered:
    """A team like the one inside, whose calls are counted."""

    def __init__(self, team: Any, stub: Stub) -> None:
        self._team, self._stub = team, stub
        self.calls: collections.Counter[str] = collections.Counter()
        self.spent: dict[str, collections.Counter[str]] = collections.defaultdict(
            collections.Counter
        )

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._team, name)
        return self._counted(name, found) if name in PARTS else found

    def _counted(self, name: str, function: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            before = self._stub.counts()
            result = function(*args, **options)
            self.calls[name] += 1
            self.spent[name] += self._stub.counts() - before
            return result

        return call

    def forget(self) -> None:
        """Begin to count anew."""
        self.calls.clear()
        self.spent.clear()

    def of(self, part: str, kinds: tuple[str, ...]) -> int:
        """Return what a part has spent of some kinds."""
        return sum(self.spent[part][kind] for kind in kinds)
