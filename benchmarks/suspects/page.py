"""The index page of an audit: what its table holds, how it is filled in, and what comes next."""

import math
from collections.abc import Sequence
from pathlib import Path

from benchmarks.commands import quoted
from benchmarks.datasets import DATASETS, Dataset
from benchmarks.errors import count
from benchmarks.report.phrases import capitalised, span
from benchmarks.suspects.class_names import how_to_write, numbers_are_names
from benchmarks.suspects.ranking import LabelRanking

_UNKNOWN = (
    "Known are the labels that were given, and how each method doubts them. Not known is which are "
    "right: the dataset has no clean labels, so a suspect need not be wrong, and what is predicted "
    "need not be right."
)
LEAST = 100
"""The number of labels of a ranking that go into the table where fewer seem wrong."""


class Page:
    """What an audit says of its rankings, on the page ``index.md`` and on the terminal.

    Args:
        rankings: in the order of the table.
        top: how many labels of each were asked for, if any number was.
        unranked: which runs are not ranked, in sentences.

    Attributes:
        lines: one for each ranking, the best first: how well it finds what is known to be wrong.
        notes: what the table leaves out, in sentences.
    """

    def __init__(
        self, rankings: Sequence[LabelRanking], top: int | None, unranked: Sequence[str]
    ) -> None:
        self._rankings, self._top = rankings, top
        best = sorted(rankings, key=lambda r: (0.0 if math.isnan(r.auroc) else -r.auroc, r.title))
        self.lines = tuple(map(_line, best))
        self._datasets = list(dict.fromkeys(ranking.cell.dataset for ranking in rankings))
        named = [_how_to_write(each) for each in self._datasets if numbers_are_names(each)]
        self.notes = (*unranked, *self._held_out(), *self._narrowed(best[0]), *named)

    def text(self, table: Path, reviewed: Path, relabel: str, sheets: Sequence[Path]) -> str:
        """Return the text of the page.

        Args:
            table: the table that is to be filled in.
            reviewed: where it is to be kept then.
            relabel: the command line that applies it.
            sheets: the contact sheets.
        """
        unknown = all(ranking.truth_unknown for ranking in self._rankings)
        as_many = (
            "as many as the method would change"
            if unknown
            else "as many as are known to be wrong, or, where none is, as the method would change"
        )
        most = (
            f"the {self._top} most doubtful labels of every ranking"
            if self._top
            else f"the most doubtful labels of every ranking: {as_many}, and at least {LEAST}"
        )
        text = [
            "# The most doubtful training labels",
            *([_UNKNOWN] if unknown else []),
            (
                f"`{table.name}` holds {most}. Fill in its column `corrected` with "
                "a class: another one where the given label is wrong, the same where it is right. "
                "A blank says nothing."
            ),
            *(_how_to_write(each) for each in self._datasets if not numbers_are_names(each)),
            (
                "`position` is the row of the training set as it is loaded here, in whose order "
                "files of labels are; `index` is the row of what the publisher ships (of "
                "`sklearn.datasets.load_digits()` for digits). Both count from 0."
            ),
            *self.notes,
            (
                f"Keep the table that you filled in as `{reviewed}`: this folder's other files are "
                "replaced by the next audit, yours are not. This applies it, and prints how to "
                "train on the corrected labels and how to compare before and after:"
            ),
            f"```bash\n{relabel}\n```",
            "## What each doubts" if unknown else "## How well each ranks",
            "\n".join(f"- {line}" for line in self.lines),
            "## Contact sheets",
            *(f"![{sheet.stem}]({sheet.name})" for sheet in sheets),
        ]
        if undrawn := len(self._rankings) - len(sheets):
            text.append(f"{count(undrawn, 'further ranking')} in the table only.")
        return "\n\n".join(text) + "\n"

    def _narrowed(self, best: LabelRanking) -> list[str]:
        """Say how a table becomes shorter in which several methods speak of the same labels."""
        methods = {str(ranking.keys["method"]) for ranking in self._rankings}
        if len(methods) == 1:
            return []
        note = (
            f"A label is there once for each of {len(methods)} methods that doubts it; one of them "
        )
        return [note + f"is enough to review: --methods {quoted(str(best.keys['method']))}"]

    def _held_out(self) -> list[str]:
        """Say of each dataset how many labels are in no ranking because no seed trained on them."""
        sizes: dict[Dataset, set[int]] = {}
        for ranking in self._rankings:
            if held_out := len(ranking.held_out):
                sizes.setdefault(ranking.cell.dataset, set()).add(held_out)
        return [
            f"Of the {dataset.sizes[0]} labels of {DATASETS.spec(dataset)}, {span(numbers)} a "
            "ranking were held out for validation: nothing is known of them, they are not ranked, "
            "and held-out.csv lists them."
            for dataset, numbers in sizes.items()
        ]


def _how_to_write(dataset: Dataset) -> str:
    name = DATASETS.spec(dataset)
    return capitalised(f"a class of {name} is written {how_to_write(dataset)}.")


def _line(ranking: LabelRanking) -> str:
    """Say how well a ranking finds the labels that are known to be wrong."""
    if ranking.truth_unknown:
        labels, other = len(ranking.table), ranking.doubtful
        return (
            f"{ranking.title}: nobody knows which labels are right; of {labels} the method would "
            f"call {other} otherwise"
        )
    if math.isnan(ranking.auroc):
        return f"{ranking.title}: no label is known to be wrong"
    chance = ranking.table["wrong"].mean()
    return (
        f"{ranking.title}: AUROC {ranking.auroc:.3f}, average precision {ranking.ap:.3f} "
        f"(by chance {chance:.3f})"
    )
