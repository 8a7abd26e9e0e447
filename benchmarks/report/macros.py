r"""Every number of a run, looked up by one LaTeX macro, so that a paper never copies one by hand.

``\nlb{default}{acc}{elr}{symmetric 40}`` is ELR's accuracy at symmetric 40% in the suite
``default``: suite, number, method and setting. Several suites can be read into one document. A
key that does not exist is an error of LaTeX that names it.

- Number: a column of ``results.csv`` after the last epoch, such as ``acc`` or ``ts_clean_ece``, or
  the header of a table without ``%``, such as ``IQM accuracy``. Behind it may stand ``half``, the
  half width of its 95% t interval, ``low`` and ``high``, its ends where a table has these,
  ``val``, ``label_wave`` or ``oracle``, the accuracy at another selection of the epoch, or, of an
  entry with slashes, the name of a part. ``n`` is how many runs finished, of ``overall`` how many
  seeds count.
- Method: its spec. ``a - b`` is the paired difference of two, whose other parts are ``p raw``,
  ``p`` (after Holm) where the suite asked or ``q`` where it did not, ``n``, and further columns of
  ``differences.csv``. ``all`` is the run: ``cells``, ``cells done``, ``settings``, ``seeds``.
- Setting: its name in the tables without ``%``. ``overall`` is the mean over the shared ones.

Percentages are written without a sign, as in the tables. In names ``-`` stands for each sign that
TeX would read as something else.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import permutations

import numpy as np
import pandas as pd

from benchmarks.question import MARGINS
from benchmarks.report import stats, tables
from benchmarks.report.analysis import Analysis, rows_of
from benchmarks.report.claims import CONFIRMATORY, OVERALL
from benchmarks.report.phrases import BLANK, MINUS, number, printable, signed
from benchmarks.report.tables import Table, stem
from benchmarks.schema import METRICS

Entry = tuple[str, str, str, str]
"""Method, setting, name and value of a number."""

_LOOK_UP = r"""\providecommand{\nlb}[4]{%
  \ifcsname nlb/\detokenize{#1/#3/#4}\endcsname
    \csname nlb/\detokenize{#1/#3/#4}\endcsname{#2}%
  \else
    \nlbunknown{\ifcsname nlb/\detokenize{#1}\endcsname
      the suite '#1' has no '#3' in '#4'\else no values of a suite '#1' were read\fi}%
  \fi}
\providecommand{\nlbpick}[4]{%
  \ifcsname nlb/\detokenize{#1/#3}\endcsname
    \ifcase\csname nlb/\detokenize{#1/#3}\endcsname\space#4\fi
  \else
    \nlbunknown{there is no number '#3' of #2}%
  \fi}
\protected\def\nlbunknown#1{\PackageError{nlb}{#1}{The keys are in values.tex.}??}
\def\nlbname#1#2#3{\expandafter\gdef\csname nlb/\detokenize{#1/#2}\endcsname{#3}}
\def\nlbrow#1#2#3#4#5{\expandafter\gdef\csname nlb/\detokenize{#1/#2/#3}\endcsname
  ##1{\nlbpick{#1:#4}{'#2' in '#3'}{##1}{#5}}}
"""
"""A row is one macro for all numbers of a method in a setting, as TeX has room for few names.

``\nlb`` can be expanded, so it may stand inside ``\num`` and in headings.
"""
_RUN, _LESS = "all", " - "
_ENTRY = re.compile(
    rf"(?P<value>[+{MINUS}<>]?\d[\d.]*)(?: points)?(?: ± (?P<half>\d[\d.]*))?"
    rf"(?: \[(?P<low>[+{MINUS}]?\d[\d.]*), (?P<high>[+{MINUS}]?\d[\d.]*)\])?"
)


def latex(analysis: Analysis, suite: str, shown: Iterable[Table]) -> str:
    r"""Return the file ``values.tex``, to be read by ``\input`` before a number is used.

    Args:
        analysis: what the numbers are of.
        suite: its name.
        shown: the tables of the report.
    """
    rows: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for entries in (_means(analysis), _differences(analysis), _of_the_run(analysis)):
        for method, setting, name, value in entries:
            rows[key(method), key(setting)][key(name)] = _escaped(value)
    for table in shown:
        if not set(table.text.columns) <= set(analysis.run.settings):
            for method, setting, name, value in _printed(table):
                rows[key(method), key(setting)].setdefault(key(name), _escaped(value))
    own = key(suite)
    lines = [f"% {note}" for note in tables.incomplete(analysis)]
    lines += ["% \\nlb{suite}{number}{method}{setting}; results/README.md says how.", _LOOK_UP]
    lines.append(rf"\expandafter\gdef\csname nlb/{own}\endcsname{{}}")
    kinds: defaultdict[tuple[bool, ...], list[tuple[str, str]]] = defaultdict(list)
    for method, setting in rows:
        kinds[method == _RUN, _LESS in method, setting == OVERALL].append((method, setting))
    for kind, places in enumerate(kinds.values()):
        names = dict.fromkeys(name for place in places for name in rows[place])
        for place, name in enumerate(names):
            lines.append(rf"\nlbname{{{own}:{kind}}}{{{name}}}{{{place}}}")
        for method, setting in places:
            text = r"\or ".join(rows[method, setting].get(name, BLANK) for name in names)
            lines.append(rf"\nlbrow{{{own}}}{{{method}}}{{{setting}}}{{{kind}}}{{{text}}}")
    return "\n".join(lines) + "\n"


@cache
def key(name: str) -> str:
    r"""Return a name as it is looked up: in ASCII, without signs that mean something to TeX.

    >>> key("symmetric 40%"), key(r"my\loss(a=1, b=#)"), key("best epoch†")
    ('symmetric 40', 'my-loss(a=1, b=-)', 'best epoch')
    """
    plain = printable(name).replace("%", "").replace("†", "").replace(MINUS, "-")
    return re.sub(r"[^ -~]|[\\{}#^~&$]", "-", plain).strip()


def _escaped(value: str) -> str:
    """Return a number so that it can stand in text and in formulas."""
    value = value.replace(MINUS, "-").replace("+", "")
    plain = value[:1].isdigit() or value == BLANK
    return value if plain else f"\\ensuremath{{{value}}}"


def _means(analysis: Analysis) -> Iterator[Entry]:
    """Yield the metrics of each method in each setting, and over the shared settings."""
    rows = analysis.run.last
    known = [metric for metric in METRICS if rows[metric].notna().any()]
    if not known:
        return
    yield from _with_halves(rows[["method", "setting", *known]])
    for selection in ("val", "label_wave", "oracle"):
        chosen = stats.t_intervals(analysis.run.at(selection), ["method", "setting"], "acc")
        for row in rows_of(chosen):
            yield row.method, row.setting, f"acc {selection}", number("acc", row.mean)
    seeds = [analysis.seed_means(metric).set_index(["method", "seed"]) for metric in known]
    means = pd.concat(seeds, axis=1).reset_index().drop(columns="seed")
    yield from _with_halves(means.assign(setting=OVERALL))


def _with_halves(values: pd.DataFrame) -> Iterator[Entry]:
    """Yield the mean of each metric of a method in a setting, with its half width."""
    groups = values.groupby(["method", "setting"], sort=False)
    mean, n = groups.mean(), groups.count()
    half = stats.half_widths(groups.std().to_numpy(np.float64), n.to_numpy(np.float64))
    for (method, setting), own, halves, runs in zip(
        mean.index, mean.to_numpy(), half, n["acc"], strict=True
    ):
        for metric, value, half_width in zip(mean.columns, own, halves, strict=True):
            shown = signed(metric, value) if value < 0 else number(metric, value)
            yield method, setting, metric, shown
            yield method, setting, f"{metric} half", number(metric, half_width)
        yield method, setting, "n", str(runs)


def _differences(analysis: Analysis) -> Iterator[Entry]:
    """Yield paired differences from every reference, and the tests of ranks over settings."""
    further = ("detectable", "seeds", "g_z", "p_flip", "p_equivalent")
    overall = [analysis.overall(name, m) for name in analysis.references for m in MARGINS]
    for table in (analysis.all_differences, *overall):
        for row in table.to_dict("records"):
            metric, setting = str(row["metric"]), str(row["setting"])
            place = f"{row['method']}{_LESS}{row['reference']}", setting
            yield *place, metric, signed(metric, row["difference"])
            for part in ("low", "high"):
                yield *place, f"{metric} {part}", signed(metric, row[part])
            adjusted = "p" if row["family"] == CONFIRMATORY else "q"
            for part, value in (("p raw", row["p"]), (adjusted, row["p_adjusted"])):
                yield *place, f"{metric} {part}", _p_value(value)
            yield *place, f"{metric} n", str(row["n"])
            for part in further:
                if part in row:
                    value = row[part]
                    text = number(metric, value) if part == "detectable" else f"{value:.3g}"
                    shown = _p_value(value) if part.startswith("p_") else text
                    yield *place, f"{metric} {part}", shown if np.isfinite(value) else BLANK


def _p_value(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}" if p <= 1 else BLANK


def _of_the_run(analysis: Analysis) -> Iterator[Entry]:
    """Yield the numbers that belong to no method, and those of the tests of all ranks."""
    run, place = analysis.run, (_RUN, OVERALL)
    yield *place, "cells", str(len(run.cells))
    yield *place, "cells done", str(run.last["cell_id"].nunique())
    yield *place, "settings", str(len(run.settings))
    yield *place, "seeds", str(run.cells["seed"].nunique())
    ranks = analysis.ranks
    if not isinstance(ranks, str):
        yield *place, "Friedman p", _p_value(ranks.friedman_p)
        for one, other in permutations(range(len(ranks.methods)), 2):
            pair = f"{ranks.methods[one]}{_LESS}{ranks.methods[other]}"
            yield pair, OVERALL, "Wilcoxon p", _p_value(ranks.p[one, other])


def _printed(table: Table) -> Iterator[Entry]:
    """Yield the numbers that a table shows of each method, by header and part."""
    headers = [stem(str(name)) for name in table.text.columns]
    twice = len(set(table.methods)) < len(table.methods)
    for method, texts in zip(table.methods, table.text.astype(str).to_numpy(), strict=True):
        words = [text for text in texts if re.match("[A-Za-z]", text)]
        about = f" ({', '.join(words)})" if twice else ""
        for header, text in zip(headers, texts, strict=True):
            pieces = text.split(" / ")
            parts = table.parts if len(table.parts) == len(pieces) > 1 else ("",) * len(pieces)
            for piece, part in zip(map(_ENTRY.fullmatch, pieces), parts, strict=True):
                whole = f"{header}{about} {part}".strip()
                for end, value in piece.groupdict().items() if piece else ():
                    if value:
                        yield method, OVERALL, whole if end == "value" else f"{whole} {end}", value
