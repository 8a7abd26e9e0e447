"""One method, one colour, marker and dash: for every eye, and in grey."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from benchmarks.catalogue import Facts, catalogue
from benchmarks.report.looks import (
    COLOURS,
    CONTRAST,
    MARKERS,
    OWN_COLOURS,
    OWN_MARKERS,
    base,
    contrast,
    looks_of,
    order_methods,
    resolve,
)
from methods.base import FAMILIES
from tests.report.folders import SIX

LOOKS = looks_of(catalogue())

SPECS = ("cross_entropy", "label_smoothing", "label_smoothing(smoothing=0.4, schedule='cosine')")
SIGHT = {  # Machado, Oliveira, Fernandes 2009, severity 1, on linear RGB
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def facts_of(family, label):
    """The facts of a method without a paper."""
    return Facts(family, label, *[""] * 7)


def lab(colour, sight):
    """CIELAB under D65 of what an eye sees."""
    coded = np.array(to_rgb(colour))
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.asarray(SIGHT[sight]) @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    t = np.asarray(to_xyz) @ seen / (0.9505, 1.0, 1.089)
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_every_family_has_its_colour():
    assert list(COLOURS) == list(FAMILIES)
    assert {look.family: look.colour for look in LOOKS.values()} == COLOURS


def test_every_colour_is_seen_on_white_and_those_of_plugins_most():
    sweeps = [f"{name}(value={v})" for name in LOOKS for v in (-70, -0.4, 0, 0.05, 0.3, 2, 1e6)]
    strange = [f"plugin{n}{values}" for n in range(50) for values in ("", "(a=0.1)")]
    pale = {"pale": Facts("", "", *[""] * 7, colour="#ffff80")}
    looks = resolve([*LOOKS, *sweeps, *strange, "pale"], {}, pale)
    red, green, blue = (np.array([to_rgb(look.colour) for look in looks.values()])).T
    linear = [
        np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) for c in (red, green, blue)
    ]
    ratios = 1.05 / (np.array([0.2126, 0.7152, 0.0722]) @ linear + 0.05)
    assert ratios.min() >= CONTRAST
    least = min(map(contrast, OWN_COLOURS))
    assert least > max(contrast(colour) for colour in COLOURS.values())
    assert {name for name, look in looks.items() if look.strong} == {*strange, "pale"}


@pytest.mark.parametrize("sight", SIGHT)
def test_the_colours_of_two_families_are_told_apart(sight):
    seen = [lab(colour, sight) for colour in COLOURS.values()]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 15


@pytest.mark.parametrize("family", [*FAMILIES, "suite default"])
def test_marker_and_dash_both_differ_within_a_family_and_the_default_suite(family):
    looks = [look for look in LOOKS.values() if look.family == family] or [LOOKS[m] for m in SIX]
    assert len({look.marker for look in looks}) == len(looks)
    assert len({look.dash for look in looks}) == len(looks)


def test_in_grey_every_pair_of_marker_and_dash_names_one_method():
    pairs = Counter((look.marker, look.dash) for look in LOOKS.values())
    assert max(pairs.values()) == 1
    assert [name for name, look in LOOKS.items() if look.dash == "solid"] == ["cross_entropy"]


def test_there_is_a_pair_of_marker_and_dash_for_ten_methods_in_each_family():
    families = [family for family in FAMILIES for _ in range(10)]
    facts = {f"m{n}": facts_of(family, f"{n}") for n, family in enumerate(families)}
    looks = list(looks_of(facts).values())
    assert len({(look.marker, look.dash) for look in looks}) == len(looks) == 100


def test_a_plugins_method_is_drawn_as_its_file_asks_and_never_as_one_of_ours():
    facts = {
        "mine": facts_of("early", "Mine"),
        "blue": Facts("", "", *[""] * 7, colour="#0000ff"),
    }
    looks = resolve([*LOOKS, "mine", "mine(strength=2.0)", "blue", "theirs"], {}, facts)
    assert (looks["mine"].label, looks["mine"].family) == ("Mine", "early")
    assert looks["mine"].colour in OWN_COLOURS
    assert {looks[name].marker for name in ("mine", "blue", "theirs")} <= {*OWN_MARKERS}
    assert not {*OWN_MARKERS} & {*MARKERS}
    assert looks["mine(strength=2.0)"].label == "Mine (strength=2.0)"
    assert (looks["theirs"].label, looks["blue"].colour) == ("theirs", "#0000ff")
    assert {name: look for name, look in looks.items() if name in LOOKS} == dict(LOOKS)


def test_a_plugins_method_without_a_label_or_with_one_of_ours_is_named():
    facts = {"mine": facts_of("early", "ELR"), "other": facts_of("early", "")}
    labels = [look.label for look in resolve(["elr", "mine", "other"], {}, facts).values()]
    assert labels == ["ELR (elr)", "ELR (mine)", "other"]


def test_labels_are_unique_and_plain_ascii_that_latex_and_every_font_can_set():
    labels = [look.label for look in LOOKS.values()]
    assert len(set(labels)) == len(labels)
    assert all(label.isascii() for label in labels)


@pytest.mark.parametrize("method", ["elr", "elr(beta=0.9)", "plugin_m", "plugin_m(power=0.5)"])
def test_a_method_looks_the_same_whoever_else_is_in_the_run(method):
    others = ("elr", "elr(beta=0.1)", "elr(beta=0.5)", "a", "plugin_m", "plugin_m(power=0.1)", "z")
    assert resolve([method], {})[method] == resolve([*SIX, *others, method], {})[method]


def test_two_specs_of_a_method_differ_in_shade_dash_and_label_but_not_in_marker():
    bare, other = (look for _, look in resolve(SPECS[1:], {}).items())
    assert bare == LOOKS["label_smoothing"]
    assert other.marker == bare.marker
    assert other.colour != bare.colour
    assert other.dash != bare.dash
    assert other.label == "Label smoothing (smoothing=0.4, schedule='cosine')"


def test_many_values_of_one_method_are_a_scale_from_light_to_dark():
    specs = [f"label_smoothing(smoothing={v})" for v in (0.6, -0.4, 0.05, 0.4, 0.2, 0.0)]
    looks = resolve(["label_smoothing", *specs], {})
    values = [float(method.partition("=")[2].rstrip(")")) for method in list(looks)[1:]]
    assert values == sorted(values)
    ratios = [contrast(look.colour) for look in looks.values()]
    assert ratios[1:] == sorted(ratios[1:])
    assert ratios[-1] > ratios[1] + 1
    assert len({(look.colour, look.dash) for look in looks.values()}) == len(looks)
    assert next(iter(looks.values())) == LOOKS["label_smoothing"]


def test_the_subject_of_a_report_is_drawn_stronger():
    looks = resolve(SIX, {}, subject=["elr"])
    assert [name for name, look in looks.items() if look.strong] == ["elr"]


def test_known_methods_come_first_in_the_order_of_the_catalogue():
    ordered = ("label_smoothing", "label_smoothing(smoothing=0.4)", "elr", "alpha", "zeta")
    assert order_methods(reversed(ordered)) == ordered
    assert base(ordered[1]) == ordered[0]
