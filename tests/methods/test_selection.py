"""CORES2, CAL, peer loss, co-teaching, co-teaching+ and JoCoR against loops from their papers."""

import math

import pytest
import torch

from benchmarks.contract.samples import EPOCHS, batch_of, logits_of, started, task
from methods import METHODS, Batch, Task
from tests.agreement import same
from tests.methods.visits import holds, visits
from tests.oracles import methods as oracles
from tests.oracles import selection

pytestmark = pytest.mark.usefixtures("double")  # as the oracles do


@pytest.mark.parametrize("epoch", [0, 2, 3, 9])
def test_cores_against_the_loop(epoch):
    label = task().label
    prior = [label.eq(k).double().mean().item() for k in range(5)]
    beta = 1.5 * selection.risen(epoch / EPOCHS, 0.1, 0.4)
    spec = "cores(beta=1.5, warmup=0.1, full=0.4, sieve=0.2)"
    for rows, batch, loss, gradient, state in visits(spec, torch.tensor(epoch)):
        labels = batch.label.tolist()
        sieve = selection.cores_sieve(rows, labels)
        assert 0 < sum(sieve) < len(sieve)
        kept = sieve if epoch > 0.2 * EPOCHS else [True] * len(sieve)
        holds(rows, loss, gradient, selection.cores, labels, kept, prior, beta, rtol=1e-6)
        assert state["kept"][batch.ids].tolist() == kept
        same(state["prior"], torch.tensor(prior))


def test_cal_against_the_loop_in_both_stages():
    """Five epochs of 13 are the first stage; classes are judged in the last of them."""
    spec = "cal(beta=1.5, sieve_beta=0.7, threshold=0.4, warmup=0.05, full=0.2)"
    labels, share = task().label.tolist(), [task().label.eq(k).double().mean() for k in range(5)]
    roots = [math.sqrt(s) / sum(map(math.sqrt, share)) for s in share]
    classes, joint = list(labels), [[0] * 5 for _ in range(5)]
    for rows, batch, loss, gradient, state in visits(spec, torch.tensor(4)):
        own, beta = batch.label.tolist(), 0.7 * selection.risen(4 / 8, 0.05, 0.2)
        holds(rows, loss, gradient, selection.cal, own, roots, beta, rtol=1e-6)
        found = selection.cal_classes(rows, own, 0.4)
        assert found != own
        assert found != [row.index(max(row)) for row in rows]
        for n, i, j in zip(batch.ids.tolist(), found, own, strict=True):
            classes[n] = i
            joint[i][j] += 1
        assert state["believed"].tolist() == classes
        assert state["joint"].tolist() == joint
    assert all(map(sum, joint))
    known = [[count / sum(counts) for count in counts] for counts in joint]
    same(state["transition"], torch.tensor(known))
    for rows, batch, loss, gradient, after in visits(spec, torch.tensor(6), state):
        own, beta = batch.label.tolist(), 1.5 * selection.risen(1 / 8, 0.05, 0.2)
        now = [classes[n] for n in batch.ids.tolist()], joint
        holds(rows, loss, gradient, selection.cal, own, share, beta, now, rtol=1e-6)
        same(after, state)


def test_cores_pulls_at_a_label_however_unlikely_it_is_to_the_network():
    """The bound on ``p`` is the reward's: cross-entropy has none in the authors' code."""
    method, training = METHODS["cores"](), task()
    label = training.label[:1]
    for gap in (5.0, 15.0, 25.0):
        logits = (gap * torch.nn.functional.one_hot((label + 1) % 5, 5).double()).requires_grad_()
        batch, state = Batch(torch.tensor([0]), label), started(method, training)
        loss, _ = method.loss(logits, batch, state, torch.tensor(0))
        (slope,) = torch.autograd.grad(loss, logits)
        (hard,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, label), logits)
        same(slope, hard)


def test_cores_is_cross_entropy_at_first_and_trains_on_nothing_when_nothing_is_kept():
    method, training = METHODS["cores"](), task()
    state = started(method, training)
    batch, logits = batch_of(training), logits_of(method, 8)
    hard = torch.nn.functional.cross_entropy(logits, batch.label)
    same(method.loss(logits, batch, state, torch.tensor(0))[0], hard, atol=1e-6, rtol=0)
    wrong = -10 * torch.nn.functional.one_hot(batch.label, 5).double()
    loss, after = method.loss(wrong, batch, state, torch.tensor(12))
    assert loss == 0
    assert not after["kept"][batch.ids].any()


@pytest.mark.parametrize(("epoch", "alpha"), [(0, 0.0), (1, 0.8 * (1 / 13 - 0.05) / 0.1), (9, 0.8)])
def test_peer_loss_against_the_loop(epoch, alpha):
    spec = "peer_loss(alpha=0.8, warmup=0.05, full=0.15)"
    for rows, batch, loss, gradient, _ in visits(spec, torch.tensor(epoch)):
        labels, partners = batch.label.tolist(), batch.draws["partner"].tolist()
        assert sorted(partners) == list(range(len(labels)))
        holds(rows, loss, gradient, selection.peer, labels, partners, alpha, rtol=1e-6)


def test_the_published_weights_of_peer_loss_are_those_of_the_authors_code():
    """``f_alpha`` in ``runner.py`` of weijiaheng/Multi-class-Peer-Loss-functions, CIFAR-10."""
    lengths, label = (20, 20, 50, 50, 100, 100), torch.zeros(2, dtype=torch.int64)
    ends = {
        "uniform": [(0, 0), (0, 0.1), (1, 2), (2, 2.5), (2.5, 3.3), (3.3, 5)],
        "sparse": [(0, 0), (0, 1), (1, 2), (2, 5), (5, 10), (10, 20)],
    }
    for schedule, pairs in ends.items():
        theirs = torch.cat([torch.linspace(*p, n) for p, n in zip(pairs, lengths, strict=True)])
        method = METHODS["peer_loss"](schedule=schedule)
        state = method.init(Task(label, 2, 300))
        batch = Batch(torch.arange(2), label, target=1 - label)
        logits = torch.tensor([[2.0, 0.0], [2.0, 0.0]])
        own, other = -(logits[0].softmax(0) + 1e-5).log()
        for epoch, alpha in enumerate(theirs[:300]):
            loss, _ = method.loss(logits, batch, state, torch.tensor(epoch))
            same(loss, (own - alpha * other) / (1 + alpha), atol=1e-6, rtol=1e-6)


def test_peer_loss_over_all_partners_is_the_confidence_reward_of_cores():
    """The mean over every shift of the labels is their mean loss under the batch's own shares."""
    label = torch.tensor([0, 1, 1, 4, 2, 1, 0, 4])
    logits, ids = 0.3 * logits_of(METHODS["gce"](), 8), torch.arange(8)
    method, late = METHODS["peer_loss"](), torch.tensor(9)
    state = {"epochs": torch.tensor(EPOCHS)}
    shifts = [Batch(ids, label, target=label.roll(k)) for k in range(8)]
    peers = torch.stack([method.losses(logits, batch, state, late)[0] for batch in shifts]).mean(0)
    cores = METHODS.build("cores(beta=1.0, sieve=1.0)")
    expected, _ = cores.loss(logits, shifts[0], started(cores, task()._replace(label=label)), late)
    same(peers.mean(), expected, atol=1e-4, rtol=0)  # 1e-5 and 1e-8 in the logarithms


def test_peer_loss_needs_its_partners():
    with pytest.raises(ValueError, match="went through prepare"):
        METHODS["peer_loss"]().losses(logits_of(METHODS["gce"](), 8), batch_of(task()), {}, None)


@pytest.mark.parametrize(
    ("ramp", "epoch", "kept"),
    [(10, 0, 23), (10, 5, 18), (10, 10, 14), (10, 99, 14), (0, 0, 14), (1, 0, 23), (1, 1, 14)],
)
def test_co_teaching_against_the_loop(ramp, epoch, kept):
    assert oracles.kept(23, 0.4, ramp, epoch) == kept
    spec = f"co_teaching(forget_rate=0.4, ramp={ramp})"
    for nets, batch, loss, gradient, state in visits(spec, torch.tensor(epoch)):
        labels = batch.label.tolist()
        count = oracles.kept(len(labels), 0.4, ramp, epoch)
        own = [oracles.easiest(net, labels, count) for net in nets]
        assert count == len(labels) or set(own[0]) != set(own[1])
        holds(nets, loss, gradient, oracles.taught, labels, own[::-1])
        for net, taught in enumerate(own[::-1]):
            visited = state["kept"][net, batch.ids].nonzero().squeeze(1).tolist()
            assert visited == sorted(taught)


def test_co_teaching_that_forgets_all_keeps_one():
    for nets, batch, loss, gradient, _ in visits("co_teaching(forget_rate=1.0)", torch.tensor(50)):
        labels = batch.label.tolist()
        own = [oracles.easiest(net, labels, 1) for net in nets]
        assert [len(chosen) for chosen in own] == [1, 1]
        holds(nets, loss, gradient, oracles.taught, labels, own[::-1])


@pytest.mark.parametrize("epoch", [1, 2, 4, 12])
def test_co_teaching_plus_against_the_loop(epoch):
    spec = "co_teaching_plus(forget_rate=0.4, ramp=6, warmup=2)"
    agreed = 0
    for nets, batch, loss, gradient, state in visits(spec, torch.tensor(epoch)):
        labels = batch.label.tolist()
        apart = selection.disagreed(nets)
        agreed += len(labels) - len(apart)
        places = list(range(len(labels))) if epoch < 2 else apart
        count = oracles.kept(len(places), 0.4, 6, epoch)
        own = [selection.easiest_of(net, labels, places, count) for net in nets]
        holds(nets, loss, gradient, oracles.taught, labels, own[::-1])
        for net, taught in enumerate(own[::-1]):
            visited = batch.ids[state["kept"][net, batch.ids]].tolist()
            assert sorted(visited) == sorted(batch.ids[taught].tolist())
    assert agreed > 3


def test_co_teaching_plus_is_co_teaching_where_all_agree():
    rng = torch.Generator().manual_seed(2)
    logits = torch.randn(2, 8, 5, generator=rng)
    logits[1] = logits[0] + 0.1 * torch.randn(8, 5, generator=rng)
    logits = logits + 5 * logits[0].eq(logits[0].amax(-1, keepdim=True))
    batch, epoch = batch_of(task()), torch.tensor(30)
    losses = []
    for name in ("co_teaching", "co_teaching_plus"):
        method = METHODS[name]()
        losses.append(method.loss(logits, batch, started(method, task()), epoch))
    same(*losses)


@pytest.mark.parametrize(("agreement", "epoch"), [(0.9, 0), (0.9, 4), (0.3, 12)])
def test_jocor_against_the_loop(agreement, epoch):
    def paper(nets, labels, kept):
        each = selection.jocor_losses(nets, labels, agreement)
        return [each[i] for i in kept]

    spec = f"jocor(forget_rate=0.4, ramp=6, agreement={agreement})"
    for nets, batch, loss, gradient, state in visits(spec, torch.tensor(epoch)):
        labels = batch.label.tolist()
        count = oracles.kept(len(labels), 0.4, 6, epoch)
        each = selection.jocor_losses(nets, labels, agreement)
        kept = sorted(range(len(labels)), key=each.__getitem__)[:count]
        holds(nets, loss, gradient, paper, labels, kept, rtol=1e-6)
        for own in state["kept"]:
            assert own[batch.ids].nonzero().squeeze(1).tolist() == sorted(kept)


@pytest.mark.parametrize("name", ["co_teaching", "co_teaching_plus", "jocor"])
def test_the_true_rate_is_forgotten_only_by_privilege(name):
    told = METHODS.build(f"{name}(rate='true', forget_rate=0.9)")
    assert told.privileges == ("rate",)
    assert METHODS[name]().privileges == ()
    training = task()._replace(rate=0.3)
    assert started(told, training)["forget"].item() == pytest.approx(0.3)
    fixed = METHODS.build(f"{name}(forget_rate=0.3)")
    assert started(fixed, training._replace(rate=None))["forget"].item() == pytest.approx(0.3)
    logits, batch, late = logits_of(told, 8), batch_of(training), torch.tensor(12)
    same(*(m.loss(logits, batch, started(m, training), late) for m in (told, fixed)))


@pytest.mark.parametrize(
    "spec", ["co_teaching(ramp=0", "co_teaching_plus(ramp=0, warmup=0", "jocor(ramp=0"]
)
def test_another_loss_can_rank_and_teach(spec):
    spec += ", forget_rate=0.4, loss='gce(q=0.5)')"
    for nets, batch, loss, _, state in visits(spec):
        labels = batch.label.tolist()
        gce = [oracles.gce(net, labels, 0.5) for net in nets]
        taught = [state["kept"][k, batch.ids].nonzero().squeeze(1).tolist() for k in (0, 1)]
        count, ranks = oracles.kept(len(labels), 0.4, 0, 4), gce[::-1]
        if "jocor" in spec:
            apart = selection.jocor_losses(nets, labels, 1.0)
            joint = [0.5 * (a + b) + 0.5 * c for a, b, c in zip(*gce, apart, strict=True)]
            ranks = [joint, joint]
        if "plus" not in spec:  # it ranks what the networks disagree on
            easiest = [sorted(range(len(labels)), key=rank.__getitem__)[:count] for rank in ranks]
            assert taught == [sorted(chosen) for chosen in easiest]
        each = [ranks[0]] if "jocor" in spec else gce
        total = sum(oracles.mean([own[i] for i in taught[k]]) for k, own in enumerate(each))
        assert loss == pytest.approx(total, rel=1e-12)


def test_decoupling_against_the_loop():
    seen = []
    for rows, batch, loss, gradient, state in visits("decoupling(least=0.9)"):
        labels = batch.label.tolist()
        holds(rows, loss, gradient, selection.decoupled, labels, 0.9, rtol=1e-6)
        kept = state["kept"][batch.ids].tolist()
        assert [i for i, keep in enumerate(kept) if keep] == selection.disagreed(rows)
        seen.append(sum(kept) / len(kept))
    assert min(seen) < 0.9 < max(seen)


def test_decoupling_learns_nothing_where_both_networks_agree():
    method, training = METHODS["decoupling"](), task()
    batch, logits = batch_of(training), logits_of(METHODS["gce"](), 8)
    loss, after = method.loss(
        torch.stack([logits, 2 * logits]), batch, started(method, training), torch.tensor(1)
    )
    assert loss == 0
    assert not after["kept"].any()
