"""The robust losses against loops from their papers, and the facts that their papers prove."""

import math

import pytest
import torch

from benchmarks.contract.samples import EPOCHS, C, N, logits_of, network_of, outputs_of, task
from methods import METHODS, Batch
from tests.agreement import same
from tests.methods.visits import EPOCH, agrees, visits
from tests.oracles import losses as oracles
from tests.oracles import methods as plain

pytestmark = pytest.mark.usefixtures("double")  # as the oracles do

ORACLES = {
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
    "sr(every=3)": lambda z, y: oracles.sr(z, y, 0.5, 0.1, 1.2 * 1.03, normalise=True),
    "sr(tau=2, norm=0.4, rho=2, normalise=False)": lambda z, y: oracles.sr(
        z, y, 2, 0.4, 1.2 * 2**4, normalise=False
    ),
    "eps_softmax": lambda z, y: oracles.eps_softmax(z, y, 0.03, 1, 1e4),
    "eps_softmax(alpha=2, m=3)": lambda z, y: oracles.eps_softmax(z, y, 2, 1, 3),
}


@pytest.mark.parametrize("spec", ORACLES)
def test_a_loss_against_the_loop(spec):
    one = ORACLES[spec]
    agrees(spec, lambda rows, labels: [one(z, y) for z, y in zip(rows, labels, strict=True)])


@pytest.mark.parametrize("name", ["focal", "nfl_rce", "anl_fl"])
def test_detached_factors_of_the_focal_loss_are_constants(name):
    for rows, batch, loss, gradient, _ in visits(f"{name}(detach=True)"):
        labels = batch.label.tolist()

        def paper(moved, rows=rows, labels=labels):
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
            return plain.mean(losses)

        assert loss == pytest.approx(paper(rows), rel=1e-12)
        same(gradient, torch.tensor(plain.slope(paper, rows)), atol=1e-9, rtol=1e-7)


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

    def paper(moved):
        losses = []
        for row, y in zip(moved, labels, strict=True):
            every = [oracles.focal_of(p, gamma) for p in plain.softmax(row)]
            losses.append(oracles.flipped(every, y, oracles.focal_of(1e-7, gamma)))
        return plain.mean(losses)

    assert loss.item() == pytest.approx(paper(rows), rel=1e-12)
    (slope,) = torch.autograd.grad(loss, logits)
    same(slope, torch.tensor(plain.slope(paper, rows)), atol=1e-9, rtol=1e-6)


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
    for rows, batch, loss, gradient, after in visits("gce_trunc(q=0.6, k=0.3)", EPOCH, state):
        ids, labels = batch.ids.tolist(), batch.label.tolist()

        def paper(moved, ids=ids, labels=labels):
            bent = plain.gce(moved, labels, 0.6)
            kept = [state["kept"][i].item() for i in ids]
            cut = (1 - 0.3**0.6) / 0.6
            return plain.mean([b if k else cut for b, k in zip(bent, kept, strict=True)])

        assert loss == pytest.approx(paper(rows), rel=1e-12)
        same(gradient, torch.tensor(plain.slope(paper, rows)), atol=1e-9, rtol=1e-7)
        same(after, state)


@pytest.mark.parametrize("epoch", [0, 6, 7, 12])
def test_negative_smoothing_is_cross_entropy_until_it_goes_on_in_tiny_steps(epoch):
    method = METHODS.build("negative_ls(rate=-0.6, pace=0.001)")
    assert [tuple(stage)[:2] for stage in method.stages(EPOCHS)] == [(7, False), (6, False)]
    for rows, batch, loss, gradient, _ in visits(
        "negative_ls(rate=-0.6, pace=0.001)", torch.tensor(epoch)
    ):
        labels = batch.label.tolist()

        def paper(moved, labels=labels):
            if epoch < 7:
                return plain.mean(plain.cross_entropy(moved, labels))
            return 0.001 * plain.mean(plain.label_smoothing(moved, labels, -0.6))

        assert loss == pytest.approx(paper(rows), rel=1e-12)
        same(gradient, torch.tensor(plain.slope(paper, rows)), atol=1e-9, rtol=1e-7)


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
    batch = Batch(torch.arange(len(label)), label)
    return METHODS.build(spec).losses(logits, batch, {}, EPOCH)[0]


def sample():
    return 2 * logits_of(METHODS["gce"](), 9), torch.arange(9) % C


@pytest.mark.parametrize(
    ("spec", "total"),
    [
        ("mae", C - 1),
        ("nce_mae(alpha=1, beta=0)", 1),
        ("nfl_mae(alpha=1, beta=0)", 1),
        ("nce_rce(alpha=0, beta=1)", 9.210340371976182 * (C - 1)),
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
    logits, label = logits_of(METHODS["gce"](), 9), torch.arange(9) % C
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


def test_co_teaching_with_another_loss_ranks_and_teaches_by_it():
    spec = "co_teaching(forget_rate=0.4, ramp=0, loss='gce(q=0.5)')"
    for nets, batch, loss, _, _ in visits(spec):
        labels, total = batch.label.tolist(), 0.0
        count = plain.kept(len(labels), 0.4, 0, 4)
        for learner, teacher in ((0, 1), (1, 0)):
            bent = plain.gce(nets[teacher], labels, 0.5)
            own = plain.gce(nets[learner], labels, 0.5)
            easiest = sorted(range(len(labels)), key=bent.__getitem__)[:count]
            total += plain.mean([own[i] for i in easiest])
        assert loss == pytest.approx(total, rel=1e-12)
