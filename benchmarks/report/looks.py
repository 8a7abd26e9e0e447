"""Label, colour, marker and dash of every method: of its spec alone, whatever else is in a run."""

import colorsys
import re
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
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
    strong: bool = False  # the subject of the report, or of a plugin: drawn thicker


COLOURS: dict[str, str] = {
    "baseline": "#4d78bc",
    "targets": "#b25400",
    "bounded": "#647877",
    "normalised": "#ee6b05",
    "outputs": "#22a1ac",
    "transition": "#a98748",
    "weights": "#a00701",
    "selection": "#975748",
    "early": "#802cb8",
    "mixed": "#978d78",
}
"""The colour of each family: near petroff10, told apart by colour-blind readers and on white."""

MARKERS = ("o", "P", "<", ">", "^", "s", "X", "v", "D", "*")
FAMILY_DASHES: tuple[Dash, ...] = (
    *((0, (10, 3)), (0, (8, 2, 2, 2)), (0, (5, 1, 1, 1)), (0, (7, 1, 2, 1)), (0, (3, 1, 1, 1))),
    *((0, (3, 2)), (0, (9, 2)), (0, (6, 2)), (0, (2, 1, 2, 3)), (0, (4, 1)), (0, (1, 1, 4, 1))),
    *((0, (2, 2)), (0, (5, 2, 1, 2))),
)
"""The dashes of methods; solid is that of our first one."""

CONTRAST = 3.0
"""The least contrast of a line on white, as WCAG 2 asks for graphics."""

OWN_COLOURS = ("#000000", "#7a0177", "#00441b", "#08306b", "#67000d")
OWN_MARKERS = ("H", "p", "d", "8")
"""The looks of plugins' methods: no family's, and darker than any."""

PRIVILEGED = "‡"

OUTSIDE = frozenset({"side"})
"""The privileges that are no clean knowledge: what another model says."""
BESIDE = "§"
"""The mark of a method whose cells are from another results folder."""


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
        return known.get(base(method), len(known)), base(method), _numbers(method), method

    return tuple(sorted(set(methods), key=place))


def resolve(
    methods: Iterable[str],
    privileges: Mapping[str, str],
    facts: Mapping[str, Facts] | None = None,
    subject: Collection[str] = (),
) -> dict[str, Look]:
    """Return the look of each method, in drawing order.

    Specs of one method share its marker and differ in colour and dash.

    Args:
        methods: specs.
        privileges: the clean knowledge of those that are given any; they are marked.
        facts: those of methods that the catalogue lacks, by name.
        subject: the methods that the report is about.
    """
    known = looks_of(catalogue())
    looks: dict[str, Look] = {}
    for method in order_methods(methods):
        name = base(method)
        own = known.get(name) or _look_of_plugin(name, (facts or {}).get(name))
        mark = PRIVILEGED if method in privileges else ""
        label = own.label + method.removeprefix(name).replace("(", " (", 1) + mark
        look = own if method == name else _variant(own, method)
        looks[method] = replace(look, label=label, strong=own.strong or method in subject)
    uses = Counter(look.label for look in looks.values())  # a plugin may state a label of ours
    return {
        method: replace(look, label=f"{look.label} ({method})") if uses[look.label] > 1 else look
        for method, look in looks.items()
    }


def _look_of_plugin(name: str, facts: Facts | None) -> Look:
    """Return the look of a method of a user's: the colour that its file states, or a dark one."""
    number = zlib.crc32(name.encode())
    colour = OWN_COLOURS[number % len(OWN_COLOURS)]
    marker = OWN_MARKERS[number // 7 % len(OWN_MARKERS)]
    dash = FAMILY_DASHES[number // 31 % len(FAMILY_DASHES)]
    family = facts.family if facts and facts.family in COLOURS else name
    if facts and facts.colour:
        colour = legible(facts.colour)
    return Look(
        (facts and printable(facts.label)) or name, family, colour, marker, dash, strong=True
    )


def _variant(own: Look, spec: str) -> Look:
    """Return the look of a spec with values: the larger the first number, the darker and redder."""
    value = float((_numbers(spec) or [0.0])[0])
    place = 0.5 + 0.5 * value / (abs(value) + 0.3)  # from 0 to 1, densest where most values are
    hue, lightness, saturation = colorsys.rgb_to_hls(*_channels(own.colour))
    lightness *= 1 - 1.3 * (place - 0.5)
    turned = ((hue + 0.25 * (0.5 - place)) % 1, lightness, max(saturation, 0.4))
    colour = _written(colorsys.hls_to_rgb(*turned))
    others = [dash for dash in FAMILY_DASHES if dash != own.dash]
    dash = others[zlib.crc32(spec.encode()) % len(others)]
    return replace(own, colour=legible(colour), dash=dash)


def _numbers(spec: str) -> list[float]:
    """Return the numbers that a spec sets."""
    return [float(n) for n in re.findall(r"(?<==)-?\d+\.?\d*(?:e-?\d+)?", spec)]


def contrast(colour: str) -> float:
    """Return the contrast of a hex colour with white, from 1 to 21, by WCAG 2.

    >>> contrast("#ffffff"), round(contrast("#000000"), 6), round(contrast("#777777"), 2)
    (1.0, 21.0, 4.48)
    """
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in _channels(colour)
    ]
    return 1.05 / (sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True)) + 0.05)


def ink(colour: str) -> str:
    """Return the colour of letters on a hex colour, black or white: what is in stronger contrast.

    >>> ink("#ffff00"), ink("#3f90da"), ink("#053061")
    ('black', 'black', 'white')
    """
    return "white" if contrast(colour) ** 2 > contrast("#000000") else "black"


def legible(colour: str) -> str:
    """Return a hex colour, mixed with as little black as ``CONTRAST`` takes.

    >>> legible("#3f90da"), legible("#ffff00")
    ('#3f90da', '#999900')
    """
    while contrast(colour) < CONTRAST:
        colour = _written([0.99 * c for c in _channels(colour)])
    return colour


def _channels(colour: str) -> list[float]:
    return [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]


def _written(channels: Iterable[float]) -> str:
    return "#" + "".join(f"{round(255 * min(max(c, 0.0), 1.0)):02x}" for c in channels)


def told(privileges: Iterable[str]) -> str:
    """Say what kind of knowledge privileges are.

    >>> told(["rate", "T, rate"]), told(["side"]), told(["T", "side"])
    ('clean knowledge', 'outside knowledge', 'clean or outside knowledge')
    """
    names = {name for each in privileges for name in each.replace(",", " ").split()}
    kinds = ["clean"] * bool(names - OUTSIDE) + ["outside"] * bool(names & OUTSIDE)
    return f"{' or '.join(kinds)} knowledge"
