"""Meta-Weight-Net."""

from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import grad, vjp

from methods.base import Batch, LossAndState, Network, State, Task, Weights
from methods.bounds import Added, Between, NonNegative
from methods.parts.adam import adam, adam_state
from methods.parts.clean_subset import CleanSubset


@dataclass(frozen=True)
class MWNet(CleanSubset, label="Meta-Weight-Net", family="weights"):
    """Learn the weight of an example as a function of its loss, from a few clean examples.

    ``loss = mean_i V(l_i) * l_i``, where ``V`` is a network with one hidden layer of ``hidden``
    units and a sigmoid. Before each step, ``V`` takes one of Adam on the clean loss after the step
    that the network would take: ``L_clean(theta - a * d/dtheta mean_i V(l_i) * l_i)``, with ``a``
    the learning rate. ``normalised`` divides the weights of a batch by their mean.

    Without it, the first thing the clean loss asks for is longer steps: ``V`` rises everywhere,
    most where the loss is large, and stays there once its sigmoid is saturated. So on small images
    at symmetric noise of 0.4 some seeds end as cross-entropy does (66 to 72 %) and others at 89;
    another driver, or a rate ``lr`` of 0.1, parts them otherwise.

    State:
        net: (3 * hidden + 1,), the weights of ``V``, with Adam's moments.

    Privilege ``clean_subset``: ``per_class`` examples of each class with their true label.

    Source:
        Jun Shu, Qi Xie, Lixuan Yi, Qian Zhao, Sanping Zhou, Zongben Xu & Deyu Meng,
        "Meta-Weight-Net: learning an explicit mapping for sample weighting", NeurIPS 2019.
        https://arxiv.org/abs/1902.07379 (algorithm 1, equations 3 to 5).

    Differs from the paper:
        It draws the clean examples outside the training set (1,000 on CIFAR). The first version of
        the authors' code (xjtushujun/meta-weight-net, ``train_WRN-28-10_Meta_PGC.py`` at commit
        3f1800f) is ``normalised``, their second (``MW-Net.py``) is not.

    Under asymmetric noise it is no better than cross-entropy on small images (59.8 against 60.0 %
    of accuracy at a rate of 0.4, three seeds of digits; 59.6 % with ``per_class=100``): ``V`` sees
    nothing but a loss, which there tells wrong labels, as they agree with one another, least well.
    """

    hidden: Annotated[int, Between(1, 100_000)] = 100
    lr: NonNegative = 1e-3
    weight_decay: NonNegative = 1e-4
    normalised: Annotated[bool, Added(neutral=False)] = False

    def init(self, task: Task) -> State:
        """Draw the weights of ``V`` as torch draws those of a linear layer."""
        size, inner = self.hidden, self.hidden**-0.5
        first, second = torch.rand(2 * size) * 2 - 1, torch.rand(size + 1) * 2 - 1
        return adam_state("net", torch.cat([first, inner * second]).to(task.label.device))

    def lookahead(self, network: Network, image: Tensor, batch: Batch, state: State) -> State:
        """Take a step on ``V``."""
        trusted = batch.trusted_examples()

        def losses(params: Weights) -> Tensor:
            logits = network.forward(params, image)
            return F.cross_entropy(logits, batch.label, reduction="none")

        hard, pull, *_ = vjp(losses, network.params)

        def clean_loss(net: Tensor) -> Tensor:
            (slope,) = pull(self._weigh(hard, net) / len(hard))
            ahead = {name: p - network.lr * slope[name] for name, p in network.params.items()}
            return F.cross_entropy(network.forward(ahead, trusted.image), trusted.label)

        return adam(state, "net", grad(clean_loss)(state["net"]), self.lr, self.weight_decay)

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the weighted cross-entropy; the weights are constants."""
        hard = F.cross_entropy(logits, batch.label, reduction="none")
        return self._weigh(hard.detach(), state["net"]) * hard, state

    def _weigh(self, loss: Tensor, net: Tensor) -> Tensor:
        """Return ``V`` of each loss ``(B,)``."""
        first, bias, second, last = net.split([self.hidden, self.hidden, self.hidden, 1])
        inner = (loss[:, None] * first + bias).relu()  # (B, hidden)
        weight: Tensor = (inner @ second + last).sigmoid()
        return weight / weight.mean() if self.normalised else weight
