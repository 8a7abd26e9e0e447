"""Active negative loss made of cross-entropy."""

from dataclasses import dataclass

from methods.parts.active_passive import ActiveNegative


@dataclass(frozen=True)
class ANLCE(ActiveNegative, label="ANL-CE", family="normalised"):
    """Raise the label's share of the losses of all classes, and hold the weights together by L1.

    ``loss = alpha * NCE + beta * NNCE`` with ``NCE = log p_y / sum_k log p_k`` and
    ``NNCE = 1 - (A + log p_y) / sum_k (A + log p_k)``, ``p`` cut off at 1e-7, ``A = -log 1e-7``.
    To the gradient of every weight and bias is added that of ``delta * sum |w|``.

    Source:
        Xichen Ye, Xiaoqiang Li, Songmin Dai, Tong Liu, Yan Sun & Weiqin Tong, "Active negative loss
        functions for learning with noisy labels", NeurIPS 2023.
        https://mlanthology.org/neurips/2023/ye2023neurips-active; the authors' code
        Virusdoll/Active-Negative-Loss was read at commit 0c50009, ``loss.py`` and ``trainer.py``.
        The defaults are those of CIFAR-10.

    Differs from that code:
        There the L1 term stands in place of weight decay; here the recipe's stays as it is.
    """
