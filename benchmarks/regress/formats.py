"""A judgement for machines and pages: JSON, Markdown, JUnit, and what GitHub shows of a job."""

from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec

from benchmarks.outputs import writing
from benchmarks.regress.gates import Verdict
from benchmarks.regress.judgement import LABELS, NAMED, TIMED, Finding, Judgement
from benchmarks.report.render import literal

SHOWN = 10
"""GitHub shows so many annotations of a kind for each step."""
KINDS = {Verdict.FAIL: "failure", Verdict.INCONCLUSIVE: "skipped"}
SUMMARY_BYTES = 2**20
"""GitHub shows no longer summary of a step."""


def json(judgement: Judgement) -> str:
    """Return the whole judgement; ``schema`` is the version of its shape."""
    return msgspec.json.format(msgspec.json.encode(judgement), indent=1).decode() + "\n"


def markdown(judgement: Judgement) -> str:
    """Return the verdict, the culprits, and a table of all that was tested and did not pass."""
    lines = [
        f"## {judgement.verdict}: {literal(f'{judgement.folder} against {judgement.baseline}')}",
        "",
        f"{judgement.counts()}; compared {judgement.how}.",
        "",
    ]
    for verdict in reversed(Verdict):
        told = judgement.sentences(verdict) if verdict != Verdict.PASS else []
        lines += [f"- **{verdict}** {literal(sentence)}" for sentence in told[:NAMED]]
    rows = [one for one in judgement.findings if one.verdict != Verdict.PASS]
    if rows:
        names = "benchmark | file" if judgement.how in TIMED else "method | setting"
        interval = "of the runs" if judgement.how in TIMED else "90% interval"
        again = " on the reserve |" if any(one.reserve for one in rows) else ""
        lines += ["", f"| verdict | {names} | metric | change | {interval} | p |{again}"]
        lines += ["|---|---|---|---|---|---|---|" + "---|" * bool(again)]
        lines += [_row(one) + _on_reserve(one) * bool(again) for one in rows]
    lines += [f"\n{literal(note)}" for note in judgement.notes]
    return "\n".join(lines).rstrip() + "\n"


def _row(one: Finding) -> str:
    unknown = one.low is None or one.high is None
    interval = "unknown" if unknown else f"{one.low:.3g} to {one.high:.3g}"
    p = "" if one.p is None else f"{one.p:.2g}"
    names = (one.method, one.setting, LABELS[one.metric])
    cells = [one.verdict, *map(literal, names), f"{one.change:.3g}", interval, p]
    return f"| {' | '.join(cells)} |"


def _on_reserve(one: Finding) -> str:
    return " |" if one.again is None else f" {one.again:.3g} |"


def junit(judgement: Judgement) -> str:
    """Return a test case for each cell, and for each method over its settings.

    What is not known is skipped, so that no reader takes it for a pass.
    """
    suite = ET.Element("testsuite", name="regress")
    counts = dict.fromkeys(Verdict, 0)
    for case in judgement.cases():
        counts[case.verdict] += 1
        own = ET.SubElement(suite, "testcase", classname=case.setting, name=case.method)
        said = [one.sentence() for one in judgement.of(case) if one.verdict == case.verdict]
        text = _printable("\n".join(said))
        if kind := KINDS.get(case.verdict):
            ET.SubElement(own, kind, message=text.partition("\n")[0]).text = text
        elif said:
            ET.SubElement(own, "system-out").text = text
    suite.set("tests", str(sum(counts.values())))
    suite.set("failures", str(counts[Verdict.FAIL]))
    suite.set("skipped", str(counts[Verdict.INCONCLUSIVE]))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _printable(text: str) -> str:
    """Return a text without the control characters that XML has no place for."""
    return "".join(letter for letter in text if letter in "\n\t" or letter >= " ")


def tell_github(judgement: Judgement, environment: Mapping[str, str]) -> None:
    """Print what a job of GitHub marks, and add a page to the summary of its step, if this is one.

    Others may have begun the summary.
    """
    if environment.get("GITHUB_ACTIONS"):
        for verdict, level in ((Verdict.FAIL, "error"), (Verdict.INCONCLUSIVE, "warning")):
            for sentence in judgement.sentences(verdict)[:SHOWN]:
                print(f"::{level} title=regress {verdict}::{_escaped(sentence)}")
    if summary := environment.get("GITHUB_STEP_SUMMARY"):
        path, text = Path(summary), markdown(judgement).encode()[:SUMMARY_BYTES]
        with writing(path), path.open("ab") as file:
            file.write(text)


def _escaped(text: str) -> str:
    r"""Return a text as the runner of GitHub reads it.

    >>> _escaped("50%\nof it")
    '50%25%0Aof it'
    """
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
