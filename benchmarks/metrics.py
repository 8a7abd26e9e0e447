"""Every number of a results row, from saved logits to float64 (``METRIC_SPEC`` of the schema).

Shapes: ``N`` examples, ``C`` classes, ``...`` any leading axes (cells, epochs), each slice of which
is measured by itself, without waiting for the device. A slice with an infinite or NaN logit is NaN
in every metric, and so is one without examples: nothing is dropped silently.

Confidences are rounded to multiples of ``2**-36``, about 1.5e-11 and far below what float32 logits
resolve. Two predictions that differ by rounding alone then share a bin, a vote of 6 in 10 lies on
the edge 9/15, and sums of up to 131,072 confidences are exact in whatever order a device adds.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from benchmarks.schema import BINS_COUNT, TEST_METRICS, TRAIN_METRICS

_GRID = 2.0**36


class _Rows(NamedTuple):
    """What is known of each example, and of each slice whether it can be measured."""

    confidence: Tensor  # (..., N), on the grid
    correct: Tensor  # (..., N), 0 or 1
    nll: Tensor  # (..., N)
    brier: Tensor  # (..., N)
    tied: Tensor  # (..., N), 0 or 1
    finite: Tensor  # (...), bool


def test_metrics(logits: Tensor, label: Tensor) -> dict[str, Tensor]:
    """Measure predictions on clean test labels.

    With ``p = softmax(logits)``, ``predicted = argmax logits`` (lowest index of a tie), ``c = max
    p`` and bins ``b`` of ``n_b`` examples, mean accuracy ``a_b`` and mean confidence ``c_b``:

    * ``acc``: ``mean(predicted == label)``, a share.
    * ``acc_worst``: the lowest recall of the classes that occur in ``label``, a share.
    * ``nll``: ``-mean(log p[label])`` in nats, from 0 upwards and never clipped.
    * ``brier``: ``mean(sum_k (p_k - [k == label])**2)``, 0 to 2 (Brier 1950).
    * ``ece``: ``sum_b n_b / N * |a_b - c_b|`` in bins ``((b - 1) / 15, b / 15]`` (Guo et al. 2017).
    * ``ece_floor``: the ``ece`` to expect if each prediction were right with probability ``c``.
    * ``ece_em``: ``ece`` over 15 bins of equal mass (Nguyen and O'Connor 2015). An edge is the
      largest confidence of its fifteenth of the sorted examples, and belongs to the bin below it,
      so that equal confidences are never parted.
    * ``ce2_deb``: ``sum_b n_b / N * ((a_b - c_b)**2 - a_b * (1 - a_b) / (n_b - 1))`` over the bins
      of ``ece_em`` that hold two or more; a squared share, below 0 by chance (Kumar et al. 2019).
    * ``conf_mean``: ``mean(c)``; ``gap_signed``: ``conf_mean - acc``, -1 to 1.
    * ``ties``: the number of examples whose largest logit occurs twice or more.

    >>> logits = torch.tensor([[0.0, 2.0], [1.0, 0.0], [0.5, 0.5]])
    >>> found = test_metrics(logits, torch.tensor([1, 1, 0]))
    >>> [round(found[key].item(), 4) for key in ("acc", "acc_worst", "ece", "ties")]
    [0.6667, 0.5, 0.4501, 1.0]

    Args:
        logits: ``(..., N, C)``; those of an ensemble are log-probabilities.
        label: ``(N,)`` classes, int64.

    Returns:
        float64 ``(...)`` under each id of ``TEST_METRICS``.

    Raises:
        ValueError: there are not ``N`` labels.
        RuntimeError: a label is no class.

    Reference:
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
    rows = _rows(logits, label)
    conf_mean, acc, nll, brier, tied = torch.stack(rows[:5]).mean(-1).unbind()
    ordered = _ordered(rows)
    edges = torch.stack((_equal_width(ordered, BINS_COUNT), _equal_mass(ordered, BINS_COUNT)), -2)
    count, confidence, correct, square = _sums(ordered, edges)  # (..., 2, bins) each
    ece = (correct - confidence).abs().sum(-1) / examples  # (..., 2)
    found = {
        "acc": acc,
        "acc_worst": _worst_recall(rows.correct, label, classes),
        "nll": nll,
        "brier": brier,
        "ece": ece[..., 0],
        "ece_floor": _floor(count[..., 0, :], confidence[..., 0, :], square[..., 0, :]) / examples,
        "ece_em": ece[..., 1],
        "ce2_deb": _debiased(count[..., 1, :], confidence[..., 1, :], correct[..., 1, :]),
        "conf_mean": conf_mean,
        "gap_signed": conf_mean - acc,
        "ties": (tied * examples).round(),
    }
    table = torch.stack([found[name] for name in TEST_METRICS])
    return dict(zip(TEST_METRICS, table.masked_fill(~rows.finite, torch.nan), strict=True))


def reliability(
    logits: Tensor, label: Tensor, bins: int = BINS_COUNT
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum what a reliability diagram and ``ece`` need over bins of equal width.

    ``ece = sum_b |correct_sum_b - confidence_sum_b| / N``; bin ``b`` of ``1 .. bins`` holds the
    confidences in ``((b - 1) / bins, b / bins]``. Arguments, errors and source are those of
    ``test_metrics``.

    Returns:
        ``count``, ``confidence_sum``, ``correct_sum``, float64 ``(..., bins)``: 0 in an empty bin,
        NaN in all bins of a slice that has a non-finite logit.
    """
    rows = _rows(logits, label)
    ordered = _ordered(rows)
    count, confidence, correct, _ = _sums(ordered, _equal_width(ordered, bins).unsqueeze(-2))
    sums = torch.stack((count, confidence, correct))[..., 0, :]  # (3, ..., bins)
    count, confidence, correct = sums.masked_fill(~rows.finite[..., None], torch.nan)
    return count, confidence, correct


def train_metrics(logits: Tensor, noisy: Tensor, clean: Tensor) -> dict[str, Tensor]:
    """Tell what became of the mislabelled training examples.

    Over ``noisy != clean``: ``mem_frac = mean(predicted == noisy)``, ``clean_recovery =
    mean(predicted == clean)`` and ``other_frac``, the rest; the three sum to 1. Over ``noisy ==
    clean``: ``fit_clean = mean(predicted == clean)``. All are shares, NaN over no examples.

    Args:
        logits: ``(..., N, C)``, of the training images without augmentation.
        noisy: ``(N,)`` classes that were trained on.
        clean: ``(N,)`` true classes.

    Returns:
        float64 ``(...)`` under each id of ``TRAIN_METRICS``.

    Raises:
        ValueError: there are not ``N`` labels of either kind.

    Reference:
        Liu et al., NeurIPS 2020, https://arxiv.org/abs/2007.00151 (figure 1 draws the shares)
    """
    _, predicted, finite = _predict(logits, noisy, clean)
    wrong = noisy != clean
    mislabelled = wrong.sum().double()
    memorised = ((predicted == noisy) & wrong).sum(-1)
    recovered = ((predicted == clean) & wrong).sum(-1)
    fitted = ((predicted == clean) & ~wrong).sum(-1)
    found = {
        "mem_frac": memorised / mislabelled,
        "clean_recovery": recovered / mislabelled,
        "other_frac": (mislabelled - memorised - recovered) / mislabelled,
        "fit_clean": fitted / (~wrong).sum().double(),
    }
    return {name: found[name].masked_fill(~finite, torch.nan) for name in TRAIN_METRICS}


def detection(
    score: Tensor | NDArray[Any], mislabelled: Tensor | NDArray[np.bool_]
) -> tuple[float, float]:
    """Measure how well a score of noisiness ranks the mislabelled examples first.

    ``auroc = P(score of a mislabelled one > score of another) + P(equal) / 2`` and ``ap = sum_k
    (recall_k - recall_(k - 1)) * precision_k`` over the distinct scores downwards, whose chance
    level is the noise rate. The scores count by rank only and need no range.

    >>> detection(torch.tensor([9.5, -3.0, 0.2, 0.1]), torch.tensor([True, False, True, False]))
    (1.0, 1.0)

    Args:
        score: ``(N,)``, higher means more likely mislabelled.
        mislabelled: ``(N,)``, bool.

    Returns:
        ``auroc`` and ``ap``, 0 to 1; NaN if all or none are mislabelled or a score is not finite.

    Raises:
        ValueError: ``score`` and ``mislabelled`` differ in shape.

    Reference:
        Fawcett, 2006, https://doi.org/10.1016/j.patrec.2005.10.010
    """
    from sklearn.metrics import average_precision_score, roc_auc_score  # noqa: PLC0415  slow

    scores = torch.as_tensor(score).detach().double().cpu().numpy()
    truth = torch.as_tensor(mislabelled).detach().bool().cpu().numpy()
    if scores.shape != truth.shape:
        raise ValueError(f"score needs the shape of mislabelled, {truth.shape}: {scores.shape}")
    if truth.all() or not truth.any() or not np.isfinite(scores).all():
        return float("nan"), float("nan")
    return float(roc_auc_score(truth, scores)), float(average_precision_score(truth, scores))


def _predict(logits: Tensor, *labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The largest logits ``(..., N)``, where they are, and which slices are finite ``(...)``."""
    for label in labels:
        if label.shape != logits.shape[-2:-1]:
            raise ValueError(f"{logits.shape[-2]} examples need as many labels, got {label.shape}")
    highest, predicted = logits.max(-1)
    spread = highest.double() - logits.amin(-1).double()  # infinite or NaN if any logit is
    return highest, predicted, (spread < torch.inf).all(-1)


def _rows(logits: Tensor, label: Tensor) -> _Rows:
    """Measure each example with a single exponential per logit."""
    logits = logits.detach()
    highest, predicted, finite = _predict(logits, label)
    target = label.expand(predicted.shape)
    tied = (logits == highest[..., None]).sum(-1) > 1
    below = logits.double() - highest.double()[..., None]  # (..., N, C), 0 or less
    at_label = below.gather(-1, target[..., None])  # (..., N, 1)
    weight = below.exp_()
    total = weight.sum(-1)  # 1 to C
    error = weight.div_(total[..., None])
    error.scatter_add_(-1, target[..., None], torch.full_like(at_label, -1.0))
    confidence = total.reciprocal().mul_(_GRID).round_().div_(_GRID)
    nll = total.log() - at_label[..., 0]
    correct = (predicted == target).double()
    return _Rows(confidence, correct, nll, error.square_().sum(-1), tied.double(), finite)


def _worst_recall(correct: Tensor, label: Tensor, classes: int) -> Tensor:
    """The lowest recall of the classes that occur; whole numbers are added, so in any order."""
    size = correct.new_zeros(classes)
    size = size.scatter_add(-1, label, torch.ones_like(label, dtype=torch.float64))
    hits = correct.new_zeros(*correct.shape[:-1], classes)
    hits = hits.scatter_add(-1, label.expand(correct.shape), correct)
    return (hits / size).masked_fill(size == 0, torch.inf).amin(-1)


def _ordered(rows: _Rows) -> Tensor:
    """``(..., 3, N)``: confidence, correct and squared confidence by rising confidence."""
    confidence, order = rows.confidence.sort(-1)
    return torch.stack((confidence, rows.correct.gather(-1, order), confidence.square()), -2)


def _equal_width(ordered: Tensor, bins: int) -> Tensor:
    """``(..., bins + 1)`` edges ``b / bins``, on the grid of the confidences."""
    edges = torch.arange(bins + 1, dtype=torch.float64, device=ordered.device) / bins
    return (edges * _GRID).round().div(_GRID).expand(*ordered.shape[:-2], -1)


def _equal_mass(ordered: Tensor, bins: int) -> Tensor:
    """``(..., bins + 1)`` edges: 0 and the last confidence of each part, longer parts first."""
    share, longer = divmod(ordered.shape[-1], bins)
    cut = torch.arange(1, bins + 1, device=ordered.device)
    edges = ordered[..., 0, :].index_select(-1, cut * share + cut.clamp(max=longer) - 1)
    return F.pad(edges, (1, 0))


def _sums(ordered: Tensor, edges: Tensor) -> tuple[Tensor, ...]:
    """Count, confidence, correct and squared confidence of right-closed bins.

    Bins are runs of the sorted examples: a sum over one is a difference of two running totals. No
    confidence is 0, since none is below ``1 / C``, so that the lowest edge shuts nothing out.
    ``edges`` is ``(..., G, bins + 1)`` for ``G`` ways to bin; returned are four ``(..., G, bins)``.
    """
    ranked = ordered[..., 0, :].contiguous()
    ends = torch.searchsorted(ranked, edges.flatten(-2).contiguous(), right=True)
    running = F.pad(ordered.cumsum(-1), (1, 0))  # (..., 3, N + 1)
    at_ends = running.gather(-1, ends.unsqueeze(-2).expand(*running.shape[:-1], -1))
    shape = (*edges.shape[:-2], 3, *edges.shape[-2:])
    return ends.view(edges.shape).diff().double(), *at_ends.view(shape).diff().unbind(-3)


def _debiased(count: Tensor, confidence: Tensor, correct: Tensor) -> Tensor:
    """``ce2_deb`` from the sums of its bins."""
    accuracy = correct / count
    gap = (correct - confidence) / count
    term = gap.square() - accuracy * (1 - accuracy) / (count - 1)
    return (count * term).masked_fill(count < 2, 0.0).sum(-1) / count.sum(-1)


def _floor(count: Tensor, confidence: Tensor, square: Tensor) -> Tensor:
    """``sum_b E|S_b - sum_b c|``, ``S_b`` the successes of independent trials of chances ``c``.

    The fewer of successes and failures get the binomial law of their mean ``m`` and variance:
    ``n = m**2 / sum c**2`` trials of chance ``p = m / n``. Its mean deviation is De Moivre's
    ``2 (k + 1) binom(n, k + 1) p**(k + 1) (1 - p)**(n - k)``, ``k = floor(m)``; equal chances make
    it exact. Over 3,000 random bins of 1 to 900 it was within 0.12 % of the exact law; the normal
    law, ``sqrt(2 m (1 - p) / pi)``, was 60 % off for one example, without bound near confidence 1.

    Reference:
        Diaconis and Zabell, 1991, https://doi.org/10.1214/ss/1177011699
    """
    rare = 2 * confidence > count
    mean = torch.where(rare, count - confidence, confidence)
    squares = torch.where(rare, count - 2 * confidence + square, square).clamp(min=1e-30)
    trials = torch.minimum(mean.square() / squares, count)
    chance = (mean / trials.clamp(min=1e-30)).clamp(max=1.0)
    whole = mean.floor()
    log = torch.lgamma(trials + 1) - torch.lgamma(whole + 1) - torch.lgamma(trials - whole)
    log = log + torch.xlogy(whole + 1, chance) + torch.xlogy(trials - whole, 1 - chance)
    return 2 * log.exp().sum(-1)
