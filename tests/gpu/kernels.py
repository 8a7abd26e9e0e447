"""What a launch, a node of a graph, a product and a copy cost on this device."""

import statistics
import time
from collections.abc import Callable

import torch

from tests.gpu.environment import timed, wait
from tests.gpu.findings import Findings, Row
from tests.gpu.work import Item, Session

LAUNCHES = 1000
ROUNDS = 5
WIDTHS = (1, 4, 16, 32)
PRODUCTS = {  # dtype, and whether 10 bits of a factor are enough
    "bfloat16": (torch.bfloat16, False),
    "tf32": (torch.float32, True),
    "float32": (torch.float32, False),
    "float64": (torch.float64, False),
}
SIDE, TOY_SIDE = 8192, 64
NUMBERS, TOY_NUMBERS = 2**28, 2**12


def stage(session: Session, _findings: Findings) -> list[Item]:
    """List what is timed."""
    device = torch.device(session.device)
    items = [Item(["microseconds of a launch"], lambda _: _launch(device))]
    if device.type == "cuda":
        graphs = {f"microseconds of a node in {width} branches": width for width in WIDTHS}
        items.append(Item(list(graphs), lambda key: _node(device, graphs[key])))
    side, numbers = (TOY_SIDE, TOY_NUMBERS) if session.toy else (SIDE, NUMBERS)
    products = {f"TFLOP/s of a product in {name}": how for name, how in PRODUCTS.items()}
    items.append(Item(list(products), lambda key: _product(device, side, *products[key])))
    return [*items, Item(["TB/s of a copy"], lambda _: _copy(device, numbers))]


def median_seconds(step: Callable[[], object], device: torch.device, rounds: int = ROUNDS) -> float:
    """Return how long a step takes, once it has been done before."""
    step()
    wait(device)
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        step()
        wait(device)
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def _launch(device: torch.device) -> Row:
    numbers = torch.zeros(1000, device=device)

    def step() -> None:
        for _ in range(LAUNCHES):
            numbers.add_(1)

    return _measured(device, 1e6 * median_seconds(step, device) / LAUNCHES)


def _node(device: torch.device, width: int) -> Row:
    streams = [torch.cuda.Stream(device) for _ in range(width)]
    own = [torch.zeros(1000, device=device) for _ in range(width)]
    each, graph = LAUNCHES // width, torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        main = torch.cuda.current_stream()
        for stream, numbers in zip(streams, own, strict=True):
            stream.wait_stream(main)
            with torch.cuda.stream(stream):
                for _ in range(each):
                    numbers.add_(1)
        for stream in streams:
            main.wait_stream(stream)
    return _measured(device, 1e6 * median_seconds(graph.replay, device) / (each * width))


def _product(device: torch.device, side: int, dtype: torch.dtype, short: bool) -> Row:
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = short
    try:
        left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        seconds = median_seconds(lambda: left @ right, device)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    return _measured(device, 2 * side**3 / seconds / 1e12)


def _copy(device: torch.device, numbers: int) -> Row:
    source = torch.ones(numbers, device=device)
    target = torch.empty_like(source)
    return _measured(
        device, 2 * source.nbytes / median_seconds(lambda: target.copy_(source), device) / 1e12
    )


def _measured(device: torch.device, value: float) -> Row:
    return {"verdict": timed(device), "value": value}
