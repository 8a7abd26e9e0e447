"""Documents with the tables of reports, on the page of a venue, through pdflatex."""

import os
import re
import shutil
import subprocess

import pytest

from benchmarks.report import document, latex, macros, tables
from benchmarks.report.opening import first_screen
from benchmarks.report.venues import VENUES
from benchmarks.report.verdict import verdict

NEEDED = "PYTEST_NEEDS_LATEX"
"""The environment variable with which a missing LaTeX is a failure; ``.ci/run`` sets it."""

COMPLAINT = re.compile(r"(?m)^(?:!|Overfull|Underfull|(?:LaTeX|Package \w+|Class \w+).* Warning).*")
AGAIN = re.compile("Rerun|undefined|may have changed")
RUNS = 5


def require():
    for program in ("pdflatex", "bibtex"):
        if shutil.which(program) is None:
            reason = f"no {program} on this machine"
            pytest.fail(reason) if os.environ.get(NEEDED) else pytest.skip(reason)


def page(venue, packages=""):
    """The first lines of a document with the text block of a venue, without its style file."""
    own = VENUES[venue]
    columns = ",twocolumn" if own.column < own.width else ""
    size = 11 if venue == "jmlr" else 10
    block = f"letterpaper,textwidth={own.width}in,textheight={own.height}in,columnsep=0.25in"
    return rf"""\documentclass[{size}pt{columns}]{{article}}
\usepackage[{block}]{{geometry}}
\usepackage{{booktabs,array,longtable,xcolor,siunitx,url{packages}}}
\usepackage[round]{{natbib}}
\raggedbottom
\begin{{document}}
"""


def written(analysis, folder, venue):
    """Write all LaTeX of a report, and return what reads it and the tables."""
    folder.mkdir(parents=True, exist_ok=True)
    context = latex.context_of(analysis, VENUES[venue])
    shown = document._tables(analysis)
    found = [table for table in (*shown.values(), tables.detection(analysis)) if table]
    values = macros.latex(analysis, context.suite, found)
    (folder / "values.tex").write_text(values, encoding="utf-8")
    text = latex.bibliography(context.references)
    (folder / "references.bib").write_text(text, encoding="utf-8")
    lines = [rf"\input{{{folder.name}/values}}"]
    parts = [first_screen(analysis).guide, *verdict(analysis)]
    for name, table in document.printed(analysis, shown, parts).items():
        code = latex.table(name, table, context)
        (folder / f"{name}.tex").write_text(code, encoding="utf-8")
        columns = r"\onecolumn" if r"\begin{longtable}" in code else r"\twocolumn"
        turn = columns if VENUES[venue].column < VENUES[venue].width else r"\clearpage"
        label = re.search(r"\\label\{([^}]*)\}", code)[1]
        lines.append(rf"{turn}\input{{{folder.name}/{name}}} Table~\ref{{{label}}}")
    return "\n".join(lines)


def references(*folders):
    names = ",".join(f"{folder.name}/references" for folder in folders)
    return rf"\clearpage\raggedright\bibliographystyle{{plainnat}}\bibliography{{{names}}}"


def typeset(folder, venue, body, packages=""):
    """Typeset a document until nothing changes, and return the log of its last run."""
    text = f"{page(venue, packages)}{body}\n\\end{{document}}\n"
    (folder / "paper.tex").write_text(text, encoding="utf-8")
    for run in range(RUNS):
        _ran(folder, "pdflatex", "-interaction=nonstopmode", "paper")
        log = (folder / "paper.log").read_text(encoding="utf-8", errors="replace")
        if run == 0 and r"\bibliography{" in body:
            _ran(folder, "bibtex", "paper")
            assert "arning--" not in (folder / "paper.blg").read_text(encoding="utf-8")
        elif not AGAIN.search("\n".join(complaints(log))):
            break
    return log


def _ran(folder, *command):
    subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=False)


def complaints(log):
    return COMPLAINT.findall(log)


def numbers(code):
    """The values of ``values.tex`` by number, method and setting."""
    names = {}
    for kind, name, place in re.findall(r"\\nlbname\{s:(\d+)\}\{(.*?)\}\{(\d+)\}\n", code):
        names[kind, int(place)] = name
    rows = re.findall(r"\\nlbrow\{s\}\{(.*?)\}\{(.*?)\}\{(\d+)\}\{(.*)\}\n", code)
    return {
        (names[kind, place], method, setting): value
        for method, setting, kind, values in rows
        for place, value in enumerate(values.split(r"\or "))
    }
