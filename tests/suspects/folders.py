"""Results folders to audit that nobody had to train: labels as drawn, scores as a test wants."""

import numpy as np

from benchmarks.planning.options import TrainingOptions
from benchmarks.planning.plan import make_plan
from benchmarks.schema import BINS_COUNT
from benchmarks.store import CellFacts, CellKeys, CellMeta, Costs, Record, write_part
from benchmarks.sweep import corrupted
from tests.cells import CPU, NOWHERE, build

NOISE = "symmetric(rate=0.4)"


def cells_of(*points, **specs):
    """Cells of digits, or of another dataset, from noise, method and seed."""
    names = ("noise", "method", "seed")
    specs = {"recipe": "small(epochs=2)", **specs}
    return [build(**specs, **dict(zip(names, point, strict=True))) for point in points]


def labels_of(cell, root=NOWHERE):
    """The true and the given labels of a cell's training set, and their hash."""
    train = cell.dataset.load(root, cell.seed)[0]
    given = corrupted(cell.dataset, cell.noise, cell.seed, train, root)
    return train.label.numpy(), given.label.numpy(), given.sha256()


def write(folder, cells, scores=("loss_mean",), held_out=0, root=NOWHERE):
    """Write a folder whose cells find wrong labels more doubtful, and hold out the first images."""
    folder.mkdir(exist_ok=True)
    make_plan(folder, "audit", cells, TrainingOptions(CPU, 1)).write(folder)
    for cell in cells:
        clean, given, sha256 = labels_of(cell, root)
        doubt = (clean != given) + np.random.default_rng(cell.seed).random(len(clean))
        at, classes = np.arange(held_out, len(clean)), cell.dataset.num_classes
        arrays = {
            "curves": np.ones((1, 1)),
            "selected": np.zeros(1, np.int64),
            "final": np.zeros(1, np.int64),
            "measured": np.zeros((1, 0)),
            "bins": np.zeros((1, BINS_COUNT, 3)),
            "detection": np.zeros((len(scores), 2)),
            "logits": np.zeros((1, 1, classes)),
            "label": np.zeros(1, np.int64),
            "position": at,
            "train_scores": np.tile(doubt[at], (len(scores), 1)),
            "noisy": given[at],
            "clean": clean[at],
            "predicted": clean[at],
        }
        names = {"curves": ("epoch",), "selections": ("last",), "scores": tuple(scores)}
        facts = CellFacts(noise_sha256=sha256, n_train=len(at), n_test=1)
        meta = CellMeta(CellKeys(**cell.keys()), facts, "done", "", Costs(), **names)
        write_part(folder, [Record(meta, arrays)])
    return folder
