"""JoCoR: joint training with co-regularisation."""

from dataclasses import dataclass

from torch import Tensor

from methods.base import Batch, LossAndState, State
from methods.bounds import Fraction
from methods.loss_spec import named_losses
from methods.parts.small_loss import SmallLoss, small_loss_mask


@dataclass(frozen=True)
class JoCoR(SmallLoss, label="JoCoR", family="selection"):
    """Two networks trained as one, to agree with each other, on what is easy for both.

    ``loss = (1 - agreement) * (CE(p, y) + CE(q, y)) + agreement * (KL(p | q) + KL(q | p))`` for
    the predictions ``p`` and ``q`` of the networks, averaged over the share ``1 - R(epoch)`` of the
    batch on which it is smallest. ``R`` rises linearly to ``forget_rate`` over ``ramp`` epochs.
    Another ``loss`` takes the place of ``CE``.

    State: see ``SmallLoss``; both networks keep the same.

    Source:
        Hongxin Wei, Lei Feng, Xiangyu Chen & Bo An, "Combating noisy labels by agreement: a joint
        training method with co-regularization", CVPR 2020. https://arxiv.org/abs/2003.02752
        (equations 3 to 6, algorithm 1).

    ``agreement`` is the least that its authors advise (README: 0.5 to 0.9, to be tuned for other
    networks; their code's default is 0.1, its values on CIFAR are 0.65 to 0.9, on MNIST 0.95). With
    0.9 two small dense networks agree to give up whole classes once the rate is right: on digits at
    symmetric noise of 0.4 and ``forget_rate=0.4`` that ends at 75 %, with two classes that are
    never predicted, where 0.5 ends at 93.

    Differs from the authors' code (hongxin001/JoCoR, ``algorithm/`` at commit 86db359):
        It forgets at the nominal rate, and at half of it if the noise is asymmetric; here that is a
        fixed share, or the true share of wrong labels with ``rate="true"``. Where half of the
        classes have wrong labels, as on MNIST and CIFAR-10, these are the same; on CIFAR-100,
        where all have, its half is half the true share. It truncates the number kept, and
        ``R`` ends its rise an epoch earlier.
    """

    agreement: Fraction = 0.5

    def loss(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the mean joint loss of the common selection."""
        size, log_p = len(batch.label), logits.log_softmax(-1)  # (2, B, C)
        hard = named_losses(self.loss_, logits, batch, epoch).sum(0)  # (B,)
        (p, q), (log_of_p, log_of_q) = log_p.exp(), log_p
        apart = ((p - q) * (log_of_p - log_of_q)).sum(-1)  # both divergences
        joint = (1 - self.agreement) * hard + self.agreement * apart
        kept = self.count(size, state, epoch)
        taught = small_loss_mask(joint, kept)
        both = taught.expand(self.networks, size)
        after = {**state, "kept": state["kept"].index_copy(1, batch.ids, both)}
        return (joint * taught.to(joint.dtype)).sum() / kept, after
