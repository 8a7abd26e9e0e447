"""SAT, CDR, PENCIL, DYR, ELR+ and early stopping against loops from their papers."""

import math

import pytest
import torch

from benchmarks.contract.samples import EPOCHS, B, C, N, outputs_of, started, task
from benchmarks.engine.record import PackSetup, train_and_record
from benchmarks.errors import RefusedError
from benchmarks.store import CURVE_VALUES
from benchmarks.sweep import Suite
from methods import METHODS
from methods.parts.mixture import higher_beta_component
from tests.agreement import same
from tests.cells import build
from tests.methods.visits import visits
from tests.oracles import methods as oracles
from tests.oracles import regularisation as papers

pytestmark = pytest.mark.usefixtures("double")  # as the oracles do


def holds(logits, loss, gradient, oracle):
    """Compare value and gradient of a loss on ``(..., B, C)`` logits with a loop over them."""
    assert loss == pytest.approx(oracle(logits), rel=1e-9)
    same(gradient, torch.tensor(numeric(oracle, logits)), atol=1e-8, rtol=1e-6)


def numeric(function, rows, step=1e-6):
    """Central differences of a function of nested lists."""
    if not isinstance(rows, list):
        return (function(rows + step) - function(rows - step)) / (2 * step)
    return [
        numeric(lambda part, i=i: function([*rows[:i], part, *rows[i + 1 :]]), row, step)
        for i, row in enumerate(rows)
    ]


def test_sat_against_the_loop_over_three_overlapping_visits():
    spec, epoch = "sat(momentum=0.7, warmup=0.3)", torch.tensor(4)
    expected = [papers.one_hot(y, C) for y in task().label.tolist()]
    for logits, batch, loss, gradient, state in visits(spec, epoch):
        ids = batch.ids.tolist()
        targets = [papers.moved(expected[i], row, 0.7) for i, row in zip(ids, logits, strict=True)]
        holds(logits, loss, gradient, lambda rows, t=targets: papers.sat(rows, t))
        for i, target in zip(ids, targets, strict=True):
            expected[i] = target
        same(state["target"], torch.tensor(expected))


def test_sat_is_cross_entropy_until_its_warmup_ends():
    for logits, batch, loss, _, state in visits("sat(warmup=0.5)", torch.tensor(5)):
        rows = zip(logits, batch.label.tolist(), strict=True)
        plain = [-papers.log_softmax(row)[y] for row, y in rows]
        assert loss == pytest.approx(oracles.mean(plain))
        same(state["target"].argmax(-1), task().label)


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_pencil_against_the_loop_in_each_stage(stage):
    spec = "pencil(alpha=0.3, beta=0.2, travel=40.0, first=0.25, second=0.4)"
    first, second = int(0.25 * EPOCHS), int(0.4 * EPOCHS)
    epoch = torch.tensor([first - 1, first, first + second][stage])
    soft = [[10 * value for value in papers.one_hot(y, C)] for y in task().label.tolist()]
    for logits, batch, loss, gradient, state in visits(spec, epoch):
        ids, labels = batch.ids.tolist(), batch.label.tolist()

        def batch_loss(rows, own, labels=labels):
            each = zip(rows, own, labels, strict=True)
            return oracles.mean([papers.pencil(r, s, y, 0.3, 0.2, stage) for r, s, y in each])

        own = [soft[i] for i in ids]
        holds(logits, loss, gradient, lambda rows, own=own: batch_loss(rows, own))
        if stage == 1:
            slopes = numeric(lambda moved, rows=logits: batch_loss(rows, moved), own)
            for i, row in zip(ids, slopes, strict=True):
                soft[i] = [s - 40.0 / second * g for s, g in zip(soft[i], row, strict=True)]
        same(state["soft"], torch.tensor(soft), atol=1e-7, rtol=1e-7)


def test_pencil_pulls_less_towards_the_label_through_two_softmaxes():
    (plain, twice) = (
        next(visits(f"pencil(first=0.25{more})", torch.tensor(4)))[4]["soft"]
        for more in ("", ", double_softmax=True")
    )
    label = task().label[:, None]
    start = 10 * torch.nn.functional.one_hot(task().label, C).double()
    drift = [(start - soft).gather(1, label).sum() for soft in (plain, twice)]
    assert drift[1] > drift[0]


@pytest.mark.parametrize(("rate", "decay"), [(0.3, 0.01), (0.0, 0.0), (0.8, 0.1)])
def test_cdr_against_the_loop(rate, decay):
    method = METHODS.build(f"cdr(rate={rate}, weight_decay={decay})")
    source = torch.Generator().manual_seed(5)
    shapes = {"a.weight": (4, 3), "a.bias": (4,), "b.weight": (2, 1, 3, 3)}
    params, grads = (
        {name: torch.randn(shape, generator=source) for name, shape in shapes.items()}
        for _ in range(2)
    )
    slopes = method.gradient(params, grads, started(method, task()), torch.tensor(3))
    chosen = ("a.weight", "b.weight")
    flat = [[v for name in chosen for v in t[name].flatten().tolist()] for t in (params, grads)]
    expected = papers.cdr(*flat, rate, decay)
    same(torch.cat([slopes[name].flatten() for name in chosen]), torch.tensor(expected))
    same(slopes["a.bias"], grads["a.bias"])


def test_cdr_is_told_the_true_rate_only_by_privilege():
    told = METHODS.build("cdr(source='given')")
    assert told.privileges == ("rate",)
    assert METHODS.build("cdr").privileges == ()
    same(told.init(task()._replace(rate=0.37))["rate"], torch.tensor(0.37))


def test_the_beta_mixture_against_the_loop_and_its_own_draws():
    source = torch.Generator().manual_seed(2)
    low = 0.3 * torch.rand(60, generator=source).square()
    high = 2 + torch.rand(40, generator=source)
    value = torch.cat([low, high])
    for steps in (1, 10):
        same(
            higher_beta_component(value, steps),
            torch.tensor(papers.beta_mixture(value.tolist(), steps)),
        )
    posterior = higher_beta_component(value)
    assert posterior[:60].max() < 0.5 < posterior[60:].min()


def test_dyr_against_the_loop():
    spec, epoch = "dyr(warmup=0.2, alpha=2.0, balance=0.6)", torch.tensor(8)
    method = METHODS.build(spec)
    outputs = outputs_of(method)
    state = method.refit(outputs, started(method, task()), epoch)
    losses = [
        -papers.log_softmax(row)[y]
        for row, y in zip(outputs[0].tolist(), task().label.tolist(), strict=True)
    ]
    wrong = papers.beta_mixture(losses, 10)
    same(state["clean"], torch.tensor([1 - w for w in wrong]), atol=1e-9, rtol=1e-9)
    for logits, batch, loss, gradient, _ in visits(spec, epoch, state):
        mix, partner = float(batch.draws["mix"]), batch.draws["partner"].tolist()
        guesses = [max(range(C), key=row.__getitem__) for row in batch.outputs.tolist()]
        soft = [
            [
                (1 - wrong[i]) * a + wrong[i] * b
                for a, b in zip(papers.one_hot(y, C), papers.one_hot(guess, C), strict=True)
            ]
            for i, y, guess in zip(batch.ids.tolist(), batch.label.tolist(), guesses, strict=True)
        ]
        targets = [
            [mix * a + (1 - mix) * b for a, b in zip(own, soft[j], strict=True)]
            for own, j in zip(soft, partner, strict=True)
        ]
        holds(logits, loss, gradient, lambda rows, t=targets: papers.dyr(rows, t, 0.6))


def test_dyr_trusts_labels_and_balances_nothing_in_its_warmup():
    for logits, batch, loss, _, _ in visits("dyr(warmup=0.5, balance=3.0)", torch.tensor(2)):
        mix, partner = float(batch.draws["mix"]), batch.draws["partner"].tolist()
        hot = [papers.one_hot(y, C) for y in batch.label.tolist()]
        targets = [
            [mix * a + (1 - mix) * b for a, b in zip(own, hot[j], strict=True)]
            for own, j in zip(hot, partner, strict=True)
        ]
        assert loss == pytest.approx(papers.dyr(logits, targets, 0.0))


def test_elr_plus_against_the_loop_over_three_overlapping_visits():
    spec = "elr_plus(beta=0.6, weight=2.0, alpha=2.0)"
    expected = [[[0.0] * C for _ in range(N)] for _ in range(2)]
    for logits, batch, loss, gradient, state in visits(spec):
        ids, labels = batch.ids.tolist(), batch.label.tolist()
        mix, partner = float(batch.draws["mix"]), batch.draws["partner"].tolist()
        assert mix >= 0.5
        outputs = batch.outputs.tolist()
        averages = [
            [papers.moved(expected[net][i], outputs[1 - net][b], 0.6) for b, i in enumerate(ids)]
            for net in (0, 1)
        ]

        def mixed(rows, mix=mix, partner=partner):
            return [
                [mix * a + (1 - mix) * b for a, b in zip(row, rows[j], strict=True)]
                for row, j in zip(rows, partner, strict=True)
            ]

        given = mixed([papers.one_hot(y, C) for y in labels])
        targets = [mixed(average) for average in averages]

        def both(rows, given=given, targets=targets):
            return math.fsum(
                oracles.mean(
                    [
                        papers.elr_plus(row, y, t, 2.0)
                        for row, y, t in zip(net, given, own, strict=True)
                    ]
                )
                for net, own in zip(rows, targets, strict=True)
            )

        holds(logits, loss, gradient, both)
        for net in (0, 1):
            for i, target in zip(ids, averages[net], strict=True):
                expected[net][i] = target
        same(state["target"], torch.tensor(expected))


def test_early_stopping_shows_the_epoch_that_noisy_labels_choose(tmp_path):
    torch.set_default_dtype(torch.float32)
    kept = {}
    for method in ("early_stopping", "cross_entropy"):
        (record,) = train_and_record(
            [build(method, recipe="small(epochs=12)")],
            PackSetup(tmp_path, torch.device("cpu"), keep_all=True),
        )
        kept[method] = record.arrays
    mine, plain = kept["early_stopping"], kept["cross_entropy"]
    same(torch.tensor(mine["curves"]), torch.tensor(plain["curves"]))  # the same training
    val_acc = plain["curves"][:, CURVE_VALUES.index("val_acc")].tolist()
    best = val_acc.index(max(val_acc))
    assert best < len(val_acc) - 1
    assert mine["selected"][:2].tolist() == [best, best]  # last is val
    assert plain["selected"][0] == len(val_acc) - 1
    assert (mine["logits"][0] == plain["logits"][1]).all()
    assert mine["final"].tolist() == list(range(best + 1))


def test_early_stopping_needs_labels_to_stop_by():
    suite = Suite.read("default").override(
        {"method": ["early_stopping"], "recipe": ["small(val_fraction=0.0)"]}
    )
    with pytest.raises(RefusedError, match=r"val_fraction must be above 0\.0, as in small"):
        list(suite.cells("float32"))


def test_the_last_batch_of_sat_does_not_touch_other_examples():
    for _, batch, _, _, state in visits("sat(warmup=0.1)", torch.tensor(4)):
        others = [i for i in range(N) if i not in batch.ids.tolist()]
        start = torch.nn.functional.one_hot(task().label, C).double()
        if len(batch.ids) == B:
            same(state["target"][others], start[others])
