"""Co-teaching."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from methods.base import Batch, Method, State, Task
from methods.bounds import Added, Epochs, Fraction
from methods.injected import LossSpec, injected


@dataclass(frozen=True)
class CoTeaching(Method):
    """Two networks; each learns only from the examples its peer finds easy.

    Each network keeps the share ``1 - R(epoch)`` of the batch on which its loss is smallest,
    with ``R`` rising linearly from 0 to ``forget_rate`` over ``ramp`` epochs (none: at once), and
    hands that selection to its peer. Predictions average the two networks' probabilities. ``loss``
    is what ranks and teaches: the paper's is cross-entropy, and any other loss can be named.

    State:
        kept: (2, N) bool, whether each network learnt from an example at its last visit.

    Reference:
        Han et al., "Co-teaching: robust training of deep neural networks with extremely
        noisy labels", NeurIPS 2018. https://arxiv.org/abs/1804.06872 (algorithm 1).

    Differs from the authors' code (bhanML/Co-teaching, ``loss.py`` and ``main.py``):
        It divides an already averaged loss by the number kept; we average once.
        It sets ``forget_rate`` to the true noise rate, which nobody knows; here it is a fixed 0.2.
        It truncates the number kept; we round.
        It evaluates the networks one by one.
    """

    networks: ClassVar[int] = 2
    forget_rate: Fraction = 0.2
    ramp: Epochs = 10
    loss_: Annotated[LossSpec, Added("cross_entropy")] = "cross_entropy"

    def init(self, task: Task) -> State:
        """Have nothing kept."""
        label = task.label
        return {"kept": torch.zeros(2, len(label), dtype=torch.bool, device=label.device)}

    def loss(
        self, logits: Tensor, batch: Batch, state: State, epoch: Tensor
    ) -> tuple[Tensor, State]:
        """Sum over both networks of the mean loss on the peer's selection."""
        size = len(batch.label)
        ramped = (epoch / self.ramp).clamp(max=1.0) if self.ramp else torch.ones_like(epoch)
        forget = self.forget_rate * ramped
        kept = ((1 - forget) * size).round().clamp(min=1)
        loss = injected(self.loss_, logits, batch, epoch)  # (2, B)
        rank = loss.detach().argsort(dim=-1, stable=True).argsort(dim=-1)  # 0 is the easiest
        taught = (rank < kept).flip(0)
        after = {"kept": state["kept"].index_copy(1, batch.ids, taught)}
        return (loss * taught.to(loss.dtype)).sum() / kept, after
