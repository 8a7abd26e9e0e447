"""ProMix."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, ImageAndBatch, LossAndState, Method, State, Task
from methods.bounds import Between, Epochs, Fraction, NonNegative
from methods.parts.labels import one_hot
from methods.parts.mixing import draw_weight, mix_pairs
from methods.parts.small_loss import rank_within, small_loss_mask
from methods.parts.strong_views import draw_changes, strong_view

Share = Annotated[float, Between(0.001, 1.0)]


@dataclass(frozen=True)
class ProMix(Method, label="ProMix", family="mixed"):
    """Believe what is easiest in its class, or confidently predicted; learn from it in three ways.

    After ``warmup`` epochs of cross-entropy each network believes, epoch by epoch, the ``ratio``
    times ``N / C`` labels of each class of smallest loss, and in a batch those with ``p[y] > tau``.
    In the last ``guess`` of the epochs, what both networks predict alike and above ``tau`` joins
    them with the predicted label, surest first, up to ``fill`` of the batch. With ``CE'`` on
    ``z + debias * log pi``, ``pi`` the running mean of ``p`` on the same kind of examples:
    ``loss = CE'(weak) + w * (CE'(strong) + CE'(mixed)) + u * (CE'(weak, q) + w * CE'(strong, q))``,
    first over what is believed, mixed in pairs with weight ``max(m, 1 - m)``, ``m`` from
    ``Beta(alpha, alpha)``; then over the others, to sharpened ``q = softmax(z - debias * log pi)``.
    ``w`` rises to 1 over ``ramp`` of the epochs, ``u`` to ``unlabelled_weight`` half as fast, after
    which it is 0. Two heads on the same features learn: the first, from what is believed alone,
    is the one that judges and predicts; the second, from all of it, shapes the features.

    State:
        base, kept: (2, N) bool, easiest in its class; label believed at the last visit.
        pi: (2, 2, C), of the believed and the others, by network; label: (N,); epochs: 0-d.

    Source:
        Ruixuan Xiao, Yiwen Dong, Haobo Wang, Lei Feng, Runze Wu, Gang Chen & Junbo Zhao, "ProMix:
        combating label noise via maximizing clean sample utility", IJCAI 2023.
        https://arxiv.org/abs/2207.10276 (section 3; the defaults are those of CIFAR-10).

    Differs from the authors' code (Justherozen/ProMix, ``Train_promix.py`` at commit 40d8378):
        Both networks and both heads mix the same pairs here, and the networks predict with the
        mean of probabilities. Counts of 600 epochs are shares: ``ramp`` (50), ``guess`` (250),
        ``memory`` of ``pi`` (51, for steps that keep 0.9999). A mean over nothing is 0. In float64
        losses, means and gradients of both heads differ by 4e-15; mixed pairs are compared where
        all labels are believed.

    Left out: FMix, some changes of strong views, and the entropy term in the warm-up under
    asymmetric noise.
    """

    version: ClassVar[int | str] = 2

    networks: ClassVar[int] = 2
    views: ClassVar[int] = 3  # weak, strong, mixed
    strong_views: ClassVar[tuple[int, ...]] = (1,)
    peeks: ClassVar[bool] = True

    warmup: Epochs = 10
    ratio: Fraction = 0.5
    tau: Fraction = 0.99
    debias: NonNegative = 0.8
    temperature: Annotated[float, Between(0.01, 10.0)] = 0.5
    alpha: Annotated[float, Between(0.01, 1000.0)] = 4.0
    unlabelled_weight: NonNegative = 0.1
    fill: Fraction = 0.9
    guess: Fraction = 0.42
    ramp: Share = 0.083
    memory: Share = 0.085

    def columns(self, classes: int) -> int:
        """Ask for a second head."""
        return 2 * classes

    def init(self, task: Task) -> State:
        """Believe every label."""
        label, one = task.label, torch.ones((), device=task.label.device)
        pi = (one / task.num_classes).repeat(2, 2, task.num_classes)
        base = one.bool().repeat(2, len(label))
        return {"base": base, "kept": base, "pi": pi, "label": label, "epochs": one * task.epochs}

    def refit(self, outputs: Tensor, state: State, epoch: Tensor) -> State:
        """Choose the easiest of each class, for each network by its own losses."""
        first = first_head(outputs)
        easy = torch.stack([classwise_small_loss(z, state["label"], self.ratio) for z in first])
        return {**state, "base": easy | (epoch < self.warmup)}

    def draw(self, size: int) -> dict[str, Tensor]:
        """Draw the weight of the heavier image, an order of the batch, and the strong views."""
        mix = draw_weight(self.alpha, heavier=True)
        return {"mix": mix, "order": torch.rand(size), **draw_changes(size)}

    def prepare(self, image: Tensor, batch: Batch, state: State, epoch: Tensor) -> ImageAndBatch:
        """Make views; target ``(3, 2, B, C)``: believed, mixed, others; 0 where none counts."""
        late = epoch >= self.warmup
        z = first_head(batch.peeked_outputs()[:, 0])  # (2, B, C), of the weak view
        # Dividing by pi, or adding its logarithm, undoes the classes that the network favours.
        pi, given = state["pi"].clamp(min=1e-30).log()[:, :, None], one_hot(batch.label, z[0])
        known = state["base"][:, batch.ids] | confident_mask(z, batch.label, self.tau)
        last = epoch >= (1 - self.guess) * state["epochs"]
        guessed = one_hot((z - self.debias * pi[0]).argmax(-1), z)
        sure = known | (agreement_mask(z.softmax(-1), known, self.tau, self.fill) & late & last)
        target = sure[..., None] * torch.where(known[..., None], given, guessed)
        # Only pairs of which both are believed are mixed; `partners` makes nearly all such.
        mix, partner = batch.draws["mix"].to(z.dtype), partners(sure, batch.draws["order"])
        both = (sure & sure[:, partner])[..., None]
        mixed = both * mix_pairs(target, mix, partner, dim=1)
        soft = ((z - self.debias * pi[1]).log_softmax(-1) / self.temperature).softmax(-1)
        harder = strong_view(image[1], batch.draws["strength"], batch.draws["hole"])
        blend = mix_pairs(image[2], mix, partner)
        rows = torch.stack([target, mixed, ~sure[..., None] * soft])
        return torch.stack([image[0], harder, blend]), batch._replace(target=rows)

    def loss(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the sum of both networks' losses; the running means move."""
        z, (known, mixed, soft) = first_head(batch.peeked_outputs()[:, 0]), batch.prepared_target()
        pi = state["pi"].clamp(min=1e-30).log()[:, :, None, None]  # (2, 2, 1, 1, C)
        heads = torch.stack(logits.chunk(2, -1))  # (heads, 2, views, B, C)
        ours = (heads + self.debias * pi[0]).log_softmax(-1)
        others = (heads[1] + self.debias * pi[1]).log_softmax(-1)
        late, done = epoch >= self.warmup, epoch / (self.ramp * state["epochs"])
        w, u = late * done.clamp(max=1), late * self.unlabelled_weight * done / 2 * (done < 2)
        parts = zip((0, 1, 2), (known, known, mixed), strict=True)
        weak, hard, blend = (mean_loss(ours[:, :, v], to) for v, to in parts)  # (heads, 2)
        fit = weak + w * (hard + blend)
        rest = mean_loss(others[:, 0], soft) + w * mean_loss(others[:, 1], soft)
        total = fit[0] + late * fit[1] + u * rest
        # The means remember a share of training, so a batch moves them by its share of that.
        step = len(batch.ids) / (state["base"].shape[1] * self.memory * state["epochs"])
        after = running_means(state["pi"], z.softmax(-1), known.sum(-1) > 0.5, late * step)
        believed = state["base"][:, batch.ids] | confident_mask(z, batch.label, self.tau)
        kept = state["kept"].index_copy(1, batch.ids, believed)
        return total.sum(), {**state, "pi": after, "kept": kept}

    def predict(self, outputs: Tensor) -> Tensor:
        """Return the mean of both networks' probabilities, of their first heads."""
        return super().predict(first_head(outputs))


def first_head(outputs: Tensor) -> Tensor:
    """Return the logits ``(..., C)`` of the first of two heads."""
    return outputs.chunk(2, -1)[0]


def classwise_small_loss(logits: Tensor, label: Tensor, share: float) -> Tensor:
    """Return a mask ``(N,)`` of the ``share * N / C`` smallest cross-entropies of each class.

    The number is rounded up, and at least 1; a class that has fewer is taken whole.
    """
    loss, classes = F.cross_entropy(logits, label, reduction="none"), logits.shape[1]
    count = max(1, math.ceil(len(label) / classes * share))
    return torch.lt(rank_within(label, -loss[:, None], classes)[:, 0], count)


def confident_mask(logits: Tensor, label: Tensor, tau: float) -> Tensor:
    """Return whether the probability of the label exceeds ``tau``: ``(networks, B)``."""
    return (logits.softmax(-1) * one_hot(label, logits[0])).sum(-1) > tau


def agreement_mask(p: Tensor, known: Tensor, tau: float, fill: float) -> Tensor:
    """Return a mask ``(2, B)`` of what two networks both predict above ``tau``, and alike.

    For each network only what is not known to it, and no more than makes ``fill`` of the batch
    with that: those of the largest mean of both maxima. ``p`` holds probabilities ``(2, B, C)``.
    """
    best, (first, second) = p.amax(-1), p.argmax(-1)  # (2, B)
    new = (first == second) & (best > tau).all(0) & ~known
    room = (int(fill * p.shape[1]) - known.sum(-1, keepdim=True)).clamp(min=0)
    sureness = torch.where(new, -best.mean(0), torch.inf)
    chosen: Tensor = new & small_loss_mask(sureness, room)
    return chosen


def partners(chosen: Tensor, order: Tensor) -> Tensor:
    """Return the partner ``(B,)`` of each example: a random one chosen by as many networks.

    Examples stand in a circle, sorted by that number and then by ``order``; the partner is the
    next. Only where the number changes do they differ. ``chosen`` is ``(networks, B)``, ``order``
    is random, ``(B,)`` in [0, 1).
    """
    circle = (order - chosen.sum(0)).argsort()
    partner: Tensor = circle.roll(-1)[circle.argsort()]
    return partner


def mean_loss(log_p: Tensor, target: Tensor) -> Tensor:
    """Return the mean cross-entropy ``(..., networks)`` of ``(..., networks, B, C)``.

    Rows of ``target`` ``(networks, B, C)`` sum to 1, or to 0 where an example does not count. Over
    none it is 0.
    """
    return -(target * log_p).sum((-2, -1)) / target.sum((-2, -1)).clamp(min=1)


def running_means(means: Tensor, p: Tensor, chosen: Tensor, step: Tensor) -> Tensor:
    """Return running means ``(2, networks, C)`` of ``p`` over what is chosen, and what is not.

    One that has no example in the batch stays. ``step`` is the share of the batch in the new mean;
    above 1 it is 1.
    """
    both = torch.stack([chosen, ~chosen])[..., None].to(p.dtype)  # (2, networks, B, 1)
    size = both.sum(2)
    now = (both * p).sum(2) / size.clamp(min=1)
    return means + (size > 0) * step.clamp(max=1) * (now - means)
