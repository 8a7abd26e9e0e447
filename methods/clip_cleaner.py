"""CLIPCleaner: examples selected by another model's class probabilities."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, ImageAndBatch, LossAndState, Method, State, Task
from methods.bounds import Added, Between, Fraction
from methods.parts.labels import one_hot
from methods.parts.mixed_loss import mixed_loss
from methods.parts.mixing import draw_weight, kept_partners, mix_pairs
from methods.parts.mixture import lower_component

TINY = 1e-12
"""The least probability of which a logarithm is taken."""


@dataclass(frozen=True)
class CLIPCleaner(Method, label="CLIPCleaner", family="mixed"):
    """Select once by what a vision-language model says of the labels, then train and take over.

    With ``s`` the probabilities that the other model gives an image, which come with the dataset as
    side information, an example is selected where ``s[y] >= theta_cons * max_k s[k]`` and where
    the posterior of the higher of two Gaussians, fitted to ``log s[y]`` of the examples that are
    given this class, scaled to [0, 1], is at least ``theta_gmm``. With ``regression``, both must
    hold of a second ``s``, too: the probabilities of a logistic regression on ``log s``, fitted to
    the given labels with the same weight for each class. Before every epoch but the first,
    with the network's own ``p`` on the image without augmentation, an example that is not selected
    is kept, too, where ``max_k p[k]`` is at least ``theta_r`` and the most likely class is its
    label, or at least ``theta_r2`` and another one, which then is its label. The loss is that of
    mixup among the kept examples, ``x = m x_i + (1 - m) x_j``, with ``m`` the larger weight of
    ``Beta(alpha, alpha)``; an example weighs as much less as more of its class are kept.

    State:
        given: (N,) int64, the given labels; target: (N,) int64, those in use.
        selected: (N,) bool, by the other model; kept: (N,) bool, whether an example is trained on.
        weight: (C,), of each class.

    Privilege ``side``: ``(N, C)`` class probabilities of another model, say of CLIP's zero-shot
    classifier; not clean knowledge, and yet none that other methods have.

    Source:
        Chen Feng, Georgios Tzimiropoulos & Ioannis Patras, "CLIPCleaner: cleaning noisy labels with
        CLIP", ACM MM 2024. https://arxiv.org/abs/2408.10012 (sections 3.2 and 3.4). The authors'
        code MrChenFeng/CLIPCleaner_ACMMM2024, ``clipcleaner.py`` and ``main.py``, was read at
        commit efff9cd. In float64 selection, labels and classes' weights are the same where the
        scores of a class form two groups, and losses and gradients differ by 5e-16.

    Differs from that code:
        Of a class of which nothing is selected it takes the least likely examples, as it sorts
        rising, here the likeliest; as many as of the smallest other class, and at least one in the
        square of the number of classes. It draws batches of equal classes from what is kept, of the
        size of the whole training set; here the batch is as the engine draws it, and the loss a
        weighted mean. Its views are strong, here those of the recipe. It always selects by both
        ``s``, and regresses on CLIP's features, which side information does not hold; here on
        ``log s``, less its mean over classes, scaled to length 1. Its mixtures stop when the
        likelihood changes by less than 1e-3, here after 100 steps: where scores do not form two
        groups, the two may differ.

    Left out: the regression on CLIP's features themselves, which side information does not hold.
    """

    needs_side: ClassVar[bool] = True
    theta_cons: Fraction = 0.8
    theta_gmm: Fraction = 0.5
    theta_r: Fraction = 0.8
    theta_r2: Fraction = 0.8
    alpha: Annotated[float, Between(0.01, 1000.0)] = 1.0
    regression: Annotated[bool, Added(neutral=False)] = False

    def init(self, task: Task) -> State:
        """Select by the other model."""
        label, side = task.label, task.side_probabilities()
        chosen = selected(side, label, self.theta_cons, self.theta_gmm, regression=self.regression)
        weight = class_weights(label, chosen, side)
        return {
            "given": label,
            "target": label,
            "selected": chosen,
            "kept": chosen,
            "weight": weight.to(torch.get_default_dtype()),
        }

    def draw(self, size: int) -> dict[str, Tensor]:
        """Draw who is mixed with whom, and how much."""
        return {"mix": draw_weight(self.alpha, heavier=True), "order": torch.rand(size)}

    def prepare(self, image: Tensor, batch: Batch, state: State, epoch: Tensor) -> ImageAndBatch:
        """Mix examples that are kept; the target's rows sum to their weights."""
        label, kept = state["target"][batch.ids], state["kept"][batch.ids]
        weight = state["weight"][label] * kept  # (B,)
        mix = batch.draws["mix"].to(weight.dtype)
        partner = kept_partners(kept, batch.draws["order"])
        hot = one_hot(label, state["weight"].expand(len(label), -1))
        blend = mix_pairs(image, mix.to(image.dtype), partner, dim=1)
        return blend, batch._replace(target=weight[:, None] * mix_pairs(hot, mix, partner))

    def loss(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the weighted mean cross-entropy to the mixed targets."""
        return mixed_loss(logits, batch.prepared_target()), state

    def refit(self, outputs: Tensor, state: State, epoch: Tensor) -> State:
        """Keep what the network is sure of, and take over where it says another class."""
        best = outputs[0].softmax(-1).max(-1)
        agrees = best.indices == state["given"]
        sure = best.values >= torch.where(agrees, self.theta_r, self.theta_r2)
        target, kept = torch.where(sure, best.indices, state["given"]), state["selected"] | sure
        weight = class_weights(target, kept, outputs[0]).to(state["weight"].dtype)
        return {**state, "target": target, "kept": kept, "weight": weight}


def selected(
    side: Tensor, label: Tensor, theta_cons: float, theta_gmm: float, *, regression: bool = False
) -> Tensor:
    """Return which labels another model confirms, ``(N,)`` bool; some of every class.

    Args:
        side: ``(N, C)``, its probabilities.
        label: ``(N,)``, the given labels.
        theta_cons: the share of the largest probability that the label's must be.
        theta_gmm: the least posterior of the likelier group of a class.
        regression: ask the same of a logistic regression on them.
    """
    own, members = side.double().gather(1, label[:, None]).squeeze(1), groups(label, side.shape[1])
    kept = confirmed(side, label, theta_cons, theta_gmm)
    if regression:
        kept &= confirmed(regressed(side, label), label, theta_cons, theta_gmm)
    counts = [int(kept[places].sum()) for places in members]
    least = max(min(filter(None, counts), default=1), len(label) // len(members) ** 2)
    for places, count in zip(members, counts, strict=True):
        if not count:
            kept[places[own[places].argsort(descending=True)[:least]]] = True
    return kept


def confirmed(p: Tensor, label: Tensor, theta_cons: float, theta_gmm: float) -> Tensor:
    """Return which labels the probabilities ``(N, C)`` of a model confirm: ``(N,)`` bool."""
    own = p.double().gather(1, label[:, None]).squeeze(1)
    score, kept = own.clamp(min=TINY).log(), own >= theta_cons * p.double().amax(1)
    for places in groups(label, p.shape[1]):
        if len(places) > 1:
            x = score[places]
            x = (x - x.min()) / (x.max() - x.min()).clamp(min=TINY)
            kept[places] &= lower_component(1 - x, steps=100, floor=1e-6) >= theta_gmm
    return kept


def groups(label: Tensor, classes: int) -> list[Tensor]:
    """Return where the examples of each class are."""
    return [(label == k).nonzero().squeeze(1) for k in range(classes)]


def regressed(side: Tensor, label: Tensor) -> Tensor:
    """Return the probabilities of a logistic regression on another model's ``log s``, ``(N, C)``.

    It minimises ``sum_i w_i * -log p_i[y_i] + |W|^2 / 2`` over a matrix ``W`` and a constant for
    each class, with ``w_i`` the inverse of how often the class is given, 1 on average.

    Args:
        side: ``(N, C)``, the probabilities ``s``.
        label: ``(N,)``, the given labels.
    """
    log_s = side.double().clamp(min=TINY).log()
    x = F.normalize(log_s - log_s.mean(1, keepdim=True), dim=1)
    count = one_hot(label, x).sum(0)
    weight = (len(label) / (count > 0).sum() / count.clamp(min=1))[label]
    unseen = torch.where(count > 0, 0.0, -torch.inf)  # of a class that is given to none
    learnt = x.new_zeros(x.shape[1] + 1, x.shape[1], requires_grad=True)
    solver = torch.optim.LBFGS(
        [learnt],
        max_iter=1000,
        tolerance_grad=1e-9,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def said() -> Tensor:
        return x @ learnt[1:] + learnt[0] + unseen

    @torch.enable_grad()
    def objective() -> Tensor:
        solver.zero_grad()
        fit = weight @ F.cross_entropy(said(), label, reduction="none")
        loss: Tensor = (fit + learnt[1:].square().sum() / 2) / len(label)
        loss.backward()
        return loss

    solver.step(objective)
    return said().detach().softmax(1)


def class_weights(label: Tensor, kept: Tensor, like: Tensor) -> Tensor:
    """Return for each class 1 over how many are kept, 0 where none is: ``(C,)``."""
    count = (one_hot(label, like) * kept[:, None]).sum(0)
    return torch.where(count > 0, 1 / count.clamp(min=1), torch.zeros_like(count))
