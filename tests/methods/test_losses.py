"""The robust losses against loops from their papers, and the facts that their papers prove."""

import math

import pytest
import torch

from benchmarks.contract.samples import EPOCHS, C, N, logits_of, network_of, outputs_of, task
from methods import METHODS, Batch, Task
from tests.agreement import same
from tests.methods.visits import EPOCH, agrees, holds, visits
from tests.oracles import losses as oracles
from tests.oracles import methods as plain

pytestmark = pytest.mark.usefixtures("double")  # as the oracles do


def each(oracle, *args):
    """An oracle of one example, from one of rows and labels."""
    return lambda z, y: oracle([z], [y], *args)[0]


ORACLES = {
    "cross_entropy": each(plain.cross_entropy),
    **{f"label_smoothing(smoothing={s})": each(plain.label_smoothing, s) for s in (0.3, 0, 1, -2)},
    **{f"gce(q={q})": each(plain.gce, q) for q in (0.7, 0.01, 1)},
    **{f"bootstrap_soft(beta={b})": each(plain.bootstrap_soft, b) for b in (0.95, 0, 1)},
    **{f"bootstrap_hard(beta={b})": each(plain.bootstrap_hard, b) for b in (0.8, 0)},
    "sce(log_zero=-9.2)": each(plain.sce, 0.1, 1, -9.2),
    "sce(alpha=6, beta=0.1, log_zero=-4)": each(plain.sce, 6, 0.1, -4),
    "focal(gamma=0.5)": lambda z, y: oracles.focal(z, y, 0.5),
    "focal(gamma=2)": lambda z, y: oracles.focal(z, y, 2),
    "mae": oracles.mae,
    "nce_mae(alpha=2, beta=3)": lambda z, y: 2 * oracles.nce(z, y) + 3 * oracles.mae(z, y),
    "nce_rce(alpha=2, beta=3)": lambda z, y: 2 * oracles.nce(z, y) + 3 * oracles.rce(z, y),
    "nfl_mae(alpha=2, beta=3)": lambda z, y: 2 * oracles.nfl(z, y, 0.5) + 3 * oracles.mae(z, y),
    "nfl_rce(alpha=2, beta=3, gamma=0.8)": lambda z, y: (
        2 * oracles.nfl(z, y, 0.8) + 3 * oracles.rce(z, y)
    ),
    "nce_agce(alpha=2, beta=3, a=0.6, q=0.6)": lambda z, y: (
        2 * oracles.nce(z, y) + 3 * oracles.agce(z, y, 0.6, 0.6)
    ),
    "nce_aul(alpha=2, beta=3, a=1, q=0.7)": lambda z, y: (
        2 * oracles.nce(z, y) + 3 * oracles.aul(z, y, 1, 0.7)
    ),
    "nce_ael(alpha=2, beta=3, a=1.5)": lambda z, y: (
        2 * oracles.nce(z, y) + 3 * oracles.ael(z, y, 1.5)
    ),
    "anl_ce(alpha=2, beta=3)": lambda z, y: oracles.anl_ce(z, y, 2, 3),
    "anl_fl(alpha=2, beta=3)": lambda z, y: oracles.anl_fl(z, y, 2, 3, 0.5),
    "jal_ce(alpha=2, beta=3, a=4)": lambda z, y: 2 * oracles.nce(z, y) + 3 * oracles.amse(z, y, 4),
    "phuber_ce(tau=3)": lambda z, y: oracles.phuber(z, y, 3),
    "taylor_ce(order=1)": lambda z, y: oracles.taylor(z, y, 1),
    "taylor_ce(order=5)": lambda z, y: oracles.taylor(z, y, 5),
    "bi_tempered": lambda z, y: oracles.bi_tempered(z, y, 0.8, 1.2),
    "bi_tempered(t1=0.3, t2=2)": lambda z, y: oracles.bi_tempered(z, y, 0.3, 2),
    "bi_tempered(t1=0.6, t2=1)": lambda z, y: oracles.bi_tempered(z, y, 0.6, 1),
    "bi_tempered(t1=1, t2=1.5)": lambda z, y: oracles.bi_tempered(z, y, 1, 1.5),
    "logit_clip(tau=4, loss='gce(q=0.4)')": lambda z, y: plain.gce(
        [oracles.clipped(z, 4, 4)], [y], 0.4
    )[0],
    "logit_clip(tau=4, compat=True)": lambda z, y: plain.cross_entropy(
        [oracles.clipped(z, 4, 0.25)], [y]
    )[0],
    "js(pi=0.3)": lambda z, y: oracles.js(z, y, 0.3),
    "sr(every=3, span=13)": lambda z, y: oracles.sr(z, y, 0.5, 0.1, 1.2 * 1.03, normalise=True),
    "sr(every=3, span=26)": lambda z, y: oracles.sr(z, y, 0.5, 0.1, 1.2 * 1.03**2, normalise=True),
    "sr(tau=2, norm=0.4, rho=2, span=13, normalise=False)": lambda z, y: oracles.sr(
        z, y, 2, 0.4, 1.2 * 2**4, normalise=False
    ),
    "sr(tau=0.1, lam=4, rho=2, every=5, span=13, normalise=False)": lambda z, y: oracles.sr(
        z, y, 0.1, 0.1, 4, normalise=False
    ),
    "eps_softmax": lambda z, y: oracles.eps_softmax(z, y, 0.03, 1, 1e4),
    "eps_softmax(alpha=2, m=3)": lambda z, y: oracles.eps_softmax(z, y, 2, 1, 3),
}


@pytest.mark.parametrize("spec", ORACLES)
def test_a_loss_against_the_loop(spec):
    one = ORACLES[spec]
    agrees(spec, lambda rows, labels: [one(z, y) for z, y in zip(rows, labels, strict=True)])


def frozen_loss(moved, rows, labels, name):
    """The losses of which the focal factors come from other rows."""
    losses = []
    for fixed, z, y in zip(rows, moved, labels, strict=True):
        every = oracles.frozen_focal(fixed, z, 0.5)
        share, worst = oracles.share(every, y), oracles.focal_of(1e-7, 0.5)
        value = {
            "focal": every[y],
            "nfl_rce": 10 * share + 0.1 * oracles.rce(z, y),
            "anl_fl": 5 * share + 5 * oracles.flipped(every, y, worst),
        }
        losses.append(value[name])
    return losses


@pytest.mark.parametrize("name", ["focal", "nfl_rce", "anl_fl"])
def test_detached_factors_of_the_focal_loss_are_constants(name):
    for rows, batch, loss, gradient, _ in visits(f"{name}(detach=True)"):
        holds(rows, loss, gradient, frozen_loss, rows, batch.label.tolist(), name)


def test_a_detached_belief_is_a_constant():
    for rows, batch, loss, gradient, _ in visits("bootstrap_soft(beta=0.3, detach=True)"):
        labels, beliefs = batch.label.tolist(), [plain.softmax(row) for row in rows]
        holds(rows, loss, gradient, plain.bootstrap_soft, labels, 0.3, beliefs)


@pytest.mark.parametrize("name", ["anl_ce", "anl_fl", "jal_ce"])
def test_the_l1_term_adds_the_sign_of_each_weight_to_its_gradient(name):
    params, grads = network_of().params, network_of(seed=1).params
    slopes = METHODS[name](delta=0.25).gradient(params, grads, {}, EPOCH)
    for key, param in params.items():
        pairs = zip(param.flatten().tolist(), grads[key].flatten().tolist(), strict=True)
        expected = [grad + 0.25 * math.copysign(1, weight) for weight, grad in pairs]
        same(slopes[key].flatten(), torch.tensor(expected))


@pytest.mark.parametrize(("name", "gamma"), [("anl_ce", 0.0), ("anl_fl", 0.5)])
def test_the_negative_part_is_cut_off_where_a_class_is_all_but_impossible(name, gamma):
    method = METHODS[name](alpha=0.0, beta=1.0)
    rows = [[0.0, 20.0, 1.0, -15.0], [3.0, 0.0, -30.0, 2.0]]  # probabilities down to 1e-14
    logits, labels = torch.tensor(rows, requires_grad=True), [2, 2]
    batch = Batch(torch.arange(2), torch.tensor(labels))
    loss, _ = method.loss(logits, batch, {}, EPOCH)
    (slope,) = torch.autograd.grad(loss, logits)

    def paper(moved):
        every = [[oracles.focal_of(p, gamma) for p in plain.softmax(row)] for row in moved]
        return [oracles.flipped(e, 2, oracles.focal_of(1e-7, gamma)) for e in every]

    holds(rows, loss.item(), slope, paper, rtol=1e-6)


# ---------------------------------------------------------------------------- with a state


def test_truncated_gce_against_the_loop():
    method, training = METHODS.build("gce_trunc(q=0.6, k=0.3, start=0.3, every=3)"), task()
    state = method.init(training)
    assert state["kept"].all()
    for epoch in range(1, EPOCHS):
        outputs = 2 * outputs_of(method, seed=epoch)
        before, state = state["kept"], method.refit(outputs, state, torch.tensor(epoch))
        if epoch in {4, 7, 10}:  # 0.3 of 13 epochs, and every 3 from there
            rows = [plain.softmax(row) for row in outputs[0].tolist()]
            right = [p[y] > 0.3 for p, y in zip(rows, training.label.tolist(), strict=True)]
            assert state["kept"].tolist() == right
            assert 0 < sum(right) < N
        else:
            assert torch.equal(state["kept"], before)

    def paper(moved, labels, kept):
        cut = (1 - 0.3**0.6) / 0.6
        return [b if k else cut for b, k in zip(plain.gce(moved, labels, 0.6), kept, strict=True)]

    for rows, batch, loss, gradient, after in visits("gce_trunc(q=0.6, k=0.3)", EPOCH, state):
        kept = state["kept"][batch.ids].tolist()
        holds(rows, loss, gradient, paper, batch.label.tolist(), kept)
        same(after, state)


@pytest.mark.parametrize("epoch", [0, 6, 7, 12])
def test_negative_smoothing_is_cross_entropy_until_it_goes_on_in_tiny_steps(epoch):
    spec = "negative_ls(rate=-0.6, pace=0.001)"
    stages = METHODS.build(spec).stages(EPOCHS)
    assert [tuple(stage)[:2] for stage in stages] == [(7, False), (6, False)]

    def paper(rows, labels):
        if epoch < 7:
            return plain.cross_entropy(rows, labels)
        return [0.001 * loss for loss in plain.label_smoothing(rows, labels, -0.6)]

    agrees(spec, paper, torch.tensor(epoch))


# --------------------------------------------------------------------------- predictions


def test_bi_tempered_predicts_with_the_tempered_softmax():
    outputs = 3 * outputs_of(METHODS["mae"]())
    for t2 in (1.0, 1.2, 4.0):
        outcome = METHODS["bi_tempered"](t2=t2).predict(outputs)
        expected = [oracles.tempered(row, t2) for row in outputs[0].tolist()]
        same(outcome.softmax(-1), torch.tensor(expected))


def test_sparse_regularisation_predicts_with_what_it_trains():
    outputs = outputs_of(METHODS["mae"]())
    sharp, plain_ = (
        METHODS["sr"](tau=0.2, normalise=flag).predict(outputs) for flag in (True, False)
    )
    same(sharp.norm(dim=-1), torch.full((N,), 5.0))
    same(plain_, 5 * outputs[0])
    assert torch.equal(sharp.argmax(-1), outputs[0].argmax(-1))


# --------------------------------------------------------------------------- closed forms


def losses(spec, logits, label):
    method, batch = METHODS.build(spec), Batch(torch.arange(len(label)), label)
    state = method.init(Task(label, logits.shape[-1], 120))
    return method.losses(logits, batch, state, EPOCH)[0]


def sample(scale=2):
    return scale * logits_of(METHODS["gce"](), 9), torch.arange(9) % C


@pytest.mark.parametrize(
    ("spec", "total"),
    [
        ("mae", C - 1),
        ("nce_mae(alpha=1, beta=0)", 1),
        ("nfl_mae(alpha=1, beta=0)", 1),
        ("nce_rce(alpha=0, beta=1)", 9.210340371976182 * (C - 1)),
        ("sce(alpha=0)", 9.210340371976182 * (C - 1)),
        ("anl_ce(alpha=0, beta=1)", C - 1),
        ("anl_fl(alpha=0, beta=1)", C - 1),
        ("taylor_ce(order=1)", C - 1),
    ],
)
def test_the_sum_over_all_labels_does_not_depend_on_the_prediction(spec, total):
    logits, label = sample()
    summed = sum(losses(spec, logits, torch.full_like(label, k)) for k in range(C))
    same(summed, torch.full((9,), float(total)))


@pytest.mark.parametrize(
    ("spec", "other"),
    [
        ("focal(gamma=0)", "cross_entropy"),
        ("focal(gamma=0, detach=True)", "cross_entropy"),
        ("label_smoothing(smoothing=0)", "cross_entropy"),
        ("gce(q=1)", "mae"),
        ("taylor_ce(order=1)", "mae"),
        ("phuber_ce(tau=1)", "mae"),
        ("phuber_ce(tau=1000000)", "cross_entropy"),
        ("bi_tempered(t1=1, t2=1)", "cross_entropy"),
        ("logit_clip(tau=1000)", "cross_entropy"),
        ("logit_clip(tau=1)", "logit_clip(tau=1, compat=True)"),
        ("logit_clip(tau=1000, loss='mae')", "mae"),
        ("sr(lam=0, tau=1, normalise=False)", "cross_entropy"),
        ("eps_softmax(alpha=1, beta=0, m=0)", "cross_entropy"),
        ("nce_agce(alpha=0, beta=1, q=1)", "mae"),
        ("nce_aul(alpha=0, beta=1, q=1)", "mae"),
        ("nce_agce(alpha=0, beta=1, a=0, q=0.5)", "gce(q=0.5)"),
        ("nfl_rce(gamma=0)", "nce_rce"),
    ],
)
def test_one_loss_is_a_special_case_of_another(spec, other):
    logits, label = sample()
    same(losses(spec, logits, label), losses(other, logits, label))


@pytest.mark.parametrize(
    ("specs", "limit"),
    [
        ([f"taylor_ce(order={t})" for t in (1, 5, 50, 1000)], "cross_entropy"),
        ([f"gce(q={q})" for q in (0.9, 0.5, 0.1, 0.001)], "cross_entropy"),
        ([f"js(pi={pi})" for pi in (0.9, 0.5, 0.1, 0.001)], "cross_entropy"),
        ([f"js(pi={pi})" for pi in (0.1, 0.5, 0.9, 0.999)], "mae"),
        ([f"bi_tempered(t1=1, t2={t})" for t in (3, 1.5, 1.05, 1.0001)], "cross_entropy"),
        ([f"phuber_ce(tau={t})" for t in (2, 5, 20, 1000)], "cross_entropy"),
    ],
)
def test_a_loss_tends_to_another(specs, limit):
    logits, label = sample(1)
    goal = losses(limit, logits, label)
    far = [(losses(spec, logits, label) - goal).abs().max().item() for spec in specs]
    assert far == sorted(far, reverse=True)
    assert far[-1] < 0.15 * far[0]


def test_js_is_gjs_on_one_image_seen_twice():
    logits, label = sample()
    batch = Batch(torch.arange(9), label)
    twice = METHODS["gjs"](pi=0.3).losses(logits.expand(2, 9, C), batch, {}, EPOCH)[0]
    same(losses("js(pi=0.3)", logits, label), twice)


def test_the_bounded_losses_are_bounded():
    logits = torch.tensor([[30.0, 0.0, -30.0]])
    wrong = torch.tensor([2])
    assert losses("phuber_ce(tau=5)", logits, wrong).item() == pytest.approx(math.log(5) + 1)
    harmonic = 1 + 1 / 2 + 1 / 3
    assert losses("taylor_ce(order=3)", logits, wrong).item() == pytest.approx(harmonic)
    longest = math.log(math.exp(2) + 2 * math.exp(-1))  # log(C - 1 + e^(2 tau)) bounds it
    assert losses("logit_clip(tau=1)", logits, wrong).item() < longest + 1


@pytest.mark.parametrize("tau", [0.5, 2.0])
def test_clipping_bounds_the_length_and_nothing_else(tau):
    logits, label = sample()
    short = 0.5 * tau * logits / logits.norm(dim=-1, keepdim=True)
    same(losses(f"logit_clip(tau={tau})", short, label), losses("cross_entropy", short, label))
    long = 7 * short
    unit = tau * long / long.norm(dim=-1, keepdim=True)
    same(losses(f"logit_clip(tau={tau})", long, label), losses("cross_entropy", unit, label))


def test_full_smoothing_ignores_the_label():
    logits, label = sample(1)
    spec = "label_smoothing(smoothing=1)"
    same(losses(spec, logits, label), losses(spec, logits, label.flip(0)))


def test_the_gradient_of_gce_is_that_of_cross_entropy_times_a_power_of_p():
    logits, label = sample(1)
    logits.requires_grad_()
    right = logits.detach().softmax(-1)[torch.arange(9), label]
    bent, hard = (
        torch.autograd.grad(losses(spec, logits, label).sum(), logits)[0]
        for spec in ("gce(q=0.4)", "cross_entropy")
    )
    same(bent, right[:, None] ** 0.4 * hard)


def test_gce_is_exact_for_small_exponents():
    logits, label = sample(1)
    hard = losses("cross_entropy", logits, label)
    same(losses("gce(q=1e-6)", logits, label), hard, rtol=1e-5, atol=0)
    same(losses("gce(q=1e-6)", logits.float(), label).double(), hard, rtol=2e-5, atol=1e-6)


def test_the_founding_example_two_classes_and_a_wrong_label():
    logits = torch.tensor([[0.0, math.log(99)]])  # 99 % sure of class 1
    hard = [losses("cross_entropy", logits, torch.tensor([y])).item() for y in (1, 0)]
    assert hard == pytest.approx([0.01005, 4.60517], rel=1e-4)
    smooth = losses("label_smoothing(smoothing=0.2)", logits, torch.tensor([1])).item()
    assert smooth == pytest.approx(-0.9 * math.log(0.99) - 0.1 * math.log(0.01))


def test_the_reverse_part_of_sce_is_the_published_multiple_of_the_absolute_error():
    logits, label = sample()
    reverse = losses("sce(alpha=0)", logits, label)
    same(reverse, 9.2103 * losses("mae", logits, label), rtol=1e-5, atol=0)


@pytest.mark.parametrize("pi", [0.5, 0.1, 0.9])
def test_gjs_against_the_loop(pi):
    for views, batch, loss, gradient, state in visits(f"gjs(pi={pi})"):
        holds(views, loss, gradient, plain.gjs, batch.label.tolist(), pi)
        assert state == {}


def test_gjs_tends_to_cross_entropy_and_to_the_absolute_error():
    logits, label = sample(1)
    batch, twice = Batch(torch.arange(9), label), logits.expand(2, 9, C)
    for limit, pis in (("cross_entropy", (0.5, 0.1, 0.01, 0.001)), ("mae", (0.5, 0.9, 0.999))):
        goal = losses(limit, logits, label)
        each_pi = [METHODS["gjs"](pi=pi).losses(twice, batch, {}, EPOCH)[0] for pi in pis]
        far = [(loss - goal).abs().max().item() for loss in each_pi]
        assert far == sorted(far, reverse=True)
        assert far[-1] < 0.15 * far[0]


def test_l_dmi_against_the_loop():
    epoch = torch.tensor(9)
    assert [stage.epochs for stage in METHODS["l_dmi"]().stages(13)] == [7, 6]
    for rows, batch, loss, gradient, _ in visits("l_dmi(pace=0.25)", epoch):
        labels = batch.label.tolist()
        holds(
            rows, loss, gradient, lambda moved, y=labels: 0.25 * oracles.l_dmi(moved, y), rtol=1e-6
        )
    agrees("l_dmi", plain.cross_entropy, torch.tensor(6))


@pytest.mark.parametrize("name", ["total_variation", "jensen_shannon", "pearson", "kl", "jeffrey"])
def test_f_divergences_against_the_loop(name):
    spec = f"f_divergence(divergence='{name}')"
    assert [stage.epochs for stage in METHODS.build(spec).stages(13)] == [6, 7]
    for rows, batch, loss, gradient, _ in visits(spec, torch.tensor(6)):
        labels, partner = batch.label.tolist(), batch.draws["partner"].tolist()
        others = [labels[j] for j in partner]
        holds(rows, loss, gradient, oracles.f_divergence, labels, others, name)
    agrees(spec, plain.cross_entropy, torch.tensor(5))
