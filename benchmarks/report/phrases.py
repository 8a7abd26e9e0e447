"""Numbers as a reader meets them: percent, points, three digits, intervals, p values."""

import math
from collections.abc import Hashable, Iterable, Mapping
from typing import Any
from unicodedata import category

from benchmarks.schema import METRICS

BLANK = "--"
MINUS = "\N{MINUS SIGN}"
DEPENDENT = (
    "Tests over settings take them as independent, which those of one dataset and the same seeds "
    "are not."
)
SAME_EVERYWHERE = "the same in every pair, so its interval is unknown"


_TURNS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of the text after them."""
_UNSHOWN = ("Cc", "Cs", "Cn")
"""The categories of control characters, halves of pairs, and what no script has."""


def printable(text: str) -> str:
    r"""Return a name that a user gave, in one line, without what no page, figure or file can show.

    >>> printable(" one\nline "), printable("A\N{RIGHT-TO-LEFT OVERRIDE}B"), len(printable("\x07!"))
    ('one line', 'AB', 2)
    """
    kept = (
        " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" if category(c) in _UNSHOWN else c
        for c in text
        if c not in _TURNS
    )
    return " ".join("".join(kept).split())


def number(metric: str, value: float) -> str:
    """Return a value of one metric: percent with one decimal, anything else with three.

    From 10 on there are four digits in all.

    >>> number("acc", 0.9312), number("nll", 0.25), number("nll", float("nan"))
    ('93.1', '0.250', '--')
    >>> number("nll", 12.3456), number("nll", 1314.769)
    ('12.35', '1315')
    """
    if not math.isfinite(value):
        return BLANK
    if METRICS[metric].percent:
        return f"{100 * value:.1f}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.{_decimals(value)}f}"


def _decimals(value: float) -> int:
    """Return how many decimals four digits leave of a value from 10 on."""
    return max(3 - math.floor(math.log10(abs(value))), 0)


def signed(metric: str, value: float) -> str:
    """Return a value as :func:`number` does, with its sign, and never a negative zero.

    >>> signed("acc", 0.021), signed("acc", -0.00001), signed("nll", -0.1) == MINUS + "0.100"
    ('+2.1', '+0.0', True)
    """
    if not math.isfinite(value):
        return BLANK
    text = number(metric, abs(value))
    return (MINUS if value < 0 and float(text) != 0 else "+") + text


def possible(metric: str) -> tuple[float, float]:
    """Return the least and the largest value that a metric can have.

    >>> possible("acc"), possible("gap_signed"), possible("nll")
    ((0.0, 1.0), (-1.0, 1.0), (0.0, inf))
    """
    shown = METRICS[metric]
    low = -1.0 if shown.better == "zero" else -math.inf if metric == "ce2_deb" else 0.0
    return low, 1.0 if shown.percent else math.inf


def with_half(metric: str, mean: float, half: float) -> str:
    """Return a mean with its interval, or alone where that is unknown.

    An interval that leaves the possible values is shown by its ends, cut to them.

    >>> with_half("acc", 0.931, 0.004), with_half("acc", 0.931, 0.2), with_half("nll", 1, math.nan)
    ('93.1 ± 0.4', '93.1 [73.1, 100.0]', '1.000')
    >>> with_half("nll", 185.659, 1.2345)
    '185.7 ± 1.2'
    """
    text = number(metric, mean)
    if not math.isfinite(half):
        return text
    least, most = possible(metric)
    low, high = mean - half, mean + half
    if least <= low and high <= most:
        decimals = len(text.partition(".")[2])
        return f"{text} ± {half * (100 if METRICS[metric].percent else 1):.{decimals}f}"
    return f"{text} [{number(metric, max(low, least))}, {number(metric, min(high, most))}]"


def share_with_half(mean: float, half: float) -> str:
    """Return a share in percent with its interval, as :func:`with_half` does.

    >>> share_with_half(0.128, 0.004), share_with_half(0.128, 0.221), share_with_half(0.5, math.nan)
    ('12.8 ± 0.4%', '12.8% [0.0, 34.9]', '50.0%')
    """
    text = with_half("acc", mean, half)
    return text.replace(" [", "% [") if text.endswith("]") else f"{text}%"


def unit(metric: str) -> str:
    """Return the unit of differences of this metric, after a space, or nothing."""
    return " points" if METRICS[metric].percent else ""


def change(metric: str, mean: float, low: float = math.nan, high: float = math.nan) -> str:
    """Return a difference with its interval, where there is one, in brackets.

    An interval of points ends where two percentages cannot be further apart.

    >>> change("acc", 0.021, 0.012, 0.03), change("acc", 0.021)
    ('+2.1 points [+1.2, +3.0]', '+2.1 points')
    >>> change("acc", 0.5, 0.25, 1.5)
    '+50.0 points [+25.0, +100.0]'
    """
    text = f"{signed(metric, mean)}{unit(metric)}"
    if not math.isfinite(low):
        return text
    if METRICS[metric].percent:
        low, high = max(low, -1.0), min(high, 1.0)
    return f"{text} [{signed(metric, low)}, {signed(metric, high)}]"


def with_test(metric: str, test: Mapping[Hashable, Any], adjusted: str) -> str:
    """Return a paired difference with what its test says, or why there is none.

    Args:
        metric: a column of ``results.csv``.
        test: ``difference``, ``sd``, ``low``, ``high``, ``p`` and ``n`` of one comparison.
        adjusted: its p or q value in words.
    """
    text = change(metric, *(test[name] for name in ("difference", "low", "high")))
    if test["difference"] == 0 and (test["sd"] == 0 or test["n"] == 1):
        return "equal"
    if math.isfinite(test["low"]) and math.isfinite(test["p"]):
        return f"{text}, {adjusted}"
    return f"{text} ({SAME_EVERYWHERE})" if test["n"] > 1 and test["sd"] == 0 else text


def p_value(p: float, name: str = "p") -> str:
    """Return ``p = 0.012``, or ``p < 0.001``."""
    return f"{name} < 0.001" if p < 0.001 else f"{name} = {p:.3f}"


def multiple(value: float) -> str:
    """Return how many times the cost of hard labels a method takes.

    >>> multiple(1.0), multiple(1.6521), multiple(10.0), multiple(float("nan"))
    ('1', '1.65', '10', '--')
    """
    return f"{value:.3g}" if math.isfinite(value) else BLANK


def chance(value: float) -> str:
    """Return a probability, never as a certainty, which no finite number of settings gives.

    >>> chance(0.954), chance(0.998), chance(0.0)
    ('0.95', '>0.99', '<0.01')
    """
    return ">0.99" if value > 0.99 else "<0.01" if value < 0.01 else f"{value:.2f}"


def span(numbers: Iterable[int]) -> str:
    """Return the least and the largest of the numbers, or the one that all are.

    >>> span([3, 5, 4]), span([5, 5])
    ('3 to 5', '5')
    """
    low, *_, high = [*sorted(numbers)] * 2
    return f"{low}" if low == high else f"{low} to {high}"


def mean_over(settings: int) -> str:
    """Return the words for a mean over so many settings.

    >>> mean_over(1), mean_over(5)
    ('mean in one setting', 'mean over 5 settings')
    """
    return "mean in one setting" if settings == 1 else f"mean over {settings} settings"


def capitalised(text: str) -> str:
    """Return the text with its first letter large and the others as they are."""
    return text[:1].upper() + text[1:]


def listing(items: list[str]) -> str:
    """Return ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
