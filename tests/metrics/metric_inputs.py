"""Logits and labels that the tests of metrics share."""

import torch
from hypothesis import settings
from hypothesis import strategies as st

from benchmarks import metrics

N, C = 211, 6
PROPERTY = settings(max_examples=60, deadline=None, derandomize=True)


def drawn(scale, *leading, examples=N, classes=C):
    """Logits ``(*leading, examples, classes)`` and labels, half of them as the logits say."""
    rng = torch.Generator().manual_seed(7)
    logits = scale * torch.randn(*leading, examples, classes, generator=rng)
    guess = logits.reshape(-1, examples, classes)[0].argmax(-1)
    other = torch.randint(classes, (examples,), generator=rng)
    return logits, torch.where(torch.rand(examples, generator=rng) < 0.5, guess, other)


def of_confidence(confidence):
    """Two-class logits whose first class has these probabilities."""
    confidence = torch.as_tensor(confidence, dtype=torch.float64)
    return torch.stack((confidence.log(), (-confidence).log1p()), -1)


def values(logits, label):
    return {name: v.item() for name, v in metrics.test_metrics(logits, label).items()}


def selected(logits, label):
    """What is measured of selected epochs only, apart from temperatures."""
    found = metrics.risk_coverage(logits, label)
    found |= metrics.class_metrics(logits, label)
    found |= {"smece": metrics.smooth_ece(logits, label)}
    return found | {"cwece": metrics.classwise_ece(logits, label)}


@st.composite
def tied_slices(draw):
    """Few examples with logits in steps of 1/2: ties, edges, empty bins and absent classes."""
    classes, examples = draw(st.integers(2, 5)), draw(st.integers(1, 24))
    row = st.lists(st.integers(-4, 4), min_size=classes, max_size=classes)
    rows = draw(st.lists(row, min_size=examples, max_size=examples))
    label = st.lists(st.integers(0, classes - 1), min_size=examples, max_size=examples)
    scale = draw(st.sampled_from([0.5, 20.0]))
    return torch.tensor(rows) * scale, torch.tensor(draw(label)), torch.tensor(draw(label))
