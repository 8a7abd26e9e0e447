"""Steps that a CUDA graph can hold and steps that it cannot: does the stub know them apart?

Prints a line of JSON for each: whether it was captured, why not, and what the stub found amiss.
"""

import json
import warnings

import torch
import torch.nn.functional as F

from tests.device.counters import Stub

URGENT = -1
"""Streams of a priority that nobody else asks for: CUDA's pool hands no other's out again."""


def beside(a, *, join):
    """Work on two streams at once."""
    main, side = torch.cuda.current_stream(), torch.cuda.Stream(priority=URGENT)
    side.wait_stream(main)
    with torch.cuda.stream(side):
        a = a * 2
    if join:
        main.wait_stream(side)
    return a


def alone(a):
    """Work on a stream that the main one knows nothing of."""
    with torch.cuda.stream(torch.cuda.Stream(priority=URGENT)):
        return a.mul_(2)


HELD = {
    "plain": lambda a: a * 2,
    "a number of the host": lambda a: a * torch.tensor(3.0).log(),
    "where with a number": lambda a: torch.where(a > 0, a, 2.0),
    "a product": lambda a: a @ a.T,
    "sort": lambda a: a.flatten().sort().values,
    "median": lambda a: a.median(),
    "quantile": lambda a: a.flatten().quantile(0.5),
    "distances": lambda a: torch.cdist(a, a),
    "normal numbers": lambda a: a + torch.randn(8, 3, device="cuda"),
    "streams that are joined": lambda a: beside(a, join=True),
}
NOT_HELD = {
    "item": lambda a: a * a.sum().item(),
    "the pseudo-inverse": torch.linalg.pinv,
    "a mask": lambda a: a[a > 0],
    "nonzero": lambda a: a.flatten()[(a.flatten() > 0).nonzero()],
    "a tensor from a list": lambda a: a * torch.tensor([1.0, 2.0, 3.0], device="cuda"),
    "a number of the host that is chosen": lambda a: torch.where(a > 0, a, torch.tensor(2.0)),
    "an index from a list": lambda a: a[[0, 1]],
    "an order of the host": lambda a: a[torch.randperm(8).to("cuda")],
    "a truth value": lambda a: a if a.sum() > 0 else -a,
    "counts": lambda a: torch.bincount(a.flatten().long()).float(),
    "distinct values": torch.unique,
    "one hot of unknown size": lambda a: F.one_hot(a.long()).float(),
    "repetitions of unknown size": lambda a: a.repeat_interleave(a[:, 0].long(), 0),
    "a copy to the host": lambda a: a.cpu().cuda(),
    "a wait for the device": lambda a: torch.cuda.synchronize() or a,
    "streams that are not joined": lambda a: beside(a, join=False),
}
BESIDE = {"work on a stream of its own": alone}
"""What CUDA does at once, and leaves out of every replay, without a word."""


def outcome(stub, step):
    """Warm a step up as CUDA asks for, capture it, and return what came of it."""
    image = torch.randn(8, 3).to("cuda")
    main, side = torch.cuda.default_stream(), torch.cuda.Stream()
    with torch.cuda.stream(side):
        step(image)
    main.wait_stream(side)
    stub.faults()
    reason = ""
    try:
        with torch.cuda.graph(torch.cuda.CUDAGraph()):
            step(image)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
    torch.cuda.set_stream(main)  # where a failed capture has left another
    return {"captured": not reason, "reason": reason, "faults": stub.faults()}


def main():
    stub = Stub()
    warnings.simplefilter("ignore")
    for cases in (HELD, NOT_HELD, BESIDE):
        for name, step in cases.items():
            print(json.dumps({"name": name} | outcome(stub, step)), flush=True)


if __name__ == "__main__":
    main()
