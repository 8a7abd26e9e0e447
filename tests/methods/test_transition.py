"""Estimating a transition matrix from anchors, and undoing one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.parts.transition import anchor_transition, clean_posterior
from tests.agreement import same
from tests.oracles import methods as oracles

N, C = 101, 4
T = torch.tensor(
    [[0.7, 0.1, 0.15, 0.05], [0.0, 0.8, 0.2, 0.0], [0.05, 0.25, 0.6, 0.1], [0.3, 0.0, 0.15, 0.55]],
    dtype=torch.float64,
)


def posterior(examples=N, classes=C, sharpness=1.0):
    """A distribution per example, strictly inside the simplex."""
    rng = torch.Generator().manual_seed(5)
    logits = torch.randn(examples, classes, generator=rng, dtype=torch.float64)
    return (sharpness * logits).softmax(-1)


def anchored(copies):
    """Clean posteriors that end with ``copies`` anchors of every class."""
    anchors = torch.eye(C, dtype=torch.float64).repeat(copies, 1)
    return torch.cat([posterior(), anchors])


def noisy(clean, table):
    return torch.tensor(
        oracles.noisy_posterior(clean.tolist(), table.tolist()), dtype=torch.float64
    )


def test_anchors_give_the_matrix_back():
    same(anchor_transition(noisy(anchored(1), T), 1.0), T)


def test_the_quantile_passes_over_outliers():
    outliers = 3  # per class, of 129 examples in all: 0.97 passes over 4
    surest = 0.98 * torch.eye(C, dtype=torch.float64) + 0.005
    observed = torch.cat([surest.repeat(outliers, 1), noisy(anchored(4), T)])
    assert len(observed) == 129
    same(anchor_transition(observed, 1.0), surest)
    same(anchor_transition(observed, 0.97), T)


@pytest.mark.parametrize(("quantile", "passed_over"), [(1.0, 0), (0.97, 3), (0.5, 50), (0.0, 100)])
def test_anchors_against_the_loop(quantile, passed_over):
    seen = posterior(sharpness=3.0)
    expected = oracles.anchor_transition(seen.tolist(), passed_over)
    same(anchor_transition(seen, quantile), torch.tensor(expected, dtype=torch.float64))


def test_one_example_is_every_anchor():
    seen = posterior(examples=1)
    same(anchor_transition(seen, 0.97), seen.expand(C, C))


def test_undoing_the_noise_gives_the_clean_posterior_back():
    clean = anchored(2)
    same(clean_posterior(noisy(clean, T), T), clean, atol=1e-12, rtol=0)


def test_undoing_no_noise_changes_nothing():
    seen = posterior()
    same(clean_posterior(seen, torch.eye(C, dtype=torch.float64)), seen)


def test_a_solution_outside_the_simplex_is_cut_back_to_it():
    clean = clean_posterior(torch.eye(C, dtype=torch.float64), T)
    raw = torch.linalg.inv(T)
    assert (raw < 0).any(dim=-1).all()
    for row, unbounded in zip(clean.tolist(), raw.tolist(), strict=True):
        positive = [max(value, 0.0) for value in unbounded]
        assert row == pytest.approx([value / sum(positive) for value in positive])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(2, 6), st.integers(0, 10_000), st.booleans())
def test_the_clean_posterior_stays_on_the_simplex(classes, seed, tied):
    """Whatever was estimated; with ``tied`` two classes share an anchor and T is singular."""
    rng = torch.Generator().manual_seed(seed)
    seen = (3 * torch.randn(7, classes, generator=rng)).softmax(-1)
    table = (3 * torch.randn(classes, classes, generator=rng)).softmax(-1)
    if tied:
        table[0] = table[-1]
    clean = clean_posterior(seen, table)
    assert clean.isfinite().all()
    assert clean.ge(0).all()
    same(clean.sum(-1), torch.ones(7))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_matrix_that_forgets_the_class_gives_finite_numbers(dtype):
    for table in (torch.full((C, C), 1 / C, dtype=dtype), T[[0, 0, 0, 0]].to(dtype)):
        clean = clean_posterior(posterior().to(dtype), table)
        assert clean.isfinite().all()
        same(clean.sum(-1), torch.ones(N, dtype=dtype))
        same(clean, clean[:1].expand(N, C))
