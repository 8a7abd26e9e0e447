"""One table as Markdown, as LaTeX for a paper and as plain text for a terminal."""

import pandas as pd

from benchmarks.report.phrases import MINUS
from benchmarks.report.tables import Table

_MARKDOWN = {"best": "**{}**", "tied": "<ins>{}</ins>", "": "{}"}
_CSS = {"best": "textbf:--rwrap", "tied": "underline:--rwrap", "": ""}
_SYMBOLS = {"±": r"$\pm$", MINUS: "$-$", "†": r"$^\dagger$", "‡": r"$^\ddagger$", "≥": r"$\geq$"}
_SYMBOLS |= {"<": "$<$", ">": "$>$"}  # in text they would print as inverted marks


def markdown(table: Table) -> str:
    """A pipe table with its notes below; the best bold, ties underlined."""
    index = str(table.text.index.name or "Method")
    lines = [_row([index, *map(str, table.text.columns)])]
    lines.append(_row([":--", *["--:"] * table.text.shape[1]]))
    for label, texts, marks in _rows(table):
        cells = [_MARKDOWN[m].format(_pipe(t)) for t, m in zip(texts, marks, strict=True)]
        lines.append(_row([_pipe(label), *cells]))
    notes = "\n".join(f"- {note}" for note in table.notes)
    return "\n".join(lines) + f"\n\n{notes}\n"


def _rows(table: Table) -> list[tuple[str, list[str], list[str]]]:
    texts, marks = table.text.astype(str).to_numpy(), table.marks.astype(str).to_numpy()
    labels = [str(label) for label in table.text.index]
    return [(a, list(b), list(c)) for a, b, c in zip(labels, texts, marks, strict=True)]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _pipe(text: str) -> str:
    return text.replace("|", r"\|")


def latex(table: Table, label: str) -> str:
    """A ``booktabs`` table float; headers, labels (each once) and caption are escaped."""
    text = table.text.astype(str).rename_axis(index=None)
    css = table.marks.map(lambda mark: _CSS[mark])
    styler = text.style.apply(lambda _: css, axis=None).format(escape="latex")
    styler.format_index(escape="latex", axis=0).format_index(escape="latex", axis=1)
    code = styler.to_latex(
        hrules=True,
        position="t",
        position_float="centering",
        column_format="l" + "r" * text.shape[1],
        label=f"tab:{label}",
        caption=" ".join(escape(note) for note in table.notes),
    )
    head = "% needs \\usepackage{booktabs}\n"
    return head + symbols(code)


def escape(text: str) -> str:
    """Text that LaTeX prints as it stands, by the rules pandas applies to a table's cells."""
    cell = pd.DataFrame([[text]]).style.format(escape="latex").hide(axis=0).hide(axis=1)
    code = cell.to_latex(column_format="l")
    return code.removeprefix("\\begin{tabular}{l}\n").removesuffix(" \\\\\n\\end{tabular}\n")


def symbols(code: str) -> str:
    """Replace the few characters beyond ASCII by LaTeX that needs no package."""
    for character, command in _SYMBOLS.items():
        code = code.replace(character, command)
    return code


def plain(table: Table) -> str:
    """Columns padded to line up; ``*`` marks the best and ``~`` what ties with it."""
    sign = {"best": "*", "tied": "~", "": " "}
    rows = [[str(table.text.index.name or "Method"), *(f"{c} " for c in table.text.columns)]]
    for label, texts, marks in _rows(table):
        rows.append([label, *(t + sign[m] for t, m in zip(texts, marks, strict=True))])
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join(lines)
