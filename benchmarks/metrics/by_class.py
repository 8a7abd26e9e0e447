"""Accuracy in which every class counts alike, however many images it has."""

import torch
from torch import Tensor

from benchmarks.metrics.examples import Rows, rows_of


def class_metrics(logits: Tensor, label: Tensor, rows: Rows | None = None) -> dict[str, Tensor]:
    """Measure predictions class by class, and average over the classes.

    With the examples of class ``k`` that are found ``h_k``, that there are ``n_k``, and that are
    predicted ``m_k``:

    * ``acc_balanced``: the mean of the recalls ``h_k / n_k`` over the classes that occur in
      ``label``; ``acc`` where these are equally large.
    * ``f1_macro``: the mean of ``2 h_k / (n_k + m_k)``, the harmonic mean of recall and precision,
      over the classes that occur in ``label`` or are predicted.

    >>> logits = torch.tensor([[2.0, 0.0], [2.0, 0.0], [2.0, 0.0], [2.0, 0.0]])
    >>> values = class_metrics(logits, torch.tensor([0, 0, 0, 1]))
    >>> [round(value.item(), 4) for value in values.values()]
    [0.5, 0.4286]

    Args:
        logits: ``(..., N, C)``.
        label: ``(N,)`` classes, int64.
        rows: what ``rows_of`` makes of the two, where it is known already.

    Returns:
        float64 ``(...)`` under ``acc_balanced`` and ``f1_macro``, shares; NaN without examples or
        where a logit of the slice is not finite.

    Raises:
        ValueError: there are not ``N`` labels.

    Source:
        Brodersen et al., ICPR 2010, https://doi.org/10.1109/ICPR.2010.764 (balanced accuracy)
        Opitz and Burst, 2019, https://arxiv.org/abs/1911.03347 (the mean of F1 scores)
    """
    *leading, examples, classes = logits.shape
    if examples == 0:
        nothing = logits.new_full(leading, torch.nan).double()
        return {"acc_balanced": nothing, "f1_macro": nothing}
    rows = rows or rows_of(logits, label)
    ones = torch.ones_like(rows.correct)
    target = label.expand(rows.correct.shape)

    def counted(place: Tensor, weight: Tensor) -> Tensor:
        return weight.new_zeros(*leading, classes).scatter_add(-1, place, weight)

    found, size = counted(target, rows.correct), counted(target, ones)
    predicted = counted(rows.predicted, ones)
    recall = (found / size.clamp(min=1)).sum(-1) / (size > 0).sum(-1)
    either = size + predicted
    f1 = (2 * found / either.clamp(min=1)).sum(-1) / (either > 0).sum(-1)
    return {
        "acc_balanced": recall.masked_fill(~rows.finite, torch.nan),
        "f1_macro": f1.masked_fill(~rows.finite, torch.nan),
    }
