"""Co-teaching."""

from dataclasses import dataclass

from torch import Tensor

from methods.base import Batch, LossAndState, State
from methods.loss_spec import named_losses
from methods.parts.small_loss import SmallLoss, small_loss_mask


@dataclass(frozen=True)
class CoTeaching(SmallLoss, label="Co-teaching", family="selection"):
    """Two networks; each learns only from the examples its peer finds easy.

    Each network keeps the share ``1 - R(epoch)`` of the batch on which its loss is smallest,
    with ``R`` rising linearly from 0 to ``forget_rate`` over ``ramp`` epochs (none: at once), and
    hands that selection to its peer. Predictions average the two networks' probabilities. ``loss``
    is what ranks and teaches: the paper's is cross-entropy, and any other loss can be named.
    ``rate="true"`` forgets the true share of wrong labels, a privilege.

    State: see ``SmallLoss``.

    Source:
        Bo Han, Quanming Yao, Xingrui Yu, Gang Niu, Miao Xu, Weihua Hu, Ivor Tsang & Masashi
        Sugiyama, "Co-teaching: robust training of deep neural networks with extremely noisy
        labels", NeurIPS 2018. https://arxiv.org/abs/1804.06872 (algorithm 1).

    Differs from the authors' code (bhanML/Co-teaching, ``loss.py`` and ``main.py``):
        It divides an already averaged loss by the number kept; we average once.
        It sets ``forget_rate`` to the true noise rate, which nobody knows; here it is a fixed 0.2
        unless ``rate="true"``.
        It truncates the number kept; we round. ``R`` ends its rise an epoch earlier.
        It evaluates the networks one by one.
    """

    def loss(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the sum over both networks of the mean loss on the peer's selection."""
        size = len(batch.label)
        kept = self.count(size, state, epoch)
        loss = named_losses(self.loss_, logits, batch, epoch)  # (2, B)
        taught = small_loss_mask(loss, kept).flip(0)
        after = {**state, "kept": state["kept"].index_copy(1, batch.ids, taught)}
        return (loss * taught.to(loss.dtype)).sum() / kept, after
