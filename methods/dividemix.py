"""DivideMix."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from methods.base import Batch, ImageAndBatch, LossAndState, Method, State, Task
from methods.bounds import Between, Epochs, Fraction, NonNegative
from methods.parts.labels import one_hot
from methods.parts.mixing import draw_weight, mix_pairs
from methods.parts.mixture import lower_component


@dataclass(frozen=True)
class DivideMix(Method, label="DivideMix", family="mixed"):
    """Divide the data by a mixture model of the loss; learn from both parts, semi-supervised.

    After ``warmup`` epochs of cross-entropy, two Gaussians are fitted to each network's losses on
    the training set before every epoch. The posterior ``w`` of the lower one is the *peer's*
    probability that a label is right; above ``threshold`` an example counts as labelled. Its
    target is ``w * onehot(y) + (1 - w) * p`` of the network itself, that of any other the mean
    prediction of both networks, over two views and sharpened: ``q^(1/T)``, scaled. Pairs of
    images and targets are mixed with weight ``max(m, 1 - m)``, ``m`` from ``Beta(alpha, alpha)``;
    then, with ``p`` the prediction on the mixture,
    ``loss = CE_labelled + lambda * mean_k (p_k - target_k)^2_unlabelled + KL(uniform | mean p)``,
    where ``lambda`` rises linearly to ``unlabelled_weight`` over ``ramp`` epochs.

    State:
        clean: (2, N), ``w`` as each network uses it, 1 before the first division.
        kept: (2, N) bool, whether an example counts as labelled; label: (N,), the noisy labels.

    Source:
        Junnan Li, Richard Socher & Steven C. H. Hoi, "DivideMix: learning with noisy labels as
        semi-supervised learning", ICLR 2020. https://arxiv.org/abs/2002.07394 (algorithm 1,
        equations 3 to 12).

    Differs from the authors' code (LiJunnan1992/DivideMix, ``Train_cifar.py``):
        A batch holds labelled and unlabelled examples as they come, not as many of each, so an
        epoch is as long as any other. Both networks learn in the same step and mix the same
        pairs. They predict with the mean of probabilities, not of logits. Labels are guessed by
        networks in training mode, there in evaluation mode, which matters to batch normalisation;
        ``lambda`` rises from epoch to epoch, there from step to step; the warm-up counts both
        views, there one. The mixture starts from the best two groups, there from those that k-means
        happens on, and always takes 10 steps; at a rate of 0.9 there it sees the mean loss of five
        epochs.
        The paper sets ``unlabelled_weight`` by the noise (0 to 150); here it is one value.

    Left out: the entropy term in the warm-up under asymmetric noise.
    """

    version: ClassVar[int | str] = 2

    networks: ClassVar[int] = 2
    views: ClassVar[int] = 2
    peeks: ClassVar[bool] = True

    warmup: Epochs = 10
    threshold: Fraction = 0.5
    temperature: Annotated[float, Between(0.01, 10.0)] = 0.5
    alpha: Annotated[float, Between(0.01, 1000.0)] = 4.0
    unlabelled_weight: NonNegative = 25.0
    ramp: Annotated[int, Between(1, 100_000)] = 16

    def init(self, task: Task) -> State:
        """Believe every label."""
        clean = torch.ones(2, len(task.label), device=task.label.device)
        return {"clean": clean, "kept": clean > 0, "label": task.label}

    def refit(self, outputs: Tensor, state: State, epoch: Tensor) -> State:
        """Divide the training set for each network by the losses of its peer."""
        label = state["label"].expand(2, -1)
        loss = -outputs.log_softmax(-1).gather(-1, label[..., None]).squeeze(-1)  # (2, N)
        # The mixture wants values in [0, 1], whatever the range of the losses.
        low, high = loss.amin(1, keepdim=True), loss.amax(1, keepdim=True)
        scaled = (loss - low) / (high - low).clamp(min=torch.finfo(loss.dtype).eps)
        sure = torch.stack([lower_component(row) for row in scaled])
        clean = torch.where(epoch >= self.warmup, sure.flip(0), state["clean"])
        return {**state, "clean": clean, "kept": clean > self.threshold}

    def draw(self, size: int) -> dict[str, Tensor]:
        """Draw the weight of the heavier part and the partner of every view."""
        mix = draw_weight(self.alpha, heavier=True)
        return {"mix": mix, "views_partner": torch.randperm(2 * size)}

    def prepare(self, image: Tensor, batch: Batch, state: State, epoch: Tensor) -> ImageAndBatch:
        """Refine and guess labels, then mix; the target is ``(2, views, B, C)``."""
        p, late = batch.peeked_outputs().softmax(-1), epoch >= self.warmup
        given = one_hot(batch.label, p[0, 0]).expand(2, -1, -1)  # (2, B, C)
        target = torch.where(late, self._believed(p, given, batch, state), given)
        drawn, partner = batch.draws["mix"].to(image.dtype), batch.draws["views_partner"]
        # In the warm-up a weight of 1 mixes nothing, without a branch on a tensor.
        mix = torch.where(late, drawn, torch.ones_like(drawn))
        target = target[:, None].expand(-1, 2, -1, -1).flatten(1, 2)  # (2, views * B, C)
        mixed = mix_pairs(image.flatten(0, 1), mix, partner).view(image.shape)
        target = mix_pairs(target, mix, partner, dim=1)
        return mixed, batch._replace(target=target.unflatten(1, (2, -1)))

    def _believed(self, p: Tensor, given: Tensor, batch: Batch, state: State) -> Tensor:
        """Return the refined and the guessed labels ``(2, B, C)``."""
        sure = state["clean"][:, batch.ids, None]
        refined = sure * given + (1 - sure) * p.mean(1)
        guessed = p.mean((0, 1)).expand_as(refined)
        chosen = torch.where(state["kept"][:, batch.ids, None], refined, guessed)
        return (chosen.clamp(min=1e-30).log() / self.temperature).softmax(-1)

    def loss(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the sum of both networks' losses."""
        target = batch.prepared_target()
        log_p = logits.log_softmax(-1)  # (2, views, B, C)
        labelled = state["kept"][:, None, batch.ids].expand_as(log_p[..., 0]).to(log_p.dtype)
        hard = -(target * log_p).sum(-1)
        soft = (log_p.exp() - target).square().mean(-1)
        mean = log_p.logsumexp((1, 2)).log_softmax(-1)  # log of the mean p
        balance = -(mean + torch.tensor(float(logits.shape[-1])).log()).mean(-1)
        weight = self.unlabelled_weight * ((epoch - self.warmup) / self.ramp).clamp(0, 1)
        total = _mean(hard, labelled) + weight * _mean(soft, 1 - labelled)
        return (total + (epoch >= self.warmup) * balance).sum(), state


def _mean(value: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over the views and examples under a mask, by network; 0 over none."""
    return (value * mask).sum((1, 2)) / mask.sum((1, 2)).clamp(min=1)
