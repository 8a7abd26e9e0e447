"""Learning to reweight examples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import grad, vjp

from methods.base import Batch, LossAndState, Network, Stage, State, Task, Weights
from methods.bounds import Added, NonNegative
from methods.parts.clean_subset import CleanSubset


@dataclass(frozen=True)
class L2RW(CleanSubset, label="L2RW", family="weights"):
    """Weight each example by how much a step on it would help on a few examples known to be right.

    ``w_i = max(0, -d L_clean(theta - a * d/dtheta sum_j e_j * l_j) / d e_i)`` at ``e = 0``, scaled
    to sum to 1 over the batch (all 0 if none helps), and ``loss = sum_i w_i * l_i``. At ``e = 0``
    the derivative is ``-a * <grad l_i, grad L_clean>``, in which ``a`` cancels by the scaling.

    Weights that sum to 1 can put a whole step on a few examples, so steps vary in length far more
    than those of a mean: without batch normalisation, at the learning rate of 0.2 that suits other
    methods on small images, rectified units die until logits no longer depend on the image, and
    some seeds end far below the others, or at chance. Which of them depends on rounding: another
    driver parts them otherwise. More clean examples do not help. ``clip_norm``, which stands in for
    the recipe's where it is not 0, cures it: with 1.0, or ``lr=0.05`` in the recipe, none was seen
    to end there.

    State:
        weight: (N,), the weight ``w_i`` at an example's last visit.

    Privilege ``clean_subset``: ``per_class`` examples of each class with their true label.

    Source:
        Mengye Ren, Wenyuan Zeng, Bin Yang & Raquel Urtasun, "Learning to reweight examples for
        robust deep learning", ICML 2018. https://arxiv.org/abs/1803.09050 (algorithm 1, equations 7
        to 12).

    Differs from the paper:
        It draws the clean examples outside the training set (1,000 on CIFAR-10).
    """

    clip_norm: Annotated[NonNegative, Added(0.0)] = 0.0

    def stages(self, epochs: int) -> Sequence[Stage]:
        """Bound the gradient of the whole training."""
        return [Stage(epochs, recipe={"clip_norm": self.clip_norm} if self.clip_norm else {})]

    def init(self, task: Task) -> State:
        """Weigh nothing before the first visit."""
        return {"weight": torch.zeros(len(task.label), device=task.label.device)}

    def lookahead(self, network: Network, image: Tensor, batch: Batch, state: State) -> State:
        """Find the weights of the batch."""
        trusted = batch.trusted_examples()

        def clean_loss(params: Weights) -> Tensor:
            return F.cross_entropy(network.forward(params, trusted.image), trusted.label)

        def losses(params: Weights) -> Tensor:
            logits = network.forward(params, image)
            return F.cross_entropy(logits, batch.label, reduction="none")

        def agreement(share: Tensor) -> Tensor:
            (step,) = vjp(losses, network.params)[1](share)
            return torch.stack([(step[k] * direction[k]).sum() for k in direction]).sum()

        direction = grad(clean_loss)(network.params)
        agrees: Tensor = grad(agreement)(torch.zeros_like(image[:, 0, 0, 0]))  # (B,)
        helpful = agrees.clamp(min=0)
        total = helpful.sum()
        weight = helpful / torch.where(total > 0, total, torch.ones_like(total))
        return {"weight": state["weight"].index_copy(0, batch.ids, weight)}

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the weighted cross-entropy, whose mean is the weighted sum of the paper."""
        hard = F.cross_entropy(logits, batch.label, reduction="none")
        return len(hard) * state["weight"][batch.ids] * hard, state
