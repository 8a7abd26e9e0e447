"""AdaCorr: correction by a likelihood ratio test."""

from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, LossAndState, Method, State, Task
from methods.bounds import Between, Fraction, NonNegative
from methods.parts.labels import one_hot
from methods.parts.recent import no_predictions, with_predictions


@dataclass(frozen=True)
class AdaCorr(Method, label="AdaCorr", family="targets"):
    """Replace a label by the prediction where a likelihood ratio test rejects it.

    The loss is ``-log p[y]`` on the labels ``y`` of the moment. After the share ``correct`` of the
    epochs, at the end of each, ``q`` is the mean prediction over the share ``window`` of the epochs
    that went last; where ``max_k q[k] / q[y] > delta``, ``y`` becomes ``argmax_k q[k]``. The
    threshold rises, by ``growth`` times the share of training since then. From the share ``retain``
    on a second term keeps what early training has found,
    ``-rho * log p[m] - 1e-4 * sum_{k != m} log p[k]``, with ``m`` the label at that time, renewed
    after a further share ``renew`` of the epochs.

    State:
        label: (N,) int64, ``y``; anchor: (N,) int64, ``m``.
        recent: (N, window, C), predictions of the epochs that went last.
        epochs: 0-d int64, all there are.

    Source:
        Songzhu Zheng, Pengxiang Wu, Aman Goswami, Mayank Goswami, Dimitris Metaxas & Chao Chen,
        "Error-bounded correction of noisy labels", ICML 2020. https://arxiv.org/abs/2011.10077
        (algorithm 1). The authors' code pingqingsheng/LRT, ``LRTcorrect.py``, was read at commit
        ba1ede6, of which the defaults are, as shares of its 180 epochs: 30, 10, 25 and 40. Over a
        whole training in float64 losses and gradients differ by 2e-15, labels by none.

    Differs from that code:
        ``rho`` there lacks ``1e-4 / (C - 1)``, as here. It trains with RAdam, made anew each epoch,
        so that its moments never last.
    """

    delta: Annotated[float, Between(1.0, 1e6)] = 1.2
    growth: NonNegative = 3.6
    correct: Fraction = 0.167
    window: Fraction = 0.056
    retain: Fraction = 0.139
    renew: Fraction = 0.222
    rho: Fraction = 0.9

    def init(self, task: Task) -> State:
        """Believe the given labels."""
        window = max(1, round(self.window * task.epochs))
        return {
            "label": task.label,
            "anchor": task.label,
            "recent": no_predictions(task.label, task.num_classes, window),
            "epochs": torch.tensor(task.epochs, device=task.label.device),
        }

    def losses(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the cross-entropy to the labels of the moment, later with the second term."""
        log_p = logits.log_softmax(-1)
        hard = F.nll_loss(log_p, state["label"][batch.ids], reduction="none")
        anchor = one_hot(state["anchor"][batch.ids], logits)
        top = self.rho - EPS / (logits.shape[-1] - 1)
        kept = -((EPS + (top - EPS) * anchor) * log_p).sum(-1)
        late = epoch >= (self.retain * state["epochs"]).round()
        recent = with_predictions(state["recent"], batch.ids, log_p.exp(), epoch)
        return hard + torch.where(late, kept, torch.zeros_like(kept)), {**state, "recent": recent}

    def refit(self, outputs: Tensor, state: State, epoch: Tensor) -> State:
        """Test the labels; note them where it is time to."""
        epochs, label = state["epochs"], state["label"]
        q = state["recent"].mean(1)  # (N, C)
        over = epoch - 1 - (self.correct * epochs).round()  # epochs, of the one that ended
        delta = self.delta + self.growth * (over + 1).clamp(min=0) / epochs
        best, own = q.max(-1), q.gather(1, label[:, None]).squeeze(1)
        rejected = (over >= 0) & (best.indices != label) & (best.values > delta * own)
        first = (self.retain * epochs).round()
        noted = (epoch == first) | (epoch == first + (self.renew * epochs).round())
        return {
            **state,
            "anchor": torch.where(noted, label, state["anchor"]),
            "label": torch.where(rejected, best.indices, label),
        }


EPS = 1e-4
"""The weight of the other classes in the term that retains."""
