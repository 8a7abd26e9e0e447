"""Early-learning regularisation with two networks, averaged weights and mixup."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from methods.base import Batch, ImageAndBatch, LossAndState, Method, State, Task
from methods.bounds import Added, Between, Fraction, NonNegative
from methods.parts.labels import one_hot
from methods.parts.mixing import draw_pairs, mix_pairs


@dataclass(frozen=True)
class ELRPlus(Method, label="ELR+", family="mixed"):
    """Two networks; each stays close to what the other's averaged weights have predicted so far.

    ``t[i] <- beta * t[i] + (1 - beta) * p'[i]``, with ``p'`` the prediction of the peer's averaged
    weights on the unmixed image. Images, labels and targets ``t`` are mixed in pairs with weight
    ``max(m, 1 - m)``, ``m`` from ``Beta(alpha, alpha)``; then each network minimises
    ``-sum_k y_k * log p_k + weight * log(1 - <p, t>)``, ``p`` clipped to ``[1e-4, 1 - 1e-4]``.
    An average reaches back ``memory`` epochs. Predictions are those of the weights themselves.

    ``trusting`` takes ``y * t`` for the mixed label ``y``, scaled to sum to 1, and ``rise`` lets
    ``weight`` grow as ``exp(-5 (1 - s)^2)``, ``s`` from 0 to 1 over that share of training: so the
    authors' code does on 100 classes, on which the published numbers of CIFAR-100 stand; the paper
    has neither.

    State:
        target: (2, N, C), the running average ``t`` of each network; zero before the first visit.
        epochs: 0-d int64, all there are; only where the weight rises.

    Source:
        Sheng Liu, Jonathan Niles-Weed, Narges Razavian & Carlos Fernandez-Granda, "Early-learning
        regularization prevents memorization of noisy labels", NeurIPS 2020.
        https://arxiv.org/abs/2007.00151 (section 4.3 and appendix).

    Differs from the authors' code (shengliu66/ELR, ``ELR_plus/``):
        A step keeps 0.997 of its average, 0.85 of an epoch of CIFAR, reached over 40,000 steps;
        here it is so many epochs, as those of small data are short. There averages predict in
        training mode and the networks take turns, an epoch each; here they use averaged running
        statistics and both learn in the same step, from the same labels and pairs. There each
        network's labels are drawn apart, which tells the pair more than one noisy set does.
        The networks predict with the mean of probabilities, not of logits. Its rise is by steps,
        40,000 of 97,500, here by epochs.
    """

    networks: ClassVar[int] = 2
    peeks: ClassVar[bool] = True
    averaged: ClassVar[tuple[str, ...]] = ("peeks",)

    beta: Fraction = 0.7
    weight: NonNegative = 3.0
    alpha: Annotated[float, Between(0.01, 1000.0)] = 1.0
    memory: Annotated[float, Between(0.01, 1000.0)] = 0.85
    trusting: Annotated[bool, Added(neutral=False)] = False
    rise: Annotated[float, Between(0.0, 1.0), Added(0.0)] = 0.0

    def decay(self, steps: int, epochs: int) -> float:
        """Keep what makes the average as long as the memory."""
        return 1 - 1 / max(1.0, self.memory * steps)

    def init(self, task: Task) -> State:
        """Return empty targets."""
        label = task.label
        target = torch.zeros(2, len(label), task.num_classes, device=label.device)
        if not self.rise:
            return {"target": target}
        return {"target": target, "epochs": torch.tensor(task.epochs, device=label.device)}

    def draw(self, size: int) -> dict[str, Tensor]:
        """Draw the weight of the heavier image and the partner of each."""
        return draw_pairs(self.alpha, size, heavier=True)

    def prepare(self, image: Tensor, batch: Batch, state: State, epoch: Tensor) -> ImageAndBatch:
        """Mix images; the target is ``(3, 2, B, C)``: mixed labels, mixed averages, averages."""
        mix, partner = batch.draws["mix"].to(image.dtype), batch.draws["partner"]
        peer = batch.peeked_outputs().softmax(-1).flip(0)  # (2, B, C)
        average = self.beta * state["target"][:, batch.ids] + (1 - self.beta) * peer
        both = torch.stack([one_hot(batch.label, peer).expand_as(peer), average])
        target = torch.cat([mix_pairs(both, mix, partner, dim=2), average[None]])
        return mix_pairs(image, mix, partner, dim=1), batch._replace(target=target)

    def loss(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the sum of both networks' cross-entropy and pull."""
        label, target, average = batch.prepared_target()
        if self.trusting:
            label = label * target / (label * target).sum(-1, keepdim=True)
        weight: Tensor | float = self.weight
        if self.rise:
            done = (epoch / (self.rise * state["epochs"])).clamp(max=1.0)
            weight = weight * (-5 * (1 - done).square()).exp()
        fit = -(label * logits.log_softmax(-1)).sum(-1)  # (2, B)
        p = logits.softmax(-1).clamp(1e-4, 1 - 1e-4)  # keeps log(1 - <p, t>) finite
        pull = (1 - (p * target).sum(-1)).log()
        after = {**state, "target": state["target"].index_copy(1, batch.ids, average)}
        return (fit + weight * pull).mean(-1).sum(), after
