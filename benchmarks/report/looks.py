"""Label, colour, marker and dash of every method in a run: by name, never by position."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from benchmarks.catalogue import Facts, catalogue
from benchmarks.report.phrases import printable

Dash = str | tuple[int, tuple[float, ...]]


@dataclass(frozen=True)
class Look:
    """The appearance of one method, the same in every figure."""

    label: str
    family: str  # of methods, or the name of a method that states none
    colour: str
    marker: str
    dash: Dash


COLOURS: dict[str, str] = {
    "baseline": "#3f90da",
    "targets": "#ffa90e",
    "bounded": "#94a4a2",
    "normalised": "#e76300",
    "outputs": "#92dadd",
    "transition": "#b9ac70",
    "weights": "#bd1f01",
    "selection": "#a96b59",
    "early": "#832db6",
    "mixed": "#717581",
}
"""The colour of each family: petroff10, told apart by colour-blind readers."""

MARKERS = ("o", "P", "<", ">", "^", "s", "X", "v", "D", "*")
FAMILY_DASHES: tuple[Dash, ...] = (
    *((0, (10, 3)), (0, (8, 2, 2, 2)), (0, (5, 1, 1, 1)), (0, (7, 1, 2, 1)), (0, (3, 1, 1, 1))),
    *((0, (3, 2)), (0, (9, 2)), (0, (6, 2)), (0, (2, 1, 2, 3)), (0, (4, 1)), (0, (1, 1, 4, 1))),
    *((0, (2, 2)), (0, (5, 2, 1, 2))),
)
"""The dashes of our methods and of those that state a family; solid is that of the first one."""

SPARES = (("#94a4a2", "H"), ("#a96b59", "p"), ("#92dadd", "d"), ("#717581", "8"))
"""The colour and marker of methods that state no family, in the order of their names."""

DASHES: tuple[Dash, ...] = (
    "solid",
    (0, (1, 1)),
    (0, (5, 1)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (1, 3)),
)
"""The dashes of methods that state no family, and of further configurations of one method."""

SHADES = (0.0, -0.4, 0.35, -0.65, 0.2)
"""The shades of further configurations of a method, towards black (negative) or white."""
RAMP = (-0.75, 0.4)
"""The ends of the scale, from dark to light, of more configurations than there are shades."""

PRIVILEGED = "‡"


def base(method: str) -> str:
    """Return the name in a spec: ``gce`` of ``gce(q=0.4)``."""
    return method.partition("(")[0]


def looks_of(facts: Mapping[str, Facts]) -> dict[str, Look]:
    """Give the methods of each family its colour, and markers and dashes in their order.

    Each family starts elsewhere among the markers and the dashes. Their numbers, 10 and 13, and the
    steps 3 and 5 make the pair differ among ten methods in each of ten families, so grey prints.
    """
    rank: Counter[str] = Counter()
    places = {family: place for place, family in enumerate(COLOURS)}
    looks: dict[str, Look] = {}
    for method, fact in facts.items():
        place, nth = places[fact.family], rank[fact.family]
        rank[fact.family] += 1
        marker = MARKERS[(3 * place + nth) % len(MARKERS)]
        dash = FAMILY_DASHES[(5 * place + nth) % len(FAMILY_DASHES)] if looks else "solid"
        looks[method] = Look(
            printable(fact.label) or method, fact.family, COLOURS[fact.family], marker, dash
        )
    return looks


def order_methods(methods: Iterable[str]) -> tuple[str, ...]:
    """Return known methods in the catalogue's order, then the others by name; the bare spec first.

    >>> order_methods(["gce(q=0.05)", "gce(q=-0.1)", "gce", "elr", "gce(q=0.3)"])
    ('gce', 'gce(q=-0.1)', 'gce(q=0.05)', 'gce(q=0.3)', 'elr')
    """
    known = {name: place for place, name in enumerate(catalogue())}

    def place(method: str) -> tuple[int, str, list[float], str]:
        numbers = [float(n) for n in re.findall(r"(?<==)-?\d+\.?\d*(?:e-?\d+)?", method)]
        return known.get(base(method), len(known)), base(method), numbers, method

    return tuple(sorted(set(methods), key=place))


def resolve(
    methods: Iterable[str], privileges: Mapping[str, str], facts: Mapping[str, Facts] | None = None
) -> dict[str, Look]:
    """Return the look of each method, in drawing order.

    Two specs of one method keep its colour family and marker and differ in lightness and dash.
    Methods without facts share out the spare looks by name.

    Args:
        methods: specs.
        privileges: the clean knowledge of those that are given any; they are marked.
        facts: those of methods that the catalogue lacks, by name.
    """
    ordered = order_methods(methods)
    more = {name: fact for name, fact in (facts or {}).items() if fact.family in COLOURS}
    later = dict(sorted(more.items(), key=lambda item: (item[1].year, item[0])))
    known = looks_of({**catalogue(), **later})
    unknown = sorted({base(method) for method in ordered} - set(known))
    seen: Counter[str] = Counter()
    variants = Counter(base(method) for method in ordered)
    looks: dict[str, Look] = {}
    for method in ordered:
        name = base(method)
        variant = seen[name]
        seen[name] += 1
        own = known[name] if name in known else _spare(name, unknown.index(name))
        mark = PRIVILEGED if method in privileges else ""
        others = [dash for dash in DASHES[1:] if dash != own.dash]  # solid is the plain methods'
        looks[method] = replace(
            own,
            label=own.label + method.removeprefix(name).replace("(", " (", 1) + mark,
            colour=shade(own.colour, _tone(variant, variants[name])),
            dash=others[(variant - 1) % len(others)] if variant else own.dash,
        )
    uses = Counter(look.label for look in looks.values())  # a plugin may state a label of ours
    return {
        method: replace(look, label=f"{look.label} ({method})") if uses[look.label] > 1 else look
        for method, look in looks.items()
    }


def _spare(name: str, place: int) -> Look:
    colour, marker = SPARES[place % len(SPARES)]
    turn = place // len(SPARES)
    dash = DASHES[turn % len(DASHES)]
    tone = SHADES[(turn + turn // len(DASHES)) % len(SHADES)]  # 25 turns before one repeats
    return Look(name, name, shade(colour, tone), marker, dash)


def _tone(variant: int, count: int) -> float:
    if variant == 0 or count <= len(SHADES):
        return SHADES[variant]
    dark, light = RAMP
    return dark + (light - dark) * (variant - 1) / (count - 2)


def shade(colour: str, amount: float) -> str:
    """Mix a hex colour with black (``amount < 0``) or white (``amount > 0``).

    >>> shade("#808080", 0.5), shade("#808080", -0.5), shade("#3f90da", 0.0)
    ('#c0c0c0', '#404040', '#3f90da')
    """
    target = 255 if amount > 0 else 0
    channels = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    mixed = (round(c + (target - c) * abs(amount)) for c in channels)
    return "#" + "".join(f"{c:02x}" for c in mixed)
