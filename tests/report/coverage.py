"""How often intervals hold the truth, over settings and over seeds and test images, by simulation.

``python -m tests.report.coverage`` writes ``results/reference/coverage.md``, in a few minutes.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from scipy.special import ndtri

from benchmarks.report import stats
from benchmarks.store.pairs import crossed, pseudo_values
from benchmarks.store.tested import Images

STUDY = Path(__file__).parents[2] / "results" / "reference" / "coverage.md"
CORRELATIONS, SEEDS = (0.0, 0.25, 0.5), (3, 5, 10)
MANY, FEW = 13, 5  # settings
AGGREGATES: dict[str, Callable[[np.ndarray], stats.Aggregate]] = {
    "interquartile mean": stats.interquartile_mean,
    "improvement": stats.improvement,
    "profile": lambda values: stats.Aggregate(
        *(end[..., 0] for end in stats.performance_profile(values, np.array([0.8])))
    ),
}


def drawn(
    settings: int, seeds: int, rho: float, draws: int, random: np.random.Generator
) -> np.ndarray:
    """Values ``(settings, seeds, draws)`` of unlike settings, those of one seed correlated."""
    shared = random.normal(size=(seeds, draws))
    own = random.normal(size=(settings, seeds, draws))
    unlike = np.linspace(-1, 2, settings)[:, None, None]
    return unlike + np.sqrt(rho) * shared + np.sqrt(1 - rho) * own


def coverage(name: str, settings: int, seeds: int, rho: float, draws: int) -> float:
    """The share of draws whose interval holds the truth, of those that have an interval."""
    truth = AGGREGATES[name](drawn(settings, 40_000, rho, 1, np.random.default_rng(1))).value
    own = AGGREGATES[name](drawn(settings, seeds, rho, draws, np.random.default_rng(7)))
    known = np.isfinite(own.low)
    return float(((own.low <= truth) & (truth <= own.high))[known].mean())


Drawn = tuple[np.ndarray, np.ndarray]
"""The difference of each seed, and the table of seeds and images."""
TESTED = 200  # images
SHARES = {  # of the variance of a mean difference: seeds, images, the rest
    "seeds alone": (1.0, 0.0, 0.0),
    "mostly seeds": (0.8, 0.2, 0.0),
    "seeds and images": (0.5, 0.5, 0.0),
    "mostly images": (0.2, 0.8, 0.0),
    "images alone": (0.0, 1.0, 0.0),
    "the rest alone": (0.0, 0.0, 1.0),
    "all alike": (1 / 3, 1 / 3, 1 / 3),
}


def of_means(shares: tuple[float, ...], seeds: int, random: np.random.Generator) -> Drawn:
    """A table of normal effects whose mean is 0, with the variance 1."""
    sizes = np.sqrt(np.multiply(shares, (seeds, TESTED, seeds * TESTED)))
    shapes = ((seeds, 1), (1, TESTED), (seeds, TESTED))
    table = sum(k * random.normal(size=shape) for k, shape in zip(sizes, shapes, strict=True))
    return table.mean(1), table


def of_calibration(gap: float, seeds: int, random: np.random.Generator) -> Drawn:
    """The ECE of a method that is too sure by a gap, less that of a calibrated one.

    Images differ in how hard they are, and seeds in how good their networks are.
    """
    hard, luck = random.normal(size=TESTED), random.normal(size=TESTED)
    both = []
    for excess in (gap, 0.0):
        skill = random.normal(1, 0.2, (seeds, 1)) + hard + random.normal(0, 0.5, (seeds, TESTED))
        chance = 1 / (1 + np.exp(-skill))
        correct = 0.8 * luck + random.normal(0, 0.6, skill.shape) < ndtri(chance)
        confidence = np.minimum(chance + excess, 1)
        cells = zip(correct.astype(float), confidence, strict=True)
        both.append([pseudo_values(Images(acc, acc, acc, sure)) for acc, sure in cells])
    table = np.subtract(*both)
    return table[:, 0], table[:, 1:]


def over_images(draw: Callable[[int, np.random.Generator], Drawn], seeds: int, draws: int) -> float:
    """The share of draws whose interval over seeds and images holds the mean of other draws."""
    random = np.random.default_rng(7)
    truth = np.mean([draw(seeds, random)[0].mean() for _ in range(draws)])
    rows = []
    for _ in range(draws):
        of_seeds, table = draw(seeds, random)
        rows.append((of_seeds.mean(), *crossed(table, of_seeds), table.shape[1]))
    mean, own, images, _, both, groups = np.array(rows).T
    df = stats.crossed_df(own, images, np.full(draws, float(seeds)), groups)
    low, high, _ = stats.t_test(stats.MeanTests(mean, both, df))
    return float(((low <= truth) & (truth <= high)).mean())


def lines_over_images(draws: int) -> Iterator[str]:
    """The part on seeds and images: a row for each way in which a difference may vary."""
    yield "# Coverage of the intervals over seeds and test images"
    yield (
        f"Likewise of {draws:,} simulated differences of two methods on {TESTED} test images, "
        "which are drawn anew as the seeds are. Means over images: normal effects of seeds, of "
        "images and of both, by their shares of the variance. ECE: a calibrated method beside one "
        "that is as calibrated, or too sure; the truth is the mean difference on as many images. "
        "Intervals: t, by `var_both` of `pairs.csv`."
    )
    cases = {f"mean, {name}": partial(of_means, shares) for name, shares in SHARES.items()}
    cases |= {f"ECE, too sure by {gap:g}": partial(of_calibration, gap) for gap in (0, 0.05, 0.15)}
    rows = [["difference", *(f"{n} seeds" for n in SEEDS)], ["---"] * (1 + len(SEEDS))]
    for name, draw in cases.items():
        rows.append([name, *(f"{over_images(draw, n, draws):.3f}" for n in SEEDS)])
    yield "\n".join(f"| {' | '.join(row)} |" for row in rows)


def lines(draws: int) -> Iterator[str]:
    """The part on settings: a row for each aggregate and correlation."""
    yield "# Coverage of the intervals over settings"
    yield (
        f"Share of {draws:,} simulated runs whose 95% interval holds the truth, by `python -m "
        "tests.report.coverage`: normal values of settings of unlike difficulty, of which those "
        "of one seed have this correlation. Each interval is a t interval over seeds of one value "
        "over settings. Intervals that are unknown, as all seeds agree, are not counted."
    )
    head = ["aggregate", "settings", "correlation", *(f"{n} seeds" for n in SEEDS)]
    rows = [head, ["---"] * len(head)]
    for name, settings, rho in product(AGGREGATES, (MANY, FEW), CORRELATIONS):
        shares = [f"{coverage(name, settings, n, rho, draws):.3f}" for n in SEEDS]
        rows.append([name, str(settings), f"{rho:g}", *shares])
    yield "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    text = "\n\n".join([*lines(20_000), *lines_over_images(2_000)])
    STUDY.write_text(f"{text}\n", encoding="utf-8")
