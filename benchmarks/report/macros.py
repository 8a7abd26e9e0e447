r"""Every number of a run as a LaTeX macro, so that a paper never copies one by hand.

A name is ``\nlb`` and then, in this order, the metric, the method, the setting and the part, each
in words with a capital: ``\nlbAccElrSymmetricFourZero`` is ELR's accuracy at symmetric 40%.

- Metric: the column of ``results.csv``, ``Acc``, ``Ece``, ``Nll``, ``Brier``.
- Method: its spec; digits are spelled (``Four``), ``.`` is ``Point``, ``-`` is ``Minus``, ``=`` is
  ``Is``, and other signs only part words: ``label_smoothing(smoothing=0.4)`` is
  ``LabelSmoothingSmoothingIsZeroPointFour``.
- Setting: its name in the tables, likewise; ``Overall`` is the mean of the ranking.
- Part: none for the mean, ``Half`` for the half width of its 95% t interval, ``N`` for the seeds.
- ``MinusM`` after the method, for a reference ``M``: the paired difference, with the parts
  ``Low``, ``High`` (95% interval), ``PRaw``, ``P`` (after Holm) where the suite asked or ``Q``
  (exploratory) where it did not, and ``N``.

Percentages are written without a sign, as in the tables. Two keys that would get one name both
get letters of their hash behind it.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache

import pandas as pd

from benchmarks.report import tables
from benchmarks.report.analysis import Analysis
from benchmarks.report.claims import CONFIRMATORY
from benchmarks.report.phrases import BLANK, number, signed

Entry = tuple[tuple[str, ...], str]
"""The parts of a macro's name, and its value."""

_DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
_SPELLED = {".": "Point", "-": "Minus", "=": "Is"} | dict(zip("0123456789", _DIGITS, strict=True))


@cache
def word(text: str) -> str:
    """Return a text as letters only, with a capital at the start of each word.

    >>> word("label_smoothing(smoothing=0.4)"), word("symmetric 40%")
    ('LabelSmoothingSmoothingIsZeroPointFour', 'SymmetricFourZero')
    """
    spelled = "".join(f" {_SPELLED[c]} " if c in _SPELLED else c for c in text)
    return "".join(part[0].upper() + part[1:] for part in re.findall("[A-Za-z]+", spelled))


def latex(analysis: Analysis) -> str:
    r"""Return the file ``values.tex``, to be read by ``\input`` before ``\begin{document}``."""
    entries = [*_entries(analysis), *_differences(analysis.all_differences)]
    names = ["nlb" + "".join(map(word, key)) for key, _ in entries]
    uses = Counter(names)
    lines = [f"% {note}" for note in tables.incomplete(analysis)]
    lines.append("% Names: metric, method, setting, part; benchmarks/report/macros.py says how.")
    for name, (key, value) in zip(names, entries, strict=True):
        own = name + _letters(key) if uses[name] > 1 else name
        lines.append(f"\\newcommand{{\\{own}}}{{{_escaped(value)}}}")
    return "\n".join(lines) + "\n"


def _letters(key: tuple[str, ...]) -> str:
    digest = hashlib.sha256(repr(key).encode()).digest()
    return "X" + "".join(chr(ord("a") + byte % 26) for byte in digest[:6])


def _escaped(value: str) -> str:
    """Return a number so that it can stand in text and in formulas."""
    value = value.replace("\N{MINUS SIGN}", "-").replace("+", "")
    plain = value[:1].isdigit() or value == BLANK
    return value if plain else f"\\ensuremath{{{value}}}"


def _entries(analysis: Analysis) -> Iterator[Entry]:
    run = analysis.run
    yield ("cells",), str(len(run.cells))
    yield ("cells", "done"), str(run.last["cell_id"].nunique())
    yield ("settings",), str(len(run.settings))
    yield ("seeds",), str(run.cells["seed"].nunique())
    for method, row in analysis.ranking.iterrows():
        yield ("rank", str(method)), f"{row['rank']:.1f}"
        for metric in tables.BY_SETTING:
            key = (metric, str(method), "overall")
            yield from _interval(key, metric, (row[metric], row[f"{metric}_half"], row["seeds"]))
    for metric in tables.BY_SETTING:
        for own in analysis.setting_means(metric).to_dict("records"):
            key = (metric, str(own["method"]), str(own["setting"]))
            yield from _interval(key, metric, (own["mean"], own["half"], own["n"]))


def _interval(
    key: tuple[str, ...], metric: str, values: tuple[float, float, float]
) -> Iterator[Entry]:
    mean, half, n = values
    yield key, number(metric, mean)
    yield (*key, "half"), number(metric, half)
    yield (*key, "n"), f"{n:.0f}"


def _differences(rows: pd.DataFrame) -> Iterator[Entry]:
    for row in rows.to_dict("records"):
        metric, adjusted = str(row["metric"]), "p" if row["family"] == CONFIRMATORY else "q"
        compared = (str(row["method"]), "minus", str(row["reference"]))
        key = (metric, *compared, str(row["setting"]))
        yield key, signed(metric, row["difference"])
        yield (*key, "low"), signed(metric, row["low"])
        yield (*key, "high"), signed(metric, row["high"])
        for part, name in (("p raw", "p"), (adjusted, "p_adjusted")):
            p = float(row[name])
            yield (*key, part), "<0.001" if p < 0.001 else f"{p:.3f}" if p <= 1 else BLANK
        yield (*key, "n"), str(row["n"])
