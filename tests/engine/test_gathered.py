"""Images that are gathered from where they lie, and those that a cell has copies of."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.engine import gathered
from benchmarks.engine.data import load_cell_data
from benchmarks.engine.gathered import Gathered, held
from benchmarks.engine.loop import EvaluationImages
from tests.cells import CPU, HARD, NOWHERE, batches_of, build

EVERY = torch.arange(7 * 2 * 3 * 3).view(7, 2, 3, 3)
PLACE = torch.tensor([5, 0, 2, 6, 3])


@pytest.mark.parametrize("resident", [0, 2, 5])
def test_images_are_the_same_wherever_they_stay(resident):
    images, copy = Gathered(EVERY, PLACE, CPU, resident), EVERY[PLACE]
    assert (images.shape, len(images), images.numel()) == (copy.shape, 5, copy.numel())
    for which in (torch.tensor([4, 0, 1, 1, 3]), slice(1, 4), slice(2), torch.tensor([0])):
        assert torch.equal(images[which], copy[which])
    assert torch.equal(torch.cat(list(images.split(2))), copy)


def test_on_a_device_the_sets_that_fit_stay_and_then_as_many_images_as_fit(monkeypatch):
    meta = torch.device("meta")
    size = EVERY[0].numel() * 8
    sets = [(EVERY[:2], None), (EVERY, PLACE[:1]), (EVERY, PLACE)]
    monkeypatch.setattr(gathered, "_room", lambda *_: 6.5 * size)
    test, val, train_set = held(sets, meta)
    assert (test.shape[0], val.shape[0]) == (2, 1)
    assert isinstance(train_set, Gathered)
    assert len(train_set._resident) == 3
    monkeypatch.setattr(gathered, "_room", lambda *_: 8 * size)
    assert not any(isinstance(each, Gathered) for each in held(sets, meta))


@pytest.mark.parametrize("method", ["l2rw", "gjs"])
def test_batches_and_what_is_evaluated_are_the_same_where_images_are_gathered(method, monkeypatch):
    cell = build(method, recipe=HARD)

    def shown():
        data = load_cell_data(cell, NOWHERE, CPU)
        evaluated = EvaluationImages([data])
        batches = [(image, *(part.trusted or ())) for image, part in batches_of(cell, data, 0)]
        of_sets = [torch.cat(list(evaluated.of(name)), 1) for name in ("train", "val", "test")]
        return type(data.train), [each for batch in batches for each in batch] + of_sets

    kind, copied = shown()
    assert kind is torch.Tensor
    monkeypatch.setattr(gathered, "COPIED", 0)
    kind, same = shown()
    assert kind is Gathered
    assert len(same) == len(copied)
    assert all(map(torch.equal, copied, same))


CAPPED = '''
import hashlib, json, os, resource, sys
from pathlib import Path
from benchmarks.engine import gathered, loop, record
from benchmarks.datasets import DATASETS, decoded
from tests.cells import CPU, NOWHERE, build

spec, root = sys.argv[1], Path(sys.argv[2])
loop.EVALUATION_BATCH, decoded.FEW = 4, 1_000
DATASETS.build(spec).fetch(root)
cell = build(dataset=spec, noise="given", model="linear", recipe="small(epochs=2, batch=4)")
warm = build(model="linear", recipe="small(epochs=2)")
record.train_cells([warm], record.PackSetup(NOWHERE, CPU, False))
[map_] = (root / "decoded").glob("*/images.npy")


def trained(copied, capped):
    """The digest of what a cell leaves, by a process with so much memory."""
    reader, writer = os.pipe()
    if not os.fork():
        gathered.COPIED = copied
        if capped:
            status = Path("/proc/self/status").read_text().split("VmData:")[1]
            limit = int(status.split()[0]) * 1024 + map_.stat().st_size * 3 // 4
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        try:
            [of_cell] = record.train_cells([cell], record.PackSetup(root, CPU, False))
            arrays = [of_cell.arrays[name].tobytes() for name in sorted(of_cell.arrays)]
            told = hashlib.sha256(b"".join(arrays)).hexdigest()
        except (MemoryError, RuntimeError) as error:
            told = f"no memory: {error}"
        os.write(writer, told.encode())
        os._exit(0)
    os.wait()
    return os.read(reader, 10_000).decode()


print(json.dumps([trained(0, True), trained(2**40, False), trained(2**40, True)]))
'''


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the data of a process")
def test_pictures_are_trained_on_that_memory_does_not_hold(tmp_path):
    stream = np.random.default_rng(0)
    for number in range(600):
        path = tmp_path / "pets" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(stream.integers(0, 256, (4, 4, 3), np.uint8)).save(path)
    spec = f"folder(path='{tmp_path / 'pets'}', test=0.1, size=176)"
    own = {"OMP_NUM_THREADS": "1", "MALLOC_TOP_PAD_": "0", "MALLOC_MMAP_THRESHOLD_": "1000000"}
    ran = subprocess.run(
        [sys.executable, "-c", CAPPED, spec, str(tmp_path)],
        capture_output=True,
        text=True,
        env=os.environ | own,  # what is freed is given back
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    mapped, copied, refused = json.loads(ran.stdout)
    assert mapped == copied
    assert "no memory" in refused
