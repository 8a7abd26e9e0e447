"""Accuracy, proper scores and calibration of the predicted class, cheap enough for every epoch."""

import torch
from torch import Tensor

from benchmarks.metrics.calibration import binned_errors
from benchmarks.metrics.examples import Rows, rows_of
from benchmarks.schema import TEST_METRICS


def test_metrics(
    logits: Tensor,
    label: Tensor,
    rows: Rows | None = None,  # noqa: PT028  this is no test
) -> dict[str, Tensor]:
    """Measure predictions on clean test labels.

    With ``p = softmax(logits)``, ``predicted = argmax logits`` (lowest index of a tie), ``c = max
    p`` and bins ``b`` of ``n_b`` examples, mean accuracy ``a_b`` and mean confidence ``c_b``:

    * ``acc``: ``mean(predicted == label)``, a share.
    * ``acc_worst``: the lowest recall of the classes that occur in ``label``, a share.
    * ``nll``: ``-mean(log p[label])`` in nats, from 0 upwards and never clipped.
    * ``brier``: ``mean(sum_k (p_k - [k == label])**2)``, 0 to 2 (Brier 1950).
    * ``ece``: ``sum_b n_b / N * |a_b - c_b|`` in bins ``((b - 1) / 15, b / 15]`` (Guo et al. 2017).
    * ``ece_over``, ``ece_under``: ``sum_b n_b / N * max(c_b - a_b, 0)`` and the same of ``a_b -
      c_b``: the shares of ``ece`` by confidence that is too high and too low; they add up to it.
    * ``mce``: ``max_b |a_b - c_b|`` over the bins of ``ece`` that are not empty.
    * ``rmsce``: ``sqrt(sum_b n_b / N * (a_b - c_b)**2)`` over the same bins.
    * ``ece_floor``: the ``ece`` to expect if each prediction were right with probability ``c``.
    * ``ece_em``: ``ece`` over 15 bins of equal mass (Nguyen and O'Connor 2015). An edge is the
      largest confidence of its fifteenth of the sorted examples, and belongs to the bin below it,
      so that equal confidences are never parted.
    * ``ce2_deb``: ``sum_b n_b / N * ((a_b - c_b)**2 - a_b * (1 - a_b) / (n_b - 1))`` over the bins
      of ``ece_em`` that hold two or more; a squared share, below 0 by chance (Kumar et al. 2019).
    * ``conf_mean``: ``mean(c)``; ``gap_signed``: ``conf_mean - acc``, -1 to 1.
    * ``ties``: the number of examples whose largest logit occurs twice or more.

    >>> logits = torch.tensor([[0.0, 2.0], [1.0, 0.0], [0.5, 0.5]])
    >>> values = test_metrics(logits, torch.tensor([1, 1, 0]))
    >>> [round(values[key].item(), 4) for key in ("acc", "acc_worst", "ece", "ties")]
    [0.6667, 0.5, 0.4501, 1.0]

    Args:
        logits: ``(..., N, C)``; those of an ensemble are log-probabilities.
        label: ``(N,)`` classes, int64.
        rows: what ``rows_of`` makes of the two, where it is known already.

    Returns:
        float64 ``(...)`` under each id of ``TEST_METRICS``.

    Raises:
        ValueError: there are not ``N`` labels.
        RuntimeError: a label is no class.

    Source:
        Guo et al., ICML 2017, https://arxiv.org/abs/1706.04599
        Kumar et al., NeurIPS 2019, https://arxiv.org/abs/1909.10155; its ``calibration`` package
        0.1.4 was read (``get_equal_bins``, ``unbiased_square_ce``). Differs from that code: an edge
        is the confidence below a cut, not the midpoint across it, which bins the same examples.
        Brier, 1950, https://doi.org/10.1175/1520-0493(1950)078%3C0001:VOFEIT%3E2.0.CO;2
        Nguyen and O'Connor, EMNLP 2015, https://arxiv.org/abs/1508.05154
    """
    examples, classes = logits.shape[-2:]
    if examples == 0:
        empty = logits.new_full((len(TEST_METRICS), *logits.shape[:-2]), torch.nan).double()
        return dict(zip(TEST_METRICS, empty, strict=True))
    rows = rows or rows_of(logits, label)
    conf_mean, acc, nll, brier, tied = torch.stack(rows[:5]).mean(-1).unbind()
    values = {
        "acc": acc,
        "acc_worst": _worst_recall(rows.correct, label, classes),
        "nll": nll,
        "brier": brier,
        **binned_errors(rows),
        "conf_mean": conf_mean,
        "gap_signed": conf_mean - acc,
        "ties": (tied * examples).round(),
    }
    table = torch.stack([values[name] for name in TEST_METRICS])
    return dict(zip(TEST_METRICS, table.masked_fill(~rows.finite, torch.nan), strict=True))


def _worst_recall(correct: Tensor, label: Tensor, classes: int) -> Tensor:
    """Return the lowest recall of the classes that occur; hits are whole, so in any order."""
    size = correct.new_zeros(classes)
    size = size.scatter_add(-1, label, torch.ones_like(label, dtype=torch.float64))
    hits = correct.new_zeros(*correct.shape[:-1], classes)
    hits = hits.scatter_add(-1, label.expand(correct.shape), correct)
    return (hits / size).masked_fill(size == 0, torch.inf).amin(-1)
