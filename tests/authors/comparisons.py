"""Which function of whose code a method is held against, and how both are called."""

import math
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import Mock, patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods import METHODS, Batch, Method, State, Task
from methods.parts.strong_views import CHANGES
from tests.authors.code import Names
from tests.authors.stand_ins import QUIET, losses_kept
from tests.authors.visits import EPOCHS, B, C, Difference, N, Visit, batches, labels, largest

Loss = Callable[[Tensor, Tensor, Tensor, int], Tensor]
"""Of logits, labels, positions and the visit: the loss of a batch, as the authors have it."""


class Comparison(NamedTuple):
    """A method's spec, and where the code is that it is held against."""

    spec: str
    repository: str
    path: str
    theirs: Callable[[Names], Loss]
    stubs: dict[str, Any] = {}  # noqa: RUF012  nobody writes to it
    epoch: int = 60  # of EPOCHS, at which both are asked
    mixes: bool = False  # prepares batches from draws, and is refitted before each visit


def plain(build: Callable[[Names], Callable[..., Any]]) -> Callable[[Names], Loss]:
    """Return a loss that takes logits and labels alone."""

    def loss(names: Names) -> Loss:
        theirs = build(names)
        return lambda logits, label, _ids, _visit: theirs(logits, label)

    return loss


def _config(weight: float) -> Any:
    class Parser:
        @staticmethod
        def get_instance() -> dict[str, Any]:
            return {"train_loss": {"args": {"lambda": weight}}, "num_classes": C}

    return Parser


def _elr(names: Names) -> Loss:
    theirs = names["elr_loss"](N, C, beta=0.7)
    return lambda logits, label, ids, _visit: theirs(ids, logits, label)


def _sat(names: Names) -> Loss:
    theirs = names["SelfAdaptiveTrainingCE"](labels(), C, momentum=0.9, es=30)
    theirs.soft_labels = theirs.soft_labels.double()
    return lambda logits, label, ids, _visit: theirs(logits, label, ids, 60)


def _truncated(names: Names) -> Loss:
    theirs = names["TruncatedLoss"](trainset_size=N).double()
    constant = (1 - 0.5**0.7) / 0.7  # that ours leaves in
    return lambda logits, label, ids, _visit: theirs(logits, label, ids) + constant


def _sparse(names: Names) -> Loss:
    norm = names["pNorm"](0.1)

    def loss(logits: Tensor, label: Tensor, _ids: Tensor, _visit: int) -> Tensor:
        return F.cross_entropy(logits / 0.1, label) + 4 * 2**4 * norm(logits / 0.1)

    return loss


def _cores(epoch: int) -> Callable[[Names], Loss]:
    def build(names: Names) -> Loss:
        room, prior = torch.zeros(N, EPOCHS).numpy(), F.one_hot(labels(), C).double().mean(0)

        def loss(logits: Tensor, label: Tensor, ids: Tensor, _visit: int) -> Tensor:
            found = names["loss_cores"](
                epoch, logits, label, C, ids.numpy(), None, room, room.copy(), prior[None]
            )
            return found[0] / (1 + names["f_beta"](epoch))

        return loss

    return build


def _peer(names: Names) -> Loss:
    theirs = names["CrossEntropyLossStable"]()

    def loss(logits: Tensor, label: Tensor, _ids: Tensor, _visit: int) -> Tensor:
        return (theirs(logits, label) - theirs(logits, label.roll(1))) / 2

    return loss


def _co_teaching(names: Names) -> Loss:
    def loss(logits: Tensor, label: Tensor, ids: Tensor, _visit: int) -> Tensor:
        clean = torch.ones(N).numpy()
        found = names["loss_coteaching"](*logits, label, 0.25, ids.numpy(), clean)
        return (found[0] + found[1]) * 18  # which that code divides by once more

    return loss


def _jocor(names: Names) -> Loss:
    def loss(logits: Tensor, label: Tensor, ids: Tensor, _visit: int) -> Tensor:
        clean = torch.ones(N).numpy()
        return names["loss_jocor"](*logits, label, 0.25, ids.numpy(), clean, 0.9)[0]

    return loss


class _LowRankNormal:
    """A Gaussian with the scale matrix ``diag(d) + r r^T``, as that of TensorFlow Probability."""

    def __init__(self, loc: Tensor, scale_diag: Tensor, scale_perturb_factor: Tensor, **_: Any):
        self._loc = loc
        self._scale = scale_diag.diag_embed() + scale_perturb_factor @ scale_perturb_factor.mT

    def log_prob(self, value: Tensor) -> Tensor:
        apart = torch.linalg.solve(self._scale, value - self._loc)
        constant = value.shape[-1] / 2 * math.log(2 * math.pi)
        return -apart.square().sum(-1) / 2 - torch.logdet(self._scale) - constant


TENSORFLOW = SimpleNamespace(
    **{name: getattr(torch, name) for name in ("ones", "reshape", "int32")},
    float32=torch.float64,
    newaxis=None,
    cast=lambda x, kind: x.long() if kind == torch.int32 else x,
    one_hot=lambda label, depth: F.one_hot(label, depth).double(),
    shape=lambda x: x.shape,
    reduce_mean=lambda x, axis: x.mean(axis),
    range=lambda *ends, dtype: torch.arange(*ends, dtype=dtype),
    stop_gradient=lambda x: x.detach(),
    nn=SimpleNamespace(softmax=lambda x, axis: x.softmax(axis)),
    math=SimpleNamespace(log=torch.log, sqrt=torch.sqrt, pow=lambda base, power: base**power),
    linalg=SimpleNamespace(
        set_diag=lambda x, entries: x.diagonal_scatter(entries),
        band_part=lambda x, _below, _above: x.tril(),
        matrix_transpose=lambda x: x.mT,
    ),
)
"""What the code of SGN takes of TensorFlow, by PyTorch."""

GAUSSIAN = {
    "tf": TENSORFLOW,
    "tfd": SimpleNamespace(MultivariateNormalDiagPlusLowRank=_LowRankNormal),
    "FLAGS": SimpleNamespace(label_smoothing=0.001, alpha=0.9),
}


def _shifted(names: Names) -> Loss:
    def loss(logits: Tensor, label: Tensor, _ids: Tensor, visit: int) -> Tensor:
        mean, factor = logits[:, : C - 1].clone(), logits[:, C - 1 :]  # it adds to the mean
        smooth = names["get_smoothed_onehot"](label, C)
        exponent = 600 * visit * B / (EPOCHS * N)
        normal = names["_create_normal"](
            mean, factor, peeked(logits)[:, : C - 1], C, smooth, exponent
        )
        return -normal.log_prob(names["ilr_inv"](smooth)).mean()

    return loss


def draws_of(visit: int) -> dict[str, Tensor]:
    """Return the random numbers of a method that mixes two views of what it has chosen."""
    source = torch.Generator().manual_seed(visit)
    changes = {"strength": torch.zeros(B, len(CHANGES)), "hole": torch.full((B, 2), 5.0)}
    mix = 0.5 + torch.rand(2, generator=source) / 2
    return {"mix": mix, "order": torch.rand(2, B, generator=source), **changes}


def _instance(names: Names) -> Loss:
    """Train for epochs of one batch; what the network gives and what is drawn is told before."""
    theirs = object.__new__(names["DISC"])
    every, size = torch.ones(N, dtype=torch.bool), torch.full((N,), 1 / N)
    more = {"device": "cpu", "dataset": "", "epochs": EPOCHS, "start_epoch": 10, "N": N}
    more |= {"lamd_ce": 1, "lamd_h": 0.5, "sigma": 0.05, "momentum": 0.6, "num_list": []}
    more |= {"w_prev_confidence": size, "s_prev_confidence": size, "adjust_lr": 0}
    unseen = F.one_hot(labels(), C).double()  # which that code sees before it judges
    more |= {"w_probs": unseen, "s_probs": unseen.clone(), "labels": labels()}
    more |= {"clean_flags": every, "hard_flags": ~every, "weak_flags": every}
    more |= {"weak_labels": labels(), "criterion": nn.CrossEntropyLoss()}
    more |= {"model_scratch": Mock(), "optimizer": Mock(), "GCE_loss": names["GCELoss"](C)}
    vars(theirs).update(more)

    def loss(logits: Tensor, label: Tensor, ids: Tensor, visit: int) -> Tensor:
        chosen, draws, images = theirs.weak_flags[ids], draws_of(visit), torch.zeros(B, 1)
        lines = [order[chosen].argsort() for order in draws["order"]]
        partners = [line.roll(-1)[line.argsort()] for line in lines]
        theirs.model_scratch.side_effect = [logits[:2].flatten(0, 1), *logits[2:, chosen]]
        with (
            losses_kept() as found,
            patch.object(torch, "randperm", Mock(side_effect=partners)),
            patch.dict(names, Beta=lambda *_: Mock(sample=Mock(side_effect=weights))),
        ):
            weights = iter(draws["mix"])
            theirs.mixup_loss = names["Mixup"](num_classes=C)
            theirs.train([((images, images), label, ids)], 60)
        return found.pop()

    return loss


def peeked(logits: Tensor) -> Tensor:
    """Return what averaged weights are taken to give where the weights give logits."""
    return logits.detach().roll(1, -1) / 2


def _jensen_shannon(weights: str) -> Callable[[Names], Loss]:
    def build(names: Names) -> Loss:
        theirs = names["JensenShannonDivergenceWeightedScaled"](C, weights)
        views = lambda logits: list(logits) if logits.dim() == 3 else logits  # noqa: E731
        return lambda logits, label, _ids, _visit: theirs(views(logits), label)

    return build


ACTIVE, NEGATIVE = "Virusdoll/Active-Negative-Loss", "loss.py"


def _active(spec: str, function: str, **config: float) -> Comparison:
    def build(names: Names) -> Loss:
        theirs = names[function](C, {"delta": 0.0, "min_prob": 1e-7, "gamma": 0.5, **config})
        if function.startswith("anl"):
            return lambda logits, label, _ids, _visit: theirs(logits, label, nn.Linear(1, 1))
        return lambda logits, label, _ids, _visit: theirs(logits, label)

    return Comparison(spec, ACTIVE, NEGATIVE, build)


HONG, EPSILON = "hongxin001/JoCoR", "cswjl/eps-softmax"

COMPARISONS = (
    Comparison("mae", ACTIVE, NEGATIVE, plain(lambda n: n["mae"](C))),
    Comparison("gce(q=0.7)", ACTIVE, NEGATIVE, plain(lambda n: n["gce"](C, {"q": 0.7}))),
    _active("sce(alpha=0.1, beta=1.0)", "sce", alpha=0.1, beta=1.0),
    _active("nce_mae(alpha=1.0, beta=1.0)", "nce_mae", alpha=1.0, beta=1.0),
    _active("nce_rce(alpha=10.0, beta=0.1)", "nce_rce", alpha=10.0, beta=0.1),
    _active("nfl_mae(detach=True)", "nfl_mae", alpha=1.0, beta=1.0),
    _active("nfl_rce(detach=True)", "nfl_rce", alpha=10.0, beta=0.1),
    _active("nce_agce", "nce_agce", alpha=10.0, beta=0.1, a=1.8, q=3.0),
    _active("nce_aul", "nce_aul", alpha=10.0, beta=0.015, a=6.0, q=3.0),
    _active("nce_ael", "nce_ael", alpha=1.0, beta=4.0, a=5.0),
    _active("anl_ce", "anl_ce", alpha=5.0, beta=5.0),
    _active("anl_fl(detach=True)", "anl_fl", alpha=5.0, beta=5.0),
    Comparison("focal(detach=True)", ACTIVE, NEGATIVE, plain(lambda n: n["FocalLoss"](gamma=0.5))),
    Comparison(
        "label_smoothing(smoothing=0.1)",
        "UCSC-REAL/negative-label-smoothing",
        "loss.py",
        plain(lambda n: lambda z, y: n["loss_gls"](0, z, y, 0.1)),
    ),
    Comparison(
        "negative_ls(rate=-1.0, pace=1.0)",
        "UCSC-REAL/negative-label-smoothing",
        "loss.py",
        plain(lambda n: lambda z, y: n["loss_gls"](0, z, y, -1.0)),
    ),
    Comparison(
        "phuber_ce(tau=2.0)",
        "dmizr/phuber",
        "phuber/loss.py",
        plain(lambda n: n["PHuberCrossEntropy"](2.0)),
    ),
    Comparison(
        "eps_softmax(alpha=0.03, beta=1.0, m=10000.0)",
        EPSILON,
        "losses.py",
        plain(lambda n: n["ECEandMAE"](m=1e4, alpha=0.03, beta=1.0)),
    ),
    Comparison(
        "logit_clip(tau=0.4, compat=True)",
        EPSILON,
        "losses.py",
        plain(lambda n: n["CEandLC"](2.5)),
    ),
    Comparison(
        "jal_ce(alpha=1.0, beta=1.0, a=30.0)",
        "cswjl/joint-asymmetric-loss",
        "losses.py",
        plain(lambda n: n["NCEandAMSE"](alpha=1.0, beta=1.0, a=30.0)),
    ),
    Comparison("js(pi=0.3)", "ErikEnglesson/GJS", "losses.py", _jensen_shannon("0.3 0.7")),
    Comparison("gjs(pi=0.3)", "ErikEnglesson/GJS", "losses.py", _jensen_shannon("0.3 0.35 0.35")),
    Comparison(
        "sr(tau=0.1, norm=0.1, lam=4.0, rho=2.0, every=5, span=40, normalise=False)",
        "hitcszx/lnl_sr",
        "norm.py",
        _sparse,
    ),
    Comparison("gce_trunc", "AlanChou/Truncated-Loss", "TruncatedLoss.py", _truncated),
    Comparison("elr", "shengliu66/ELR", "ELR/model/loss.py", _elr, {"ConfigParser": _config(3.0)}),
    Comparison("sat(warmup=0.3)", "LayneH/self-adaptive-training", "losses/loss.py", _sat),
    Comparison("cores", "UCSC-REAL/cores", "loss.py", _cores(60)),
    Comparison(
        "peer_loss",
        "weijiaheng/Multi-class-Peer-Loss-functions",
        "CIFAR-10/runner.py",
        _peer,
    ),
    Comparison("co_teaching(forget_rate=0.25)", "bhanML/Co-teaching", "loss.py", _co_teaching),
    Comparison("jocor(forget_rate=0.25, agreement=0.9)", HONG, "algorithm/loss.py", _jocor),
    Comparison(
        "disc(hard_weight=0.5, margin=0.05, momentum=0.6)",
        "JackYFL/DISC",
        "algorithms/DISC.py losses/loss_other.py losses/loss_mixup.py",
        _instance,
        QUIET,
        mixes=True,
    ),
    Comparison(
        "sgn(alpha=0.9, pace=1.0)", "ErikEnglesson/SGN", "src/cifar/sgn.py", _shifted, GAUSSIAN
    ),
)


def ours(method: Method, state: State, batch: Batch, logits: Tensor, epoch: int) -> Any:
    """Return the loss of our method and the next state."""
    if batch.draws:
        image = torch.zeros(method.views, B, 1, 4, 4)
        batch = method.prepare(image, batch, state, torch.tensor(epoch))[1]
    elif method.draw(2):
        batch = batch._replace(target=batch.label.roll(1))
    return method.loss(logits, batch, state, torch.tensor(epoch))


def compare(comparison: Comparison, names: Names) -> Difference:
    """Return the differences over visits of overlapping batches."""
    method = METHODS.build(comparison.spec)
    leading = [size for size in (method.networks, method.views) if size > 1]

    def visits() -> Iterator[Visit]:
        state, theirs = method.init(Task(labels(), C, EPOCHS)), comparison.theirs(names)
        for visit, (ids, logits) in enumerate(batches(leading, method.columns(C))):
            batch = Batch(ids, labels()[ids], outputs=peeked(logits) if method.peeks else None)
            if comparison.mixes:
                epoch = torch.tensor(comparison.epoch)
                batch = batch._replace(draws=draws_of(visit))
                state = method.refit(logits, state, epoch) if visit else state
            mine, state = ours(method, state, batch, logits, comparison.epoch)
            yield Visit(logits, mine, theirs(logits, batch.label, ids, visit))

    return largest(visits())
