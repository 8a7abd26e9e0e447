"""Cells that the tests train: small, and alike but for what a test is about."""

from pathlib import Path

import torch

from benchmarks.engine.batches import batches
from benchmarks.engine.data import load_cell_data
from benchmarks.engine.loop import train
from benchmarks.engine.one_by_one import OneByOne
from benchmarks.sweep import Cell

CPU, NOWHERE = torch.device("cpu"), Path("nowhere")
HARD = "small(epochs=2, lr=0.05, batch=97, weight_decay=0.01, clip_norm=0.5, crop=1, flip=True)"


def build(method="cross_entropy", **changes):
    """A cell of digits at symmetric noise, with other specs where told."""
    specs = {
        "dataset": "digits",
        "noise": "symmetric(rate=0.4)",
        "method": method,
        "model": "mlp",
        "recipe": "small(epochs=3)",
        "seed": 0,
        "precision": "float32",
    }
    return Cell.build(specs | changes)


def few(cell, size=293, device=CPU, root=NOWHERE):
    """A small part of a cell's data."""
    data = load_cell_data(cell, root, device)
    names = ("train", "noisy", "clean", "position")
    kept = {name: getattr(data, name)[:size] for name in names}
    kept |= {name: getattr(data, name)[:31] for name in ("val", "val_noisy", "val_clean")}
    test = type(data.test)(data.test.image[:83], data.test.label[:83])
    trusted = data.trusted[data.trusted < size][:20]
    side = data.side[:size] if data.side is not None else None
    if side is None and cell.method.needs_side:  # another model that is right of most labels
        guess = torch.randn(size, data.num_classes, generator=torch.Generator().manual_seed(0))
        side = guess.to(device) + 3 * torch.eye(data.num_classes, device=device)[kept["noisy"]]
        side = side.softmax(-1)
    return data._replace(**kept, test=test, trusted=trusted, side=side)


def alone(cell, data):
    """Train a cell by itself: what every other way of training must equal."""
    return [epoch for (epoch,) in train(OneByOne([cell], [data]))]


def batches_of(cell, data, epoch):
    """The batches of an epoch of one cell."""
    return [batch for (batch,) in batches([cell], [data], epoch)]
