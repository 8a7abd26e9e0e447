"""Spans of time as a person says them."""

from itertools import pairwise

UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def in_words(seconds: float) -> str:
    """Return a span in its two largest units, the smaller one rounded.

    >>> in_words(0.2), in_words(59.6), in_words(90), in_words(3599), in_words(100_000)
    ('0 s', '1 min', '1 min 30 s', '1 h', '1 d 4 h')
    """
    for (large, length), (small, part) in pairwise(UNITS):
        if round(seconds / part) * part >= length:
            whole, rest = divmod(round(seconds / part) * part, length)
            return f"{whole} {large}" + (f" {rest // part} {small}" if rest else "")
    return f"{seconds:.0f} s"
