"""CORES2, peer loss, co-teaching+ and JoCoR against loops from their papers."""

import pytest
import torch

from benchmarks.contract.samples import EPOCHS, N, batch_of, logits_of, started, task
from methods import METHODS, Batch
from tests.agreement import same
from tests.methods.visits import visits
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

        def paper(moved, labels=labels, kept=kept):
            return selection.cores(moved, labels, kept, prior, beta)

        assert loss == pytest.approx(paper(rows), rel=1e-10)
        same(gradient, torch.tensor(oracles.slope(paper, rows)), atol=1e-9, rtol=1e-6)
        assert state["kept"][batch.ids].tolist() == kept
        same(state["prior"], torch.tensor(prior))


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

        def paper(moved, labels=labels, partners=partners):
            return oracles.mean(selection.peer(moved, labels, partners, alpha))

        assert loss == pytest.approx(paper(rows), rel=1e-10)
        same(gradient, torch.tensor(oracles.slope(paper, rows)), atol=1e-9, rtol=1e-6)


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


def slopes_of(nets, taught, labels):
    """The gradient of each network's mean loss on what it is taught."""
    slopes = []
    for net, mine in zip(nets, taught, strict=True):

        def paper(moved, mine=mine):
            losses = oracles.cross_entropy(moved, labels)
            return sum(losses[i] for i in mine) / len(mine)

        slopes.append(oracles.slope(paper, net))
    return torch.tensor(slopes)


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
        picked = [selection.easiest_of(net, labels, places, count) for net in nets]
        taught = picked[::-1]
        hard = [oracles.cross_entropy(net, labels) for net in nets]
        total = sum(hard[k][i] for k in (0, 1) for i in taught[k]) / count
        assert loss == pytest.approx(total, rel=1e-12)
        same(gradient, slopes_of(nets, taught, labels), atol=1e-9, rtol=1e-7)
        for k in (0, 1):
            visited = batch.ids[state["kept"][k, batch.ids]].tolist()
            assert sorted(visited) == sorted(batch.ids[taught[k]].tolist())
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
    spec = f"jocor(forget_rate=0.4, ramp=6, agreement={agreement})"
    for nets, batch, loss, gradient, state in visits(spec, torch.tensor(epoch)):
        labels = batch.label.tolist()
        count = oracles.kept(len(labels), 0.4, 6, epoch)
        each = selection.jocor_losses(nets, labels, agreement)
        kept = sorted(range(len(labels)), key=each.__getitem__)[:count]

        def paper(moved, labels=labels, kept=kept):
            each = selection.jocor_losses(
                [moved[: len(labels)], moved[len(labels) :]], labels, agreement
            )
            return oracles.mean([each[i] for i in kept])

        both = [*nets[0], *nets[1]]
        assert loss == pytest.approx(paper(both), rel=1e-12)
        slope = torch.tensor(oracles.slope(paper, both))
        same(gradient.flatten(0, 1), slope, atol=1e-9, rtol=1e-6)
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


@pytest.mark.parametrize("name", ["co_teaching_plus", "jocor"])
def test_another_loss_can_rank_and_teach(name):
    spec = (
        f"{name}(loss='gce(q=0.5)', warmup=0)" if "plus" in name else f"{name}(loss='gce(q=0.5)')"
    )
    method, training = METHODS.build(spec), task()
    logits, batch, late = logits_of(method, 8), batch_of(training), torch.tensor(12)
    state = started(method, training)
    loss, after = method.loss(logits, batch, state, late)
    labels = batch.label.tolist()
    gce = [oracles.gce(net, labels, 0.5) for net in logits.tolist()]
    taught = [after["kept"][k, batch.ids].nonzero().squeeze(1).tolist() for k in (0, 1)]
    if name == "jocor":
        each = selection.jocor_losses(logits.tolist(), labels, 1.0)
        each = [0.1 * (a + b) + 0.9 * c for a, b, c in zip(*gce, each, strict=True)]
        assert taught[0] == sorted(sorted(range(8), key=each.__getitem__)[: len(taught[0])])
        assert loss.item() == pytest.approx(oracles.mean([each[i] for i in taught[0]]))
    else:
        total = sum(oracles.mean([gce[k][i] for i in taught[k]]) for k in (0, 1))
        assert loss.item() == pytest.approx(total)
    assert after["kept"].shape == (2, N)
