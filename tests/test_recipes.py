"""Training recipes: their schedules, and the protocols they stand for."""

import pytest
import torch

from benchmarks.recipes import RECIPES


def followed(recipe, schedule, optimizer, epochs):
    """Whether the recipe's rate is that of a schedule of torch in every epoch."""
    for epoch in range(epochs):
        assert recipe.lr_at(epoch, epochs) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()


def sgd(lr):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def test_the_cosine_schedule_is_torchs():
    optimizer = sgd(0.3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=17)
    followed(RECIPES.build("small(lr=0.3)"), schedule, optimizer, 17)


@pytest.mark.parametrize(
    ("spec", "milestones", "epochs"),
    [
        ("cifar_n", [60], 100),
        ("cifar_n", [6], 10),
        ("cifar_n", [2], 2),
        ("small(schedule='steps', drops='0.33 0.67', lr=0.1)", [40, 81], 120),
        ("small(schedule='steps', lr=0.1)", [150, 225], 300),
    ],
)
def test_the_steps_schedule_is_torchs_with_milestones(spec, milestones, epochs):
    optimizer = sgd(0.1)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones, gamma=0.1)
    followed(RECIPES.build(spec), schedule, optimizer, epochs)


def test_a_constant_schedule_is_constant():
    recipe = RECIPES.build("small(schedule='constant', lr=0.25)")
    assert {recipe.lr_at(epoch, 9) for epoch in range(9)} == {0.25}


def test_the_triangle_is_that_of_its_authors_step_by_step():
    recipe, steps = RECIPES.build("airbench(lr=2.0, end=0.07)"), 100

    def authors(step):  # legacy/airbench94.py, get_lr, with 23 steps of warm-up
        if step < 23:
            return 0.2 * (1 - step / 23) + 1.0 * step / 23
        return 1.0 * (1 - (step - 23) / 77) + 0.07 * (step - 23) / 77

    for step in range(steps):
        assert recipe.lr_at(step / 10, 10) == pytest.approx(2.0 * authors(step), rel=1e-12)


def test_the_triangle_of_airbench_ends_at_0():
    recipe = RECIPES.build("airbench")
    rates = [recipe.lr_at(share * 10, 10) for share in (0, 0.23, 1)]
    assert rates == pytest.approx([0.3, 1.5, 0.0], rel=1e-12, abs=0)


def test_airbench_has_the_rate_and_decay_of_its_authors():
    recipe, scale = RECIPES.build("airbench"), 1024 * (1 + 1 / (1 - 0.85))
    lr, decay = 11.5 / scale, 0.0153 * 1024 / scale  # for a sum of losses over 1,024 examples
    assert recipe.lr == pytest.approx(lr * 1024, rel=1e-3)
    assert recipe.lr * recipe.weight_decay == pytest.approx(decay, rel=1e-3)


def test_drops_have_one_spelling():
    first, again = (RECIPES.build(f"cifar_n(drops={text!r})") for text in (" .4  0.80", "0.4 0.8"))
    assert RECIPES.full(first) == RECIPES.full(again)
    assert RECIPES.spec(RECIPES.build("cifar_n(drops='.6')")) == "cifar_n"


def test_nesterov_without_momentum_is_refused():
    sentence = r"^Small\.nesterov must be False where Small\.momentum is 0\.0$"
    with pytest.raises(ValueError, match=sentence):
        RECIPES.build("small(nesterov=True, momentum=0)")


@pytest.mark.parametrize(
    ("name", "protocol"),
    [  # Ma et al. 2020, and main_min.py of UCSC-REAL/cifar-10-100n
        ("robust_loss", (50, 0.01, "cosine", 1e-3, 5.0, 0, False, 0.0)),
        ("robust_loss_cifar10", (120, 0.01, "cosine", 1e-4, 5.0, 4, True, 0.0)),
        ("robust_loss_cifar100", (200, 0.1, "cosine", 1e-5, 5.0, 4, True, 20.0)),
        ("cifar_n", (100, 0.1, "steps", 5e-4, 0.0, 4, True, 0.0)),
    ],
)
def test_protocols_are_those_of_the_papers(name, protocol):
    recipe = RECIPES.build(name)
    names = ("epochs", "lr", "schedule", "weight_decay", "clip_norm", "crop", "flip", "rotation")
    assert tuple(getattr(recipe, field) for field in names) == protocol
    shared = ("optimizer", "momentum", "batch", "val_fraction", "nesterov")
    assert tuple(getattr(recipe, field) for field in shared) == ("sgd", 0.9, 128, 0.0, False)
