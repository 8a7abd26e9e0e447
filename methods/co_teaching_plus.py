"""Co-teaching+."""

from dataclasses import dataclass

import torch
from torch import Tensor

from methods.base import Batch, LossAndState, State
from methods.bounds import Epochs
from methods.loss_spec import named_losses
from methods.parts.small_loss import SmallLoss, small_loss_mask


@dataclass(frozen=True)
class CoTeachingPlus(SmallLoss, label="Co-teaching+", family="selection"):
    """Co-teaching on the examples on which the two networks disagree.

    After ``warmup`` epochs of co-teaching, each network picks the share ``1 - R(epoch)`` of the
    examples with different predictions on which its loss is smallest, and hands it to its peer; if
    all of a batch agree, the share is of the whole batch. ``R`` rises as in co-teaching.

    State: see ``SmallLoss``.

    Source:
        Xingrui Yu, Bo Han, Jiangchao Yao, Gang Niu, Ivor W. Tsang & Masashi Sugiyama, "How does
        disagreement help generalization against label corruption?", ICML 2019.
        https://arxiv.org/abs/1901.04215 (algorithm 1). The warm-up is that of CIFAR-10; the paper's
        is 0 on MNIST and 5 on CIFAR-100.

    Differs from the authors' code (xingruiyu/coteaching_plus, ``loss.py`` at commit 5a935d1):
        There, the softmax is taken twice where networks disagree, an averaged loss is divided by
        the number kept, the example with index 0 never counts as disagreed upon, and a batch in
        which all agree is learnt whole, each network by the mean over all examples, or skipped
        after 5,000 steps. It forgets at the true rate, as here with ``rate="true"``, truncates the
        number kept, and ends the rise of ``R`` an epoch earlier.
    """

    warmup: Epochs = 20

    def loss(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the sum over both networks of the mean loss on the peer's selection."""
        loss = named_losses(self.loss_, logits, batch, epoch)  # (2, B)
        first, second = logits.argmax(-1)
        apart = first != second
        open_ = apart | (epoch < self.warmup) | ~apart.any()  # (B,)
        kept = self.count(open_.sum(), state, epoch)
        taught = small_loss_mask(torch.where(open_, loss, torch.inf), kept).flip(0)
        after = {**state, "kept": state["kept"].index_copy(1, batch.ids, taught)}
        return (loss * taught.to(loss.dtype)).sum() / kept, after
