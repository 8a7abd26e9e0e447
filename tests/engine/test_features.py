"""The features that a method is shown: the same from every team, and those of the last layer."""

import pytest
import torch
from torch import nn

from benchmarks.engine.drivers import team_of
from benchmarks.engine.loop import EvaluationImages
from benchmarks.engine.networks import with_features
from benchmarks.recipes import RECIPES
from methods import Stage
from tests.agreement import same
from tests.cells import build, few


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("model", ["mlp", "convnet"])
def test_every_team_shows_the_input_of_the_last_layer(model):
    cells = [build("ssr", seed=seed, model=model) for seed in (0, 1)]
    data = [few(cell, 41) for cell in cells]
    found = []
    for width in (1, 2):  # branches evaluate as one by one does
        team = team_of(cells, data, width, ())
        team.begin(0, Stage(1), RECIPES.build("small"))
        images = EvaluationImages(team.data)
        plain = team.evaluate(images.of("train"))[:2]
        both = team.evaluate(images.of("train"), features=True)[:2]
        same(both[..., :10], plain)
        found.append(both)
        if width == 1:
            weights = dict(team.members[1].networks[0].named_parameters())
            last = [name.removesuffix(".weight") for name in weights if name.endswith("weight")][-1]
            by_hand = both[1, 0, :, 10:] @ weights[f"{last}.weight"].T + weights[f"{last}.bias"]
            same(by_hand, plain[1, 0], atol=1e-10, rtol=0)
    same(found[1], found[0], atol=1e-10, rtol=0)


def test_a_network_without_a_dense_layer_says_that_it_has_no_features():
    network = nn.Sequential(nn.Flatten(), nn.ReLU())
    with pytest.raises(ValueError, match="Sequential has no dense layer"):
        with_features(network, lambda: torch.zeros(2, 3))
