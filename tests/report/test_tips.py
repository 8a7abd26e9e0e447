"""What the marks of figures say on the page, and where: read against pixels, CSVs and HTML."""

import json
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from benchmarks.report import browser
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import load
from benchmarks.report.drawing import Place
from benchmarks.report.figures import draw, layout, tips
from benchmarks.report.render import Picture, Tip
from benchmarks.report.venues import VENUES
from tests.report.folders import Sweep, write

NOISES = ("clean", "symmetric(rate=0.2)", "symmetric(rate=0.4)", "asymmetric(rate=0.4)")
METHODS = ("cross_entropy", "label_smoothing", "elr", "forward")
KINDS = (
    *("overview", "accuracy", "ece", "delta", "forest", "pareto", "profile", "wins", "seeds"),
    *("overfitting", "memorisation", "reliability", "risk_coverage", "losses", "precision_recall"),
    *("classes", "confusion"),
)


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    sweep = Sweep(methods=METHODS, noises=NOISES, seeds=3, epochs=4)
    return Analysis(load(write(tmp_path_factory.mktemp("results"), sweep)))


@pytest.fixture(scope="module")
def drawn(analysis, tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    pictures = draw(analysis, Place(folder, VENUES["neurips"]), KINDS)
    return folder, {picture.stem: picture for picture in pictures if isinstance(picture, Picture)}


@pytest.mark.parametrize("kind", KINDS)
def test_marks_say_numbers_within_the_figure(kind, drawn):
    said = drawn[1][kind].tips
    assert len(said) >= len(METHODS)
    places = np.array([[tip.x, tip.y] for tip in said])
    assert ((places > 0) & (places < 1)).all()
    for tip in said:
        assert any(letter.isdigit() for letter in tip.text)
        assert "nan" not in tip.text


def test_a_mark_is_drawn_where_it_says_something(analysis, drawn):
    folder, pictures = drawn
    with Image.open(folder / "pareto.png") as image:
        pixels = np.asarray(image.convert("RGB")) / 255
    colours = {look.label: to_rgb(look.colour) for look in analysis.looks.values()}
    height, width = pixels.shape[:2]
    for tip in pictures["pareto"].tips:
        seen = pixels[int(tip.y * height), int(tip.x * width)]
        assert seen == pytest.approx(colours[tip.text.partition(":")[0]], abs=0.03)


def test_points_of_lines_say_what_the_csv_has(analysis, drawn):
    folder, pictures = drawn
    rows = pd.read_csv(folder / "accuracy.csv")
    wanted = {
        f"{analysis.label(row.method)}, wrong labels {row.x:.4g}%: "
        f"{row.centre:.4g} ({row.low:.4g} to {row.high:.4g})"
        for row in rows.itertuples()
    }
    assert {tip.text for tip in pictures["accuracy"].tips} == wanted


def test_what_lies_beyond_the_axes_or_is_unknown_says_nothing():
    figure = layout.new_figure(4, 2)
    left, right = figure.subplots(1, 2)
    left.set(xlim=(0, 10), ylim=(0, 1))
    right.set(xlim=(0, 10), ylim=(0, 1))
    tips.say(left, [5, 11, np.nan, 10], 0.25, ["middle", "beyond", "unknown", "edge"])
    tips.say(right, [5], [0.25], ["right"])
    layout.freeze_layout(figure)
    found = {tip.text: tip for tip in tips.located(figure)}
    assert set(found) == {"middle", "edge", "right"}
    assert found["middle"].x < 0.5 < found["right"].x
    assert found["middle"].y == pytest.approx(found["right"].y)
    assert found["right"].y > 0.5


def test_a_long_line_says_only_some_of_its_points(analysis):
    figure = layout.new_figure(4, 2)
    axes = figure.subplots()
    steps = np.arange(1000.0)
    rows = pd.DataFrame({"method": "elr", "x": steps, "centre": steps, "low": np.nan, "high": 1.0})
    axes.set(xlim=(0, 1000), ylim=(0, 1000))
    tips.say_points(axes, rows, analysis.looks, "Epoch")
    layout.freeze_layout(figure)
    said = [tip.text for tip in tips.located(figure)]
    assert tips.MOST / 2 < len(said) <= tips.MOST
    assert said[0] == "ELR, epoch 0: 0"  # of half an interval nothing is said


class Attributes(HTMLParser):
    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.read = dict(attrs)


def test_what_a_mark_says_stays_text_in_the_page(tmp_path):
    text = """O'Neil's "method" <b>&amp; 'x'></b>"""
    Image.new("RGB", (20, 10)).save(tmp_path / "some.png")
    picture = Picture("some", "Some figure.", tips=(Tip(0.12345, 0.5, text),))
    parser = Attributes()
    parser.feed(browser._figure(picture, tmp_path))
    (told,) = json.loads(parser.read["data-tips"])
    assert told == [pytest.approx(0.12345, abs=1e-4), 0.5, text]
    assert parser.read["width"] == "20"
