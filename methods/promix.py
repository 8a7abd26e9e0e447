"""ProMix."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from methods.base import Batch, ImageAndBatch, LossAndState, Method, State, Task
from methods.bounds import Between, Epochs, Fraction, NonNegative
from methods.parts.labels import one_hot
from methods.parts.masks import (
    agreement_mask,
    classwise_small_loss,
    confident_mask,
    mean_loss,
    partners,
    running_means,
)
from methods.parts.mixing import draw_weight, mix_pairs
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
    ``w`` rises to 1 over ``ramp`` of the epochs, ``u`` to ``unlabelled_weight`` half as fast.

    State:
        base, kept: (2, N) bool, easiest in its class; label believed at the last visit.
        pi: (2, 2, C), of the believed and the others, by network; label: (N,); epochs: 0-d.

    Source:
        Ruixuan Xiao, Yiwen Dong, Haobo Wang, Lei Feng, Runze Wu, Gang Chen & Junbo Zhao, "ProMix:
        combating label noise via maximizing clean sample utility", IJCAI 2023.
        https://arxiv.org/abs/2207.10276 (section 3; the defaults are those of CIFAR-10).

    Differs from the authors' code (Justherozen/ProMix, ``Train_promix.py`` at commit 40d8378):
        There a second head takes the last part of the loss. It adds FMix, more changes in strong
        views, an entropy term in the warm-up if noise is asymmetric, and ends ``u`` once it has
        risen. Both networks mix the same pairs here, and predict with the mean of probabilities.
        Counts of 600 epochs are shares: ``ramp`` (50), ``guess`` (250), ``memory`` of ``pi`` (51,
        for steps that keep 0.9999). A mean over nothing is 0.
    """

    networks: ClassVar[int] = 2
    views: ClassVar[int] = 3  # weak, strong, mixed
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

    def init(self, task: Task) -> State:
        """Believe every label."""
        label, one = task.label, torch.ones((), device=task.label.device)
        pi = (one / task.num_classes).repeat(2, 2, task.num_classes)
        base = one.bool().repeat(2, len(label))
        return {"base": base, "kept": base, "pi": pi, "label": label, "epochs": one * task.epochs}

    def refit(self, outputs: Tensor, state: State, epoch: Tensor) -> State:
        """Choose the easiest of each class, for each network by its own losses."""
        easy = torch.stack([classwise_small_loss(z, state["label"], self.ratio) for z in outputs])
        return {**state, "base": easy | (epoch < self.warmup)}

    def draw(self, size: int) -> dict[str, Tensor]:
        """Draw the weight of the heavier image, an order of the batch, and the strong views."""
        mix = draw_weight(self.alpha, heavier=True)
        return {"mix": mix, "order": torch.rand(size), **draw_changes(size)}

    def prepare(self, image: Tensor, batch: Batch, state: State, epoch: Tensor) -> ImageAndBatch:
        """Make views; target ``(3, 2, B, C)``: believed, mixed, others; 0 where none counts."""
        z, late = batch.peeked_outputs()[:, 0], epoch >= self.warmup  # (2, B, C), of the weak view
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
        z, (known, mixed, soft) = batch.peeked_outputs()[:, 0], batch.prepared_target()
        pi = state["pi"].clamp(min=1e-30).log()[:, :, None, None]  # (2, 2, 1, 1, C)
        ours, others = (logits + self.debias * pi).log_softmax(-1)  # (2, views, B, C)
        late, done = epoch >= self.warmup, epoch / (self.ramp * state["epochs"])
        w, u = late * done.clamp(max=1), late * self.unlabelled_weight * (done / 2).clamp(max=1)
        weak, hard = (
            mean_loss(ours[:, v], known) + u * mean_loss(others[:, v], soft) for v in (0, 1)
        )
        total = weak + w * (hard + mean_loss(ours[:, 2], mixed))
        # The means remember a share of training, so a batch moves them by its share of that.
        step = len(batch.ids) / (state["base"].shape[1] * self.memory * state["epochs"])
        after = running_means(state["pi"], z.softmax(-1), known.sum(-1) > 0.5, late * step)
        believed = state["base"][:, batch.ids] | confident_mask(z, batch.label, self.tau)
        kept = state["kept"].index_copy(1, batch.ids, believed)
        return total.sum(), {**state, "pi": after, "kept": kept}
