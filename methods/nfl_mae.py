"""Active passive loss: normalised focal loss and mean absolute error."""

from dataclasses import dataclass

from methods.parts.active_passive import FocalPassive


@dataclass(frozen=True)
class NFLMAE(FocalPassive, label="NFL+MAE", family="normalised"):
    """Pair a robust loss that raises the label with one that lowers the other classes.

    ``loss = alpha * NFL + beta * MAE``, with ``MAE = 1 - p_y`` and
    ``NFL = f_y / sum_k f_k``, ``f_k = -(1 - p_k)^gamma * log p_k``. ``detach`` treats the factors
    of ``f`` as constants, as the authors' code does.

    Source:
        Xingjun Ma, Hanxun Huang, Yisen Wang, Simone Romano, Sarah Erfani & James Bailey,
        "Normalized loss functions for deep learning with noisy labels", ICML 2020.
        https://arxiv.org/abs/2006.13554 (equations 5 and 11; table 2). The authors' code
        HanxunH/Active-Passive-Losses was read at commit 04bce53, ``loss.py``. The defaults are
        those of CIFAR-10.

    Differs from the paper:
        It writes ``MAE = 2 * (1 - p_y)``; the authors' code has half of that, and so has this.
    """
