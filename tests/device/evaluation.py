"""Train on the stub and print, of a precision and driver, how images were evaluated.

A line of JSON says what products were rounded to while steps were taken and while images were
evaluated, the sizes of the batches, and where the host waited in an epoch.
"""

import json
from typing import Any

import torch

from benchmarks.engine import loop
from benchmarks.engine.drivers import team_of
from tests.cells import build, few
from tests.device.counters import Stub
from tests.device.matrix import DRIVERS, on
from tests.device.metered import KERNELS, Metered

RECIPE = "small(epochs=4, batch=97, evaluate_every=2)"
TRAIN, VAL, TEST = 293, 31, 83


class Watched(Metered):
    """A team that notes whether products are rounded in its calls."""

    def __init__(self, team: Any, stub: Stub) -> None:
        super().__init__(team, stub)
        self.rounded: dict[str, set[tuple[bool, bool]]] = {"step": set(), "evaluate": set()}
        self.sizes: list[int] = []

    def step(self, *args: Any) -> Any:
        """Take a step."""
        self.rounded["step"].add(flags())
        return self._counted("step", self._team.step)(*args)

    def evaluate(self, images: Any, **asked: bool) -> Any:
        """Evaluate images, and note how many at once."""
        self.rounded["evaluate"].add(flags())
        chunks = list(images)
        self.sizes += [chunk.shape[1] for chunk in chunks]
        return self._counted("evaluate", self._team.evaluate)(chunks, **asked)


def flags() -> tuple[bool, bool]:
    """Return whether products and convolutions are rounded."""
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


def trained(driver: str, precision: str, stub: Stub) -> dict[str, Any]:
    """Train four epochs, two of them evaluated, and say of each kind how the host waited."""
    width, chosen = DRIVERS[driver]
    device = torch.device("cuda")
    cells = [
        build(model="convnet", recipe=RECIPE, seed=seed, precision=precision)
        for seed in range(width)
    ]
    data = [on(device, few(cell, TRAIN)) for cell in cells]
    team = Watched(team_of(cells, data, width, chosen), stub)
    epochs, waits = loop.train(team), {}
    next(epochs)
    for _ in range(3):
        with stub.waits() as found:
            (epoch, *_) = next(epochs)
        waits[epoch.evaluated] = sum(
            count for wait, count in found.items() if wait.phase in {"train", "evaluate"}
        )
    return {
        "driver": driver,
        "precision": precision,
        "rounded": {name: sorted(seen) for name, seen in team.rounded.items()},
        "sizes": team.sizes,
        "kernels": team.of("evaluate", KERNELS),
        "waits": [waits[False], waits[True]],
    }


def main() -> None:
    """Print a line for each precision and driver."""
    stub = Stub()
    loop.GPU_BATCH = 100
    for driver in DRIVERS:
        for precision in ("float32", "bfloat16"):
            print(json.dumps(trained(driver, precision, stub)), flush=True)


if __name__ == "__main__":
    main()
