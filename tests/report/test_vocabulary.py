"""The words for what is measured: no text of a report is written past them."""

import ast
import re
from pathlib import Path

import benchmarks.report
from benchmarks.report.vocabulary import KNOWN, MIXED, UNKNOWN

FOLDER = Path(benchmarks.report.__file__).parent
CLAIMS = re.compile(
    r"accura|clean (test|validation) labels|memoris|mislabelled|noisy (validation )?labels"
    r"|wrong labels|corrupted|true class|classified correctly",
    re.IGNORECASE,
)
APART = {  # files, or the beginnings of texts in one, and why they may claim it
    "vocabulary.py": "which the others ask",
    "own_labels.py": "of estimates, and of what is not known",
    "scaling.py": "of settings whose true labels are known",
    "figures/memorisation.py": "of these settings, by figures.OF_TRUE_LABELS",
    "figures/temperature.py": "likewise",
    "figures/loss_histogram.py": "likewise",
    "figures/transitions.py": "likewise",
    "figures/per_class.py": ("Left: the share of the training images of each true",),  # likewise
    "figures/ranked.py": ("The share of wrong labels (precision)", "mislabelled"),  # likewise
    "figures/hyper_parameter.py": (" Scaling is by a temperature fitted on clean",),  # likewise
    "figures/reliability.py": ("accuracy",),  # columns of a CSV file
    "drawing.py": ("accuracy", "memorisation"),  # names of files
    "figures/__init__.py": ("accuracy", "memorisation"),  # likewise
    "history.py": ("of wrong labels",),  # of detection.csv, which tells of known ones alone
    "tables.py": (  # likewise; and a column that is blank or absent of unknown labels
        *("interval. 1 is perfect; the average", " Missed: of the wrong", "mislabelled"),
        *("Mean over noisy settings", "Memorised"),
    ),
    "opening.py": (  # where the share is measured; and of settings without noise
        *("% of the wrong labels, ", " and memorises "),
        "Without wrong labels the first choice is ",
    ),
    "browser/embedded.py": (  # of metrics that there are of known labels alone
        *(" (coloured) and memorised share", "chance that a wrong label has a higher last loss"),
        *("Memorisation", "Can wrong labels be told from right ones?", "accuracy"),
    ),
    "document.py": ("Finding the wrong labels",),  # where some are known
    "verdict.py": ("clean labels",),  # the noise clean, which unknown labels do not have
}


def literals(path):
    """The texts of a module, but for docstrings and the keys that are looked up."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.lineno, node.value


def claims():
    for path in sorted(FOLDER.rglob("*.py")):
        name = path.relative_to(FOLDER).as_posix()
        allowed = APART.get(name, ())
        for line, text in literals(path) if not isinstance(allowed, str) else ():
            own = re.sub(r"{[^{}]*}", "", text)  # what the words of a run are put into
            if CLAIMS.search(own) and not text.startswith(tuple(allowed)):
                yield f"{name}:{line}: {text[:60]!r}"


def test_no_text_of_a_report_claims_accuracy_past_the_words_of_its_run():
    assert list(claims()) == []
    for path in (*FOLDER.glob("browser/*.js"), *FOLDER.glob("browser/*.j2")):
        text = path.read_text(encoding="utf-8").replace("words.accuracy", "")
        assert not CLAIMS.findall(text), path.name


def test_no_text_of_a_report_has_the_label_of_a_metric_past_the_words_of_its_run():
    for path in sorted(FOLDER.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in {"label", "meaning"}:
                owner = ast.unparse(node.value)
                assert not re.match(r"(METRICS|MEASURES|TRACKED)\[", owner), (path.name, owner)


def test_words_of_agreement_claim_nothing_and_those_of_a_mixed_run_call_no_test_label_given():
    for words in (UNKNOWN, MIXED):
        renamed = [text for m in words.renamed.values() for text in (m.label, m.meaning)]
        said = [*(text for text in vars(words).values() if isinstance(text, str)), *renamed]
        assert [text for text in said if CLAIMS.search(text)] == []
        other = {name for name, text in vars(words).items() if text != vars(KNOWN)[name]}
        assert other == {*vars(KNOWN)}
        assert {"acc", "acc_worst", "acc_balanced", "gap_signed", "nll", "aurc"} < {*words.renamed}
    assert "test" in MIXED.measured
    meaning = MIXED.metric("acc").meaning
    assert "given" not in f"{MIXED.measured} {MIXED.test_labels} {meaning}"
