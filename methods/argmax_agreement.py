"""Argmax agreement."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State, Task
from methods.bounds import Fraction


@dataclass(frozen=True)
class ArgmaxAgreement(Method, label="Argmax agreement", family="selection"):
    """Train on the examples whose label the network itself predicts.

    The loss is the mean of ``-log p[y]`` over the examples of the batch that are kept. All are
    until the share ``warmup`` of the epochs is over; from then on, before every epoch, those whose
    given label is the network's most likely class on the image without augmentation. It is the
    simplest selection there is, and what others have to beat: no threshold, no second network, no
    rate of noise.

    State:
        kept: (N,) bool, whether an example is trained on.
        label: (N,) int64, the given labels.
        start: 0-d int64, the first epoch that leaves any out.

    Source:
        Duc Tam Nguyen, Chaithanya Kumar Mummadi, Thi Phuong Nhung Ngo, Thi Hoai Phuong Nguyen,
        Laura Beggel & Thomas Brox, "SELF: learning to filter noisy labels with self-ensembling",
        ICLR 2020. https://arxiv.org/abs/1910.01842 (the filter alone; no code of the authors was
        found).

    Differs from the paper:
        It filters by a running mean of predictions with averaged weights, at the ends of whole
        trainings, and learns from what is left out without labels: all that a baseline leaves out.
        ``warmup`` is ours.
    """

    warmup: Fraction = 0.1

    def init(self, task: Task) -> State:
        """Keep all."""
        label, start = task.label, round(self.warmup * task.epochs)
        kept = torch.ones_like(label, dtype=torch.bool)
        return {"kept": kept, "label": label, "start": torch.tensor(start, device=label.device)}

    def refit(self, outputs: Tensor, state: State, epoch: Tensor) -> State:
        """Keep what is predicted, once the warm-up is over."""
        agrees = outputs[0].argmax(-1) == state["label"]
        return {**state, "kept": torch.where(epoch >= state["start"], agrees, state["kept"])}

    def loss(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the mean cross-entropy of the kept examples; none have none."""
        hard = F.cross_entropy(logits, batch.label, reduction="none")
        kept = state["kept"][batch.ids].to(hard.dtype)
        return (kept * hard).sum() / kept.sum().clamp(min=1), state
