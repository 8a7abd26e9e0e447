"""DISC: dynamic instance-specific selection and correction."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from methods.base import Batch, ImageAndBatch, LossAndState, Method, State, Task
from methods.bounds import Between, Fraction, NonNegative
from methods.parts.labels import one_hot
from methods.parts.mixing import draw_weight, kept_partners, mix_pairs
from methods.parts.strong_views import draw_changes, strong_view

SUREST = 0.99
"""What a threshold for correction never exceeds."""


@dataclass(frozen=True)
class DISC(Method, label="DISC", family="mixed"):
    """Trust a label whose probability beats what the network has been sure of on that image.

    Of each image a weak and a strong view have a threshold, which after every epoch becomes
    ``momentum * threshold + (1 - momentum) * max_k p_k``, with ``p`` as the view was trained on.
    Where ``p[y]`` exceeds it in both views the label is clean, in one view hard; where it does in
    neither, and the mean of both ``p`` has a maximum above the mean threshold plus ``margin``, at
    most 0.99, the class of that maximum replaces the label. For ``warmup`` of the epochs the loss
    is cross-entropy on both views. Then a batch of ``B`` has, summed over both views,
    ``(sum_clean -log p_y + hard_weight * sum_hard (1 - p_y^q) / q) / B``, and the mean
    cross-entropy of all three kinds mixed in pairs, with the larger weight of ``Beta(alpha,
    alpha)``.

    State:
        label: (N,) int64, the given labels; kept: (N,) bool, clean or hard, or in the warm-up.
        p: (2, N, C), at the last visit, the label before it; threshold: (2, N), both of the weak
        and the strong view.
        views: (N,) int64, in how many of them the label was found right; target: (N,) int64, the
        label to be mixed, or -1.
        start: 0-d int64, the first epoch after the warm-up.

    Source:
        Yifan Li, Hu Han, Shiguang Shan & Xilin Chen, "DISC: learning from noisy labels via dynamic
        instance-specific selection and correction", CVPR 2023.
        https://openaccess.thecvf.com/content/CVPR2023/html/Li_DISC_Learning_From_Noisy_Labels_via_Dynamic_Instance-Specific_Selection_and_CVPR_2023_paper.html
        The authors' code JackYFL/DISC, ``algorithms/DISC.py``, was read at commit a21e910, of which
        the defaults are; its warm-up has 20 of 200 epochs.

    Differs from that code:
        All views pass the network together. Strong views are ``parts/strong_views.py``. Where a
        batch has nothing to learn from, that code takes no step. The generalised cross-entropy of a
        probability below 1e-7 goes on falling here.
    """

    views: ClassVar[int] = 4  # weak, strong, and both mixed
    strong_views: ClassVar[tuple[int, ...]] = (1,)

    warmup: Fraction = 0.1
    momentum: Fraction = 0.99
    margin: Fraction = 0.5
    q: Annotated[float, Between(1e-6, 1.0)] = 0.7
    hard_weight: NonNegative = 1.0
    alpha: Annotated[float, Between(0.01, 1000.0)] = 5.0

    def init(self, task: Task) -> State:
        """Find every label right in both views; thresholds start at 1 over the examples."""
        label, device, size = task.label, task.label.device, len(task.label)
        start = round(self.warmup * task.epochs)
        unseen = one_hot(label, torch.zeros(1, task.num_classes, device=device))
        return {
            "label": label,
            "kept": torch.ones_like(label, dtype=torch.bool),
            "p": unseen.repeat(2, 1, 1),
            "threshold": torch.full((2, size), 1 / size, device=device),
            "views": torch.full_like(label, 2),
            "target": label,
            "start": torch.tensor(start, device=device),
        }

    def refit(self, outputs: Tensor, state: State, epoch: Tensor) -> State:
        """Judge every label by the probabilities of the epoch that is over, and move thresholds."""
        p, threshold, label = state["p"], state["threshold"], state["label"]
        own = p.gather(-1, label.expand(2, -1)[..., None]).squeeze(-1)  # (2, N)
        views = (own > threshold).sum(0)
        best = p.mean(0).max(-1)
        sure = best.values > (threshold.mean(0) + self.margin).clamp(max=SUREST)
        corrected = torch.where(sure, best.indices, torch.full_like(label, -1))
        moved = self.momentum * threshold + (1 - self.momentum) * p.amax(-1)
        return {
            **state,
            "kept": (views > 0) | (epoch < state["start"]),
            "threshold": moved,
            "views": views,
            "target": torch.where(views > 0, label, corrected),
        }

    def draw(self, size: int) -> dict[str, Tensor]:
        """Draw the strong view, and for each view who is mixed with whom, and how much."""
        mix = torch.stack([draw_weight(self.alpha, heavier=True) for _ in range(2)])
        return {"mix": mix, "order": torch.rand(2, size), **draw_changes(size)}

    def prepare(self, image: Tensor, batch: Batch, state: State, epoch: Tensor) -> ImageAndBatch:
        """Make the views; the target ``(2, B, C)`` is that of both mixed ones, 0 where none is."""
        draws, label = batch.draws, state["target"][batch.ids]
        strong = strong_view(image[1], draws["strength"], draws["hole"])
        chosen, rows = label >= 0, one_hot(label, state["p"][0, batch.ids])
        blends, targets = [], []
        for view, mix, order in zip((image[0], strong), draws["mix"], draws["order"], strict=True):
            partner = kept_partners(chosen, order)
            blends.append(mix_pairs(view, mix.to(view.dtype), partner))
            targets.append(chosen[:, None] * mix_pairs(rows, mix.to(rows.dtype), partner))
        shown = torch.stack([image[0], strong, *blends])
        return shown, batch._replace(target=torch.stack(targets))

    def loss(self, logits: Tensor, batch: Batch, state: State, epoch: Tensor) -> LossAndState:
        """Return the loss of clean, hard and mixed examples; in the warm-up, the cross-entropy."""
        log_p, target = logits.log_softmax(-1), batch.prepared_target()
        places = batch.label.expand(2, -1)[..., None]
        fit = -log_p[:2].gather(-1, places).squeeze(-1)  # (2, B)
        robust = -torch.expm1(-self.q * fit) / self.q
        views = state["views"][batch.ids]
        each = (views == 2) * fit + self.hard_weight * (views == 1) * robust
        blend = -(target * log_p[2:]).sum((1, 2)) / target.sum((1, 2)).clamp(min=1)
        late = each.mean(-1).sum() + blend.sum()
        loss = torch.where(epoch < state["start"], fit.mean(-1).sum(), late)
        p = log_p[:2].detach().exp().to(state["p"].dtype)
        return loss, {**state, "p": state["p"].index_copy(1, batch.ids, p)}
