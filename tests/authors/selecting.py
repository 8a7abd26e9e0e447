"""Which code selects, relabels and mixes what SSR and CLIPCleaner are held against."""

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import MagicMock, Mock, patch

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from torch import Tensor, nn

from methods import METHODS, Batch, Method, State, Task
from methods.parts.mixing import kept_partners
from methods.parts.strong_views import CHANGES
from tests.authors.code import Names
from tests.authors.stand_ins import QUIET, losses_kept
from tests.authors.visits import (
    EPOCHS,
    C,
    Difference,
    N,
    Training,
    Visit,
    apart,
    labels,
    largest,
)


class _Given:
    """Networks that have learnt all they will, in the order in which code asks for outputs."""

    def __init__(self, *outputs: Tensor):
        self._outputs = iter(outputs)

    def __call__(self, _image: Tensor) -> Tensor:
        return next(self._outputs)

    def train(self) -> None:
        pass

    eval = train


class _Copies(NamedTuple):
    """A training set in which each example stands as often as its weight says, to be mixed."""

    ids: Tensor  # (M,)
    partner: Tensor  # (views * M,)
    logits: Tensor  # (views * M, C)


def _thinned(state: State) -> State:
    """Return the state with so few kept of each class that twelve copies are enough."""
    kept, label = state["kept"].clone(), state["target"]
    weight = torch.zeros(C)
    for k in range(C):
        places = (kept & (label == k)).nonzero().squeeze(1)
        count = max((n for n in (1, 2, 3, 4, 6, 12) if n <= len(places)), default=0)
        kept[places[count:]] = False
        weight[k] = 1 / count if count else 0
    return {**state, "kept": kept, "weight": weight}


def _copies(state: State, logits: Tensor, order: Tensor) -> _Copies:
    """Copy what is kept until all classes have as many; ``logits`` are ``(views, N, C)``."""
    kept, label, (views, size, _) = state["kept"], state["target"], logits.shape
    count = torch.bincount(label[kept], minlength=C)
    common = math.lcm(*count[count > 0].tolist())
    copies = kept * common // count[label].clamp(min=1)
    ids = torch.arange(size).repeat_interleave(copies)
    first, partner = copies.cumsum(0) - copies, kept_partners(kept.repeat(views), order)
    rows = torch.cat([ids + size * view for view in range(views)])
    own = partner[rows] // size * len(ids) + first[partner[rows] % size]
    return _Copies(ids, own, logits.flatten(0, 1)[rows])


@contextlib.contextmanager
def _mixing(partner: Tensor, weight: Tensor) -> Iterator[list[Tensor]]:
    """Let code that mixes a batch draw these partners and this weight; keep its losses."""
    with (
        patch.object(torch, "randperm", lambda _size: partner),
        patch.object(np.random, "beta", lambda *_: weight.item()),
        losses_kept() as found,
    ):
        yield found


def _shares(names: Names, state: State) -> float:
    """Return how far the parts of the classes in that code's batches and in our loss are apart."""
    label = state["target"][state["kept"]]
    sampler = names["ClassBalancedSampler"](labels=label, num_classes=C)
    theirs = torch.bincount(label[sampler.ids], minlength=C) / len(sampler.ids)
    ours = torch.zeros(C).index_add(0, label, state["weight"][label])
    return apart(ours / ours.sum(), theirs)


def _mixed(
    method: Method, state: State, visit: int, loss: Callable[[Tensor, _Copies, Tensor], Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return logits of all examples, our loss of them, mixed, and another code's.

    Args:
        method: ours.
        state: after it has chosen.
        visit: says what is drawn.
        loss: of the weight, the copies that are mixed, and all labels in use.
    """
    state, source = _thinned(state), torch.Generator().manual_seed(visit)
    size = len(state["kept"])
    z = torch.randn(method.views, size, C, generator=source).mul(2).requires_grad_()
    mix = 0.5 + torch.rand((), generator=source) / 2
    order = torch.rand(method.views * size, generator=source)
    still = {"strength": torch.zeros(2, size, len(CHANGES)), "hole": torch.zeros(2, size, 2)}
    batch = Batch(torch.arange(size), state["given"], draws={"mix": mix, "order": order, **still})
    late, image = torch.tensor(5), torch.zeros(method.views, size, 1, 4, 4)
    batch = method.prepare(image, batch, state, late)[1]
    mine, _ = method.loss(z.squeeze(0), batch, state, late)
    return z, mine, loss(mix, _copies(state, z, order), state["target"])


def _ssr(spec: str, names: Names) -> Difference:
    """Relabel and select by random outputs and features, then mix what is kept."""
    method, label, source = METHODS.build(spec), labels(), torch.Generator().manual_seed(4)
    args = SimpleNamespace(theta_r=method.theta_r, theta_s=method.theta_s, lambda_fc=0.0)
    args.num_classes, args.k, args.epochs, same = C, method.neighbours, 1, nn.Identity()

    def loss(mix: Tensor, copies: _Copies, target: Tensor) -> Tensor:
        views = [torch.zeros(len(copies.ids), 2)] * 2
        classes = _Given(copies.logits)
        loaders = [(views, None, None, copies.ids)], target, [(views, None, None, None)]
        with _mixing(copies.partner, mix) as found:
            names["train"](*loaders, same, classes, same, same, MagicMock(), 0, args)
        return found[0]

    def visits() -> Iterator[Visit]:
        state = method.init(Task(label, C, EPOCHS))
        for visit in range(6):
            outputs = 3 * torch.randn(N, C, generator=source)
            features = 2 * F.one_hot(label, C) + torch.randn(N, C, generator=source)
            known = (args, label, label, 0, Mock())
            rows = [(features, None, None, None)]
            clean, _, chosen = names["evaluate"](rows, same, _Given(outputs), *known)
            state = method.refit(outputs[None], state, torch.tensor(5))
            state = method.refit_features(features[None], state, torch.tensor(5))
            kept = torch.zeros(N, dtype=torch.bool).index_fill(0, clean, value=True)
            moved = [apart(state["target"], chosen), apart(state["kept"], kept)]
            z, mine, other = _mixed(method, state, visit, loss)
            yield Visit(z, mine, other, max(*moved, _shares(names, state)))

    return largest(visits())


MANY = 600
"""Examples from which CLIP's scores select: enough for a mixture in each class, of two groups."""


def _clip(features: Tensor, given: Tensor) -> dict[str, Any]:
    """Return CLIP and a dataset, as that code knows them; a class is named by its number."""
    words = {"class_names": [str(k) for k in range(C)], "detailed_features": [[""]] * C}
    data = SimpleNamespace(**words, num_classes=C, suffix="", label=given.tolist())
    model = SimpleNamespace(encode_image=lambda _: features, encode_text=lambda text: text)
    clip = SimpleNamespace(
        load=lambda _: (model, None), tokenize=lambda text: torch.eye(C)[int(text.split()[4])][None]
    )
    mixtures = {"LogisticRegression": LogisticRegression, "GaussianMixture": GaussianMixture}
    return {"clip": clip, "get_specific_dataset": lambda *_, **__: data, **mixtures}


def _clip_cleaner(spec: str, names: Names) -> Difference:
    """Select by both of CLIP's scores, and by the zero-shot one alone; then take over and mix."""
    source, true = torch.Generator().manual_seed(4), torch.arange(MANY) % C
    wrong = (true + 1 + 7 * torch.arange(MANY) % (C - 1)) % C
    label = torch.where(torch.rand(MANY, generator=source) < 0.3, wrong, true)
    seen = 0.2 * torch.randn(MANY, C, generator=source) + F.one_hot(true, C)
    features = F.normalize(seen - seen.mean(1, keepdim=True), dim=1)
    side = (features / 0.07).softmax(1)
    images = [(torch.zeros(MANY, 1), None, None)]
    args = MagicMock(model="small", theta_gmm=0.5, theta_cons=0.8, num_classes=C)
    args.theta_r = args.theta_r2 = 0.8
    more = _clip(features, label)
    both = METHODS.build(spec)
    alone = {"logistic_regression": lambda *_: side}  # what is asked twice of the same

    def loss(mix: Tensor, copies: _Copies, target: Tensor) -> Tensor:
        loader = [(torch.zeros(len(copies.ids), 2), None, copies.ids)]
        networks = nn.Identity(), _Given(copies.logits)
        with _mixing(copies.partner, mix) as found:
            names["train"](loader, target, *networks, MagicMock(), 0, args, 1)
        return found[0]

    def visits() -> Iterator[Visit]:
        for method, own in ((both, {}), (replace(both, regression=False), alone)):
            np.random.seed(0)  # noqa: NPY002  which scikit-learn draws by
            loads = patch.object(torch.utils.data, "DataLoader", lambda *_, **__: images)
            with patch.dict(names, {**more, **own}), loads, losses_kept():
                chosen, _ = names["combined_selection"](args)
            state, target = method.init(Task(label, C, EPOCHS, side=side)), label
            ids = torch.from_numpy(chosen)
            for visit in range(4):
                kept = torch.zeros(MANY, dtype=torch.bool).index_fill(0, ids, value=True)
                moved = [apart(state["target"], target), apart(state["kept"], kept)]
                yield Visit(*_mixed(method, state, visit, loss), max(*moved, _shares(names, state)))
                outputs = 3 * torch.randn(MANY, C, generator=source)
                networks = nn.Identity(), _Given(outputs)
                target, ids = names["evaluate"](images, *networks, args, label, label, 0, chosen)
                state = method.refit(outputs[None], state, torch.tensor(visit + 1))

    return largest(visits())


SELECTING = (
    Training(
        "ssr(neighbours=6)",
        "MrChenFeng/SSR_BMVC2022",
        "utils/funcs.py utils/classbalancedsampler.py main_cifar_simple.py",
        _ssr,
        {**QUIET, "Sampler": list},
    ),
    Training(
        "clip_cleaner(regression=True)",
        "MrChenFeng/CLIPCleaner_ACMMM2024",
        "utils/funcs.py utils/classbalancedsampler.py clipcleaner.py main.py",
        _clip_cleaner,
        {**QUIET, "Sampler": list},
    ),
)
