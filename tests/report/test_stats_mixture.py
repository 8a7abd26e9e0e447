import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm
from sklearn.mixture import GaussianMixture

from benchmarks.report import stats
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import load
from benchmarks.report.figures import losses
from benchmarks.report.figures.canvas import paper_style
from benchmarks.report.venues import VENUES
from tests.report.folders import SIX, Sweep, write

EDGES = np.linspace(-9.0, 4.0, 37)


def drawn(seed, *parts):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(mean, sd, n) for mean, sd, n in parts])


def binned(values):
    inside = np.clip(values, EDGES[0] + 1e-9, EDGES[-1] - 1e-9)
    return np.histogram(inside, EDGES)[0].astype(float)[None]


@pytest.mark.parametrize(
    "parts", [((-3, 1, 4000), (0.5, 0.6, 2000)), ((-5, 0.8, 3000), (1, 0.5, 300))]
)
def test_a_mixture_is_that_of_scikit_learn_on_the_values_themselves(parts):
    values = drawn(0, *parts)
    found = stats.two_normals(binned(values), EDGES)
    known = GaussianMixture(2, random_state=0, tol=1e-8, max_iter=2000).fit(values[:, None])
    order = np.argsort(known.means_[:, 0])
    assert found.weight[0] == pytest.approx(known.weights_[order], abs=0.005)
    assert found.mean[0] == pytest.approx(known.means_[order, 0], abs=0.02)
    assert found.sd[0] == pytest.approx(np.sqrt(known.covariances_[order, 0, 0]), rel=0.03)


def test_values_beyond_the_range_are_counted_as_beyond_it():
    counts = binned(drawn(1, (-9.5, 1.5, 3000), (1, 0.7, 1500)))[0]
    bounds = np.concatenate([[-np.inf], EDGES[1:-1], [np.inf]])

    def surprise(at):
        weights, means, sds = np.array([at[0], 1 - at[0]]), at[1:3], at[3:]
        mass = sum(w * np.diff(norm.cdf(bounds, m, s)) for w, m, s in zip(weights, means, sds))  # noqa: B905
        return -(counts * np.log(np.maximum(mass, 1e-12))).sum()

    limits = [(0.01, 0.99), (-9.0, 4.0), (-9.0, 4.0), (0.2, 9.0), (0.2, 9.0)]
    found = stats.two_normals(counts[None], EDGES)
    own = np.concatenate([found.weight[0][:1], found.mean[0], found.sd[0]])
    best = minimize(surprise, [0.5, -8.0, 0.0, 1.0, 1.0], bounds=limits)
    assert surprise(own) <= best.fun + 0.05
    assert own[1] == EDGES[0]  # the mean lies outside, and histograms cannot say how far


def test_the_cut_is_where_both_components_are_equally_likely():
    found = stats.two_normals(binned(drawn(2, (-3, 1, 4000), (0.5, 0.6, 2000))), EDGES)
    (left, right), cut = found.weight[0] * norm.pdf(found.cut[0], found.mean[0], found.sd[0]), found
    assert left == pytest.approx(right)
    assert found.mean[0, 0] < cut.cut[0] < found.mean[0, 1]
    one = stats.two_normals(binned(drawn(3, (-2, 1, 9000), (-1.9, 3, 900))), EDGES)
    assert np.isnan(one.cut[0])


def test_shares_are_those_of_normal_distributions_and_add_up_to_one():
    found = stats.two_normals(binned(drawn(2, (-3, 1, 4000), (0.5, 0.6, 2000))), EDGES)
    shares = stats.shares(found, EDGES)[0]
    bounds = np.concatenate([[-np.inf], EDGES[1:-1], [np.inf]])
    for share, mean, sd in zip(shares, found.mean[0], found.sd[0], strict=True):
        assert share == pytest.approx(np.diff(norm.cdf(bounds, mean, sd)), abs=1e-12)
    assert shares.sum(1) == pytest.approx(1)


def test_the_figure_draws_the_mixture_that_stands_in_its_numbers(tmp_path):
    sweep = Sweep(methods=SIX[:2], noises=("symmetric(rate=0.4)",), seeds=2, epochs=1)
    venue = VENUES["neurips"]
    with paper_style(venue):
        (drawing,) = losses.pages(Analysis(load(write(tmp_path, sweep))), venue)
    panels = [axes for axes in drawing.figure.axes if axes.get_yscale() == "function"]
    assert len(panels) == 2
    for axes, (_, rows) in zip(panels, drawing.data.groupby("method", sort=False), strict=True):
        shown = rows.iloc[0]
        low, high, cut = axes.lines
        for line, name in ((low, "low"), (high, "high")):
            peak = np.log(line.get_xdata()[np.argmax(line.get_ydata())])
            assert peak == pytest.approx(np.log(shown[f"median_{name}"]), abs=0.4)
            assert sum(line.get_ydata()) == pytest.approx(100)
        assert set(cut.get_xdata()) == {shown["cut"]}
        assert f"cut {shown['cut']:.2g}" in axes.texts[-1].get_text()
        assert shown["median_low"] == pytest.approx(np.exp(-3), rel=0.3)  # as the folder was drawn
        assert shown["median_high"] == pytest.approx(np.exp(0.5), rel=0.3)
