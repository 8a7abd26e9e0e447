"""What makes training faster or repeatable, and must change no number: all together, once."""

import math
from pathlib import Path

import pytest
import torch

from benchmarks.engine import drivers, gallery, packed, reference, selection
from benchmarks.engine.data import load_cell_data
from benchmarks.engine.record import PackSetup, train_and_record
from benchmarks.errors import RefusedError
from benchmarks.planning.plan import Wish, settle
from tests import cells

CPU, NOWHERE = torch.device("cpu"), Path("nowhere")


def build(method="cross_entropy", **changes):
    return cells.build(method, **{"model": "mlp(first=19, second=13)"} | changes)


def test_a_folder_has_its_flags_from_its_start(tmp_path):
    cells = [build()]
    plan = settle(tmp_path, "mine", cells, Wish(CPU, flags=("deterministic",)))
    plan.write(tmp_path)
    again = settle(tmp_path, "mine", cells, Wish(CPU))
    assert again.flags == ("deterministic",)
    with pytest.raises(RefusedError, match="started without --graph, which changes"):
        settle(tmp_path, "mine", cells, Wish(CPU, flags=("graph",)))
    written = (tmp_path / "plan.json").read_text()
    assert '"driver": "reference deterministic"' in written
    (tmp_path / "plan.json").write_text(written.replace('"deterministic"', '"compile"'))
    with pytest.raises(RefusedError, match="started with --compile, which this version does not"):
        settle(tmp_path, "mine", cells, Wish(CPU))


@pytest.mark.parametrize("width", [1, 3])
def test_half_precision_on_the_cpu_trains_near_what_single_precision_does(width):
    found = {}
    for precision in ("float32", "bfloat16"):
        cells = [build(seed=k, noise="clean", model="mlp", precision=precision) for k in range(3)]
        cells = cells[:width]
        records = train_and_record(cells, PackSetup(NOWHERE, CPU, keep_all=False, width=width))
        assert {record.meta["status"] for record in records} == {"done"}
        found[precision] = records[0].arrays
    logits = [arrays["logits"][0] for arrays in found.values()]
    assert (logits[0] != logits[1]).all()
    label = found["float32"]["label"]
    assert math.isclose(*((z.argmax(-1) == label).mean() for z in logits), abs_tol=0.03)


def test_metrics_of_many_epochs_together_are_those_of_one_after_the_other(monkeypatch):
    how = PackSetup(NOWHERE, CPU, keep_all=True)
    cell = build(recipe="small(epochs=7)")
    (together,) = train_and_record([cell], how)
    monkeypatch.setattr(selection, "AT_ONCE", 1)
    (alone,) = train_and_record([cell], how)
    for name, array in together.arrays.items():
        torch.testing.assert_close(
            array, alone.arrays[name], rtol=1e-12, atol=1e-14, equal_nan=True
        )


def test_images_made_anew_for_every_evaluation_are_those_that_are_kept(monkeypatch):
    problems = [load_cell_data(build(seed=seed), NOWHERE, CPU) for seed in (0, 1)]
    kept = gallery.Gallery(problems)
    monkeypatch.setattr(gallery, "KEPT", 0)
    anew = gallery.Gallery(problems)
    images = (problems[1].train, problems[1].val, problems[1].test.image)
    for one, other, image in zip(kept.sets(), anew.sets(), images, strict=True):
        assert isinstance(one, list)
        assert torch.equal(torch.cat(one, 1), torch.cat(list(other), 1))
        assert torch.equal(torch.cat(one, 1)[1], problems[1].pixels(image))


@pytest.mark.parametrize("spec", ["small(epochs=2)", "small(epochs=2, crop=1)"])
def test_images_that_are_normalised_once_train_as_they_do_otherwise(spec, monkeypatch):
    cell = build(recipe=spec)
    problem = load_cell_data(cell, NOWHERE, CPU)
    found = []
    monkeypatch.setattr(reference, "train", lambda *args, **_: found.append(args[1]) or iter(()))
    drivers.driven([cell], [problem], 1, ())
    monkeypatch.undo()
    assert found[0].train.is_floating_point() == (not cell.recipe.crop)
    ready, plain = (list(packed.train([cell] * 2, [p] * 2)) for p in (found[0], problem))
    for one, other in zip(ready, plain, strict=True):
        assert torch.equal(one[0].test, other[0].test)
        assert one[0].loss == other[0].loss
    monkeypatch.setattr("benchmarks.engine.data.READY", 10)
    assert problem.ready().train.dtype == torch.uint8
