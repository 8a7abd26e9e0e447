"""What the loop shows to a team: images normalised once, and when it lets a caller stop."""

import pytest
import torch

from benchmarks.engine import loop
from benchmarks.engine.data import load_cell_data
from benchmarks.engine.drivers import team_of
from benchmarks.engine.loop import EvaluationImages, train
from benchmarks.engine.one_by_one import OneByOne
from benchmarks.engine.stack import Stack
from tests.cells import CPU, NOWHERE, alone, build, few


def test_images_made_anew_for_every_evaluation_are_those_that_are_kept(monkeypatch):
    data = [load_cell_data(build(seed=seed), NOWHERE, CPU) for seed in (0, 1)]
    kept = EvaluationImages(data)
    monkeypatch.setattr(loop, "KEPT_PIXELS", 0)
    anew = EvaluationImages(data)
    images = (data[1].train, data[1].val, data[1].test.image)
    for one, other, image in zip(kept.sets(), anew.sets(), images, strict=True):
        assert isinstance(one, list)
        assert torch.equal(torch.cat(one, 1), torch.cat(list(other), 1))
        assert torch.equal(torch.cat(one, 1)[1], data[1].pixels(image))


@pytest.mark.parametrize("spec", ["small(epochs=2)", "small(epochs=2, crop=1)"])
@pytest.mark.parametrize("team", [OneByOne, Stack])
def test_images_that_are_normalised_once_train_as_they_do_otherwise(spec, team, monkeypatch):
    cell = build(recipe=spec)
    data = load_cell_data(cell, NOWHERE, CPU)
    (chosen,) = team_of([cell], [data], 1, ()).data
    assert chosen.train.is_floating_point() == (not cell.recipe.augments)
    both = (train(team([cell] * 2, [own] * 2)) for own in (chosen, data))
    for one, other in zip(*both, strict=True):
        assert torch.equal(one[0].test, other[0].test)
        assert one[0].loss == other[0].loss
    monkeypatch.setattr("benchmarks.engine.data.FEW_PIXELS", 10)
    assert data.normalised_once().train.dtype == torch.uint8


def test_teams_are_chosen_by_width_and_padded_to_it():
    cells = [build(seed=seed, model="mlp(first=19, second=13)") for seed in (0, 1)]
    data = [few(cell) for cell in cells]
    team = team_of(cells, data, 4, ())
    assert isinstance(team, Stack)
    assert [cell.seed for cell in team.cells] == [0, 1, *[1] * (2 + 1)]  # and beyond the tail
    one = team_of(cells[:1], data[:1], 1, ())
    assert isinstance(one, OneByOne)
    assert torch.equal([*train(one)][-1][0].test, alone(cells[0], data[0])[-1].test)
