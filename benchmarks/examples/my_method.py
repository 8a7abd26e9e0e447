"""A method of one's own, complete: copy this file, change what ``losses`` returns, and train it.

python run_all.py check --plugin my_method.py
python run_all.py --plugin my_method.py --methods my_method cross_entropy --out results/mine
"""

from dataclasses import dataclass
from typing import Annotated

import torch.nn.functional as F
from torch import Tensor

from methods import METHODS, Batch, Method, State
from methods.bounds import Between


@dataclass(frozen=True)
class MyMethod(Method, label="My method", family="bounded"):
    """Cross-entropy that stops growing: ``p^q`` of the given label's probability p is maximised."""

    q: Annotated[float, Between(0.01, 1.0)] = 0.7

    def losses(
        self, logits: Tensor, batch: Batch, state: State, epoch: Tensor
    ) -> tuple[Tensor, State]:
        """Return the loss of each example, (B,), and the state, which this method does not use."""
        log_p = -F.cross_entropy(logits, batch.label, reduction="none")
        return (1 - (self.q * log_p).exp()) / self.q, state


METHODS.register("my_method", MyMethod)
