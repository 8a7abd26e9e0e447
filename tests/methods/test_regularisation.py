"""Methods that keep early learning, learn labels or mix images against loops from their papers."""

import math

import pytest
import torch

from benchmarks.contract.samples import EPOCHS, B, C, N, images_of, outputs_of, started, task
from benchmarks.engine.record import PackSetup, train_and_record
from benchmarks.errors import RefusedError
from benchmarks.store import CURVE_VALUES
from benchmarks.sweep import Suite
from methods import METHODS, Batch, Task
from methods.parts.mixture import higher_beta_component
from tests.agreement import same
from tests.cells import build
from tests.methods.visits import EPOCH, holds, visits
from tests.oracles import methods as oracles
from tests.oracles import regularisation as papers

pytestmark = pytest.mark.usefixtures("double")  # as the oracles do


def mixed(rows, batch):
    """Combinations of rows and of their partners', with the weight of the batch."""
    mix, partner = batch.draws["mix"].item(), batch.draws["partner"].tolist()
    return [
        [mix * a + (1 - mix) * b for a, b in zip(row, rows[j], strict=True)]
        for row, j in zip(rows, partner, strict=True)
    ]


def hot(labels):
    return [papers.one_hot(y, C) for y in labels]


def test_the_batches_of_the_three_visits_overlap():
    seen = [set(batch.ids.tolist()) for _, batch, *_ in visits("elr")]
    assert all(a & b for a, b in ((seen[0], seen[1]), (seen[1], seen[2]), (seen[0], seen[2])))
    assert seen[0] - seen[1]


def test_elr_against_the_loop_over_three_overlapping_visits():
    targets = {}
    for rows, batch, loss, gradient, state in visits("elr(beta=0.6, weight=2.5)"):
        ids, labels = batch.ids.tolist(), batch.label.tolist()
        targets = oracles.elr_targets(rows, ids, targets, 0.6)
        holds(rows, loss, gradient, oracles.elr, labels, [targets[i] for i in ids], 2.5)
        expected = [targets.get(i, [0.0] * C) for i in range(N)]
        same(state["target"], torch.tensor(expected), atol=1e-14, rtol=0)


def test_elr_clips_confident_predictions_and_stays_finite():
    method = METHODS.build("elr(beta=0.0, weight=1.5)")
    rows, labels = [[40.0, 0.0, -3.0], [0.0, 25.0, 30.0]], [1, 2]
    batch, state = Batch(torch.tensor([3, 0]), torch.tensor(labels)), {"target": torch.zeros(4, 3)}
    loss, after = method.loss(torch.tensor(rows), batch, state, EPOCH)
    targets = oracles.elr_targets(rows, [3, 0], {}, 0.0)
    own = [targets[3], targets[0]]
    assert loss.item() == pytest.approx(oracles.mean(oracles.elr(rows, labels, own, 1.5)))
    same(after["target"][[3, 0]], torch.tensor(own))


def test_sat_against_the_loop_over_three_overlapping_visits():
    spec, epoch = "sat(momentum=0.7, warmup=0.3)", torch.tensor(4)
    expected = hot(task().label.tolist())
    for logits, batch, loss, gradient, state in visits(spec, epoch):
        ids = batch.ids.tolist()
        targets = [papers.moved(expected[i], row, 0.7) for i, row in zip(ids, logits, strict=True)]
        holds(logits, loss, gradient, papers.sat, targets)
        for i, target in zip(ids, targets, strict=True):
            expected[i] = target
        same(state["target"], torch.tensor(expected))


def test_sat_is_cross_entropy_until_its_warmup_ends():
    for logits, batch, loss, _, state in visits("sat(warmup=0.5)", torch.tensor(5)):
        plain = oracles.cross_entropy(logits, batch.label.tolist())
        assert loss == pytest.approx(oracles.mean(plain))
        same(state["target"].argmax(-1), task().label)


def test_the_last_batch_of_sat_does_not_touch_other_examples():
    for _, batch, _, _, state in visits("sat(warmup=0.1)", torch.tensor(4)):
        others = [i for i in range(N) if i not in batch.ids.tolist()]
        start = torch.nn.functional.one_hot(task().label, C).double()
        if len(batch.ids) == B:
            same(state["target"][others], start[others])


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_pencil_against_the_loop_in_each_stage(stage):
    spec = "pencil(alpha=0.3, beta=0.2, travel=40.0, first=0.25, second=0.4)"
    first, second = int(0.25 * EPOCHS), int(0.4 * EPOCHS)
    epoch = torch.tensor([first - 1, first, first + second][stage])
    soft = [[10 * value for value in row] for row in hot(task().label.tolist())]

    def paper(rows, own, labels):
        each = zip(rows, own, labels, strict=True)
        return [papers.pencil(r, s, y, 0.3, 0.2, stage) for r, s, y in each]

    for logits, batch, loss, gradient, state in visits(spec, epoch):
        ids, labels = batch.ids.tolist(), batch.label.tolist()
        own = [soft[i] for i in ids]
        holds(logits, loss, gradient, paper, own, labels, rel=1e-9)  # `soft` has gone numeric steps
        if stage == 1:

            def of_soft(moved, rows=logits, labels=labels):
                return oracles.mean(paper(rows, moved, labels))

            slopes = oracles.slope(of_soft, own)
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


def test_sop_starts_tiny_and_random():
    method = METHODS["sop"]()
    state = started(method, task())
    for name, shape in (("u", (N,)), ("v", (N, C))):
        assert state[name].shape == shape
        assert 0.5e-8 < state[name].std() < 2e-8
    again, other = (started(method, task(), seed)["u"] for seed in (0, 1))
    assert torch.equal(again, state["u"])
    assert not torch.equal(other, state["u"])


def test_sop_against_the_loop_over_three_overlapping_visits():
    rng = torch.Generator().manual_seed(3)
    u, v = torch.rand(N, generator=rng), 1.3 * torch.rand(N, C, generator=rng)
    state = {"u": u, "v": v, "pace": torch.tensor(1.5)}
    u, v = u.tolist(), v.tolist()
    for rows, batch, loss, gradient, after in visits("sop(lr_u=3.0, lr_v=2.0)", EPOCH, state):
        ids, labels = batch.ids.tolist(), batch.label.tolist()
        size = len(ids)

        def paper(moved, ids=ids, labels=labels, u=tuple(u), v=tuple(v)):
            each = zip(moved, ids, labels, strict=True)
            return oracles.mean([oracles.sop_fit(row, y, u[i], v[i]) for row, i, y in each])

        each = list(zip(rows, ids, labels, strict=True))
        errors = [oracles.sop_error(row, y, u[i], v[i]) for row, i, y in each]
        assert loss == pytest.approx(paper(rows) + oracles.mean(errors), rel=1e-12)
        same(gradient, torch.tensor(oracles.slope(paper, rows)), atol=1e-8, rtol=1e-6)
        rates = (1.5 * 3.0 / size, 1.5 * 2.0 / size)
        for row, i, y in each:
            u[i], v[i] = oracles.sop_step(row, y, u[i], v[i], rates)
        same(after["u"], torch.tensor(u), atol=1e-7, rtol=1e-6)
        same(after["v"], torch.tensor(v), atol=1e-7, rtol=1e-6)
        u, v = after["u"].tolist(), after["v"].tolist()


@pytest.mark.parametrize("epochs", [30, 100, 300])
def test_sop_wakes_before_half_of_training_is_over_however_short_it_is(epochs):
    """A wrong label that the network never believes is explained away by ``v`` and ``u``."""
    method, label = METHODS["sop"](), torch.zeros(128, dtype=torch.int64)
    state = method.init(Task(label, C, epochs))
    state |= {name: torch.full_like(state[name], 1e-8) for name in ("u", "v")}
    batch, logits = Batch(torch.arange(128), label), torch.zeros(128, C)
    logits[:, 1] = 9.0
    awake = []
    for epoch in range(epochs):
        own = {name: state[name].requires_grad_() for name in method.learnable}
        loss, after = method.loss(logits, batch, {**state, **own}, torch.tensor(epoch))
        slopes = dict(zip(own, torch.autograd.grad(loss, list(own.values())), strict=True))
        state = {k: x.detach() for k, x in method.learn(after, slopes, torch.tensor(epoch)).items()}
        if state["v"].square().max() > 0.5:
            awake.append(epoch / epochs)
    assert 0.15 < awake[0] < 0.45
    assert state["u"].square().min() > 0.5


def test_sop_without_own_parameters_is_cross_entropy_to_the_network():
    rows, labels = [[2.0, 0.5, -1.0]], [1]
    plain = oracles.cross_entropy(rows, labels)[0]
    assert oracles.sop_fit(rows[0], 1, 0.0, [0.0] * 3) == pytest.approx(plain)


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


def test_mixup_against_the_loop():
    for rows, batch, loss, gradient, state in visits("mixup(alpha=0.7)"):
        labels, partners = batch.label.tolist(), batch.draws["partner"].tolist()
        assert sorted(partners) == list(range(len(labels)))
        mix = batch.draws["mix"].item()
        holds(rows, loss, gradient, oracles.mixup, labels, partners, mix)
        assert state == {}


def test_mixup_mixes_each_image_with_its_partner():
    method = METHODS["mixup"]()
    image = images_of(method, 4)
    draws = {"mix": torch.tensor(0.3), "partner": torch.tensor([2, 3, 1, 0])}
    label = torch.tensor([4, 1, 0, 2])
    mixed, batch = method.prepare(image, Batch(torch.arange(4), label, draws), {}, EPOCH)
    for i, j in enumerate([2, 3, 1, 0]):
        same(mixed[0, i], 0.3 * image[0, i] + 0.7 * image[0, j])
    assert batch.target.tolist() == [0, 2, 1, 4]


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_the_weights_of_mixup_are_beta_distributed(alpha):
    method = METHODS["mixup"](alpha=alpha)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mixes = torch.stack([method.draw(2)["mix"] for _ in range(2000)])
    variance = 1 / (4 * (2 * alpha + 1))
    assert mixes.mean().item() == pytest.approx(0.5, abs=4 * (variance / 2000) ** 0.5)
    assert mixes.var().item() == pytest.approx(variance, rel=0.1)


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
    method, labels = METHODS.build(spec), task().label.tolist()
    outputs = outputs_of(method)
    state = method.refit(outputs, started(method, task()), epoch)
    wrong = papers.beta_mixture(oracles.cross_entropy(outputs[0].tolist(), labels), 10)
    same(state["clean"], torch.tensor([1 - w for w in wrong]), atol=1e-9, rtol=1e-9)
    for logits, batch, loss, gradient, _ in visits(spec, epoch, state):
        guesses = [max(range(C), key=row.__getitem__) for row in batch.outputs.tolist()]
        each = zip(batch.ids.tolist(), hot(batch.label.tolist()), hot(guesses), strict=True)
        soft = [
            [(1 - wrong[i]) * a + wrong[i] * b for a, b in zip(given, guess, strict=True)]
            for i, given, guess in each
        ]
        holds(logits, loss, gradient, papers.dyr, mixed(soft, batch), 0.6)


def test_dyr_trusts_labels_and_balances_nothing_in_its_warmup():
    for logits, batch, loss, _, _ in visits("dyr(warmup=0.5, balance=3.0)", torch.tensor(2)):
        targets = mixed(hot(batch.label.tolist()), batch)
        assert loss == pytest.approx(papers.dyr(logits, targets, 0.0))


@pytest.mark.parametrize("more", ["", ", trusting=True, rise=0.5"])
def test_elr_plus_against_the_loop_over_three_overlapping_visits(more):
    weight = 2.0 * math.exp(-5 * (1 - 4 / (0.5 * 13)) ** 2) if more else 2.0

    def weighed(given, target):
        if not more:
            return given
        both = [a * b for a, b in zip(given, target, strict=True)]
        return [share / math.fsum(both) for share in both]

    def paper(nets, given, targets):
        each = (zip(net, given, own, strict=True) for net, own in zip(nets, targets, strict=True))
        return math.fsum(
            oracles.mean([papers.elr_plus(row, weighed(y, t), t, weight) for row, y, t in net])
            for net in each
        )

    spec = f"elr_plus(beta=0.6, weight=2.0, alpha=2.0{more})"
    expected = [[[0.0] * C for _ in range(N)] for _ in range(2)]
    for logits, batch, loss, gradient, state in visits(spec):
        ids, outputs = batch.ids.tolist(), batch.outputs.tolist()
        assert batch.draws["mix"].item() >= 0.5
        averages = [
            [papers.moved(expected[net][i], outputs[1 - net][b], 0.6) for b, i in enumerate(ids)]
            for net in (0, 1)
        ]
        given = mixed(hot(batch.label.tolist()), batch)
        targets = [mixed(average, batch) for average in averages]
        holds(logits, loss, gradient, paper, given, targets)
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
