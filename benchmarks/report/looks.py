"""Label, colour, marker and dash of every method in a run: by name, never by position."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from benchmarks.schema import LOOKS, SPARE_LOOKS, Look

DASHES: tuple[str | tuple[int, tuple[float, ...]], ...] = (
    "solid",
    (0, (1, 1)),
    (0, (5, 1)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (1, 3)),
)
SHADES = (0.0, -0.4, 0.35, -0.65, 0.2)
"""Variants of one method, towards black (negative) or white, in the order of their specs."""
RAMP = (-0.75, 0.4)
"""More variants than shades are a scale from dark to light, in the order of their numbers."""

PRIVILEGED = "‡"


def base(method: str) -> str:
    """``label_smoothing`` of ``label_smoothing(smoothing=0.4)``."""
    return method.partition("(")[0]


def order_methods(methods: Iterable[str]) -> tuple[str, ...]:
    """Known methods in the schema's order, then the others by name; the bare spec first.

    >>> order_methods(["gce(q=0.05)", "gce(q=-0.1)", "gce", "elr", "gce(q=0.3)"])
    ('gce', 'gce(q=-0.1)', 'gce(q=0.05)', 'gce(q=0.3)', 'elr')
    """
    known = {name: place for place, name in enumerate(LOOKS)}

    def place(method: str) -> tuple[int, str, list[float], str]:
        numbers = [float(n) for n in re.findall(r"(?<==)-?\d+\.?\d*(?:e-?\d+)?", method)]
        return known.get(base(method), len(known)), base(method), numbers, method

    return tuple(sorted(set(methods), key=place))


def resolve(methods: Iterable[str], privileges: Mapping[str, str]) -> dict[str, Look]:
    """The look of each method, in drawing order.

    Two specs of one method keep its colour family and marker and differ in lightness and dash.
    Methods that the schema does not know share out its spare looks by name.
    """
    ordered = order_methods(methods)
    strangers = sorted({base(method) for method in ordered} - set(LOOKS))
    seen: dict[str, int] = {}
    variants = Counter(base(method) for method in ordered)
    looks: dict[str, Look] = {}
    for method in ordered:
        name = base(method)
        variant = seen.get(name, 0)
        seen[name] = variant + 1
        own = LOOKS[name] if name in LOOKS else _spare(name, strangers.index(name))
        mark = PRIVILEGED if method in privileges else ""
        looks[method] = Look(
            label=own.label + method.removeprefix(name).replace("(", " (", 1) + mark,
            colour=shade(own.colour, _tone(variant, variants[name])),
            marker=own.marker,
            dash=own.dash if variant == 0 else _other_dash(own.dash, variant),
        )
    return looks


def _spare(name: str, place: int) -> Look:
    colour, marker = SPARE_LOOKS[place % len(SPARE_LOOKS)]
    turn = place // len(SPARE_LOOKS)
    dash = DASHES[turn % len(DASHES)]
    tone = SHADES[(turn + turn // len(DASHES)) % len(SHADES)]  # 25 turns before one repeats
    return Look(name, shade(colour, tone), marker, dash)


def _tone(variant: int, count: int) -> float:
    if variant == 0 or count <= len(SHADES):
        return SHADES[variant]
    dark, light = RAMP
    return dark + (light - dark) * (variant - 1) / (count - 2)


def _other_dash(
    own: str | tuple[int, tuple[float, ...]], variant: int
) -> str | tuple[int, tuple[float, ...]]:
    others = [dash for dash in DASHES[1:] if dash != own]  # solid is the plain methods'
    return others[(variant - 1) % len(others)]


def shade(colour: str, amount: float) -> str:
    """Mix a hex colour with black (``amount < 0``) or white (``amount > 0``).

    >>> shade("#808080", 0.5), shade("#808080", -0.5), shade("#3f90da", 0.0)
    ('#c0c0c0', '#404040', '#3f90da')
    """
    target = 255 if amount > 0 else 0
    channels = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    mixed = (round(c + (target - c) * abs(amount)) for c in channels)
    return "#" + "".join(f"{c:02x}" for c in mixed)
