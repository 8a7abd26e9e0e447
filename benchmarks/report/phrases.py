"""Numbers as a reader meets them: percent, points, three digits, intervals, p values."""

import math
from collections.abc import Iterable

from benchmarks.schema import METRICS

BLANK = "--"
MINUS = "\N{MINUS SIGN}"


def number(metric: str, value: float) -> str:
    """Return a value of one metric: percent with one decimal, anything else with three.

    >>> number("acc", 0.9312), number("nll", 0.25), number("nll", float("nan"))
    ('93.1', '0.250', '--')
    """
    if not math.isfinite(value):
        return BLANK
    return f"{100 * value:.1f}" if METRICS[metric].percent else f"{value:.3f}"


def signed(metric: str, value: float) -> str:
    """Return a value as :func:`number` does, with its sign, and never a negative zero.

    >>> signed("acc", 0.021), signed("acc", -0.00001), signed("nll", -0.1) == MINUS + "0.100"
    ('+2.1', '+0.0', True)
    """
    if not math.isfinite(value):
        return BLANK
    text = number(metric, abs(value))
    return (MINUS if value < 0 and float(text) != 0 else "+") + text


def with_half(metric: str, mean: float, half: float) -> str:
    """Return ``93.1 ± 0.4``, or the mean alone where no interval exists."""
    text = number(metric, mean)
    return f"{text} ± {number(metric, half)}" if math.isfinite(half) else text


def unit(metric: str) -> str:
    """Return the unit of differences of this metric, after a space, or nothing."""
    return " points" if METRICS[metric].percent else ""


def change(metric: str, mean: float, low: float = math.nan, high: float = math.nan) -> str:
    """Return a difference with its interval, where there is one, in brackets.

    >>> change("acc", 0.021, 0.012, 0.03), change("acc", 0.021)
    ('+2.1 points [+1.2, +3.0]', '+2.1 points')
    """
    text = f"{signed(metric, mean)}{unit(metric)}"
    if not math.isfinite(low):
        return text
    return f"{text} [{signed(metric, low)}, {signed(metric, high)}]"


def p_value(p: float) -> str:
    """Return ``p = 0.012``, or ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


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


def capitalised(text: str) -> str:
    """Return the text with its first letter large and the others as they are."""
    return text[:1].upper() + text[1:]


def count(n: int, noun: str) -> str:
    """Return ``1 seed``, ``5 seeds``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def listing(items: list[str]) -> str:
    """Return ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
