"""Active passive loss: normalised cross-entropy and mean absolute error."""

from dataclasses import dataclass

from methods.parts.active_passive import ActivePassive


@dataclass(frozen=True)
class NCEMAE(ActivePassive, label="NCE+MAE", family="normalised"):
    """Pair a robust loss that raises the label with one that lowers the other classes.

    ``loss = alpha * NCE + beta * MAE``, with ``NCE = log p_y / sum_k log p_k`` and
    ``MAE = 1 - p_y``. Summed over the labels, both are constant.

    Source:
        Xingjun Ma, Hanxun Huang, Yisen Wang, Simone Romano, Sarah Erfani & James Bailey,
        "Normalized loss functions for deep learning with noisy labels", ICML 2020.
        https://arxiv.org/abs/2006.13554 (equations 5 and 11; table 2). The authors' code
        HanxunH/Active-Passive-Losses was read at commit 04bce53, ``loss.py``. The defaults are
        those of CIFAR-10.

    Differs from the paper:
        It writes ``MAE = 2 * (1 - p_y)``; the authors' code, on which its numbers stand, has half
        of that, and so has this. The code of later papers has twice, under the same ``beta``.
    """
