"""What the methods' files state, and what is written from it."""

import re
from types import ModuleType

import pytest

from benchmarks.catalogue import Facts, catalogue
from benchmarks.catalogue.derived import ROOT, derived
from benchmarks.listing import listing
from methods import METHODS, Method, method_of

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md")),
    *(ROOT / name for name in ("methods/HOOKS.md", "results/README.md")),
    ROOT / "results" / "reference" / "README.md",
]


@pytest.mark.parametrize("path", derived(), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_written_from_the_methods_is_up_to_date(path):
    assert path.read_text(encoding="utf-8") == derived()[path], "run python -m benchmarks.catalogue"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_that_counts_the_methods_counts_those_that_there_are(path):
    text = path.read_text(encoding="utf-8")
    said = {int(n) for n in re.findall(r"\b(?:[Aa]ll|of the|the) (\d+) methods", text)}
    assert said <= {len(METHODS)}


def test_the_list_of_what_can_be_named_cuts_no_sentence():
    for kind in ("suites", "methods", "noises", "datasets", "models", "recipes", "backbones"):
        lines = listing(kind).splitlines()[1:]
        assert lines
        ends = [re.sub(r" \([^()]*\)$", "", line) for line in lines]  # the family of a method
        assert [line for line in ends if not line.endswith((".", "?", "!"))] == []


def test_the_catalogue_is_read_as_it_was_written():
    assert catalogue() == {name: Facts(**method.facts()) for name, method in METHODS.items()}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_cites_a_paper_and_says_in_a_sentence_what_it_does(name):
    facts = catalogue()[name]
    assert facts.summary.endswith(".")
    if name != "cross_entropy":
        assert facts.url.startswith("https://")
        authors = re.split(", | & ", facts.authors)
        assert f"author = {{{' and '.join(authors)}}}" in facts.bibtex
        assert all(" " in author for author in authors)  # given and family name


def test_a_key_of_the_bibliography_means_one_paper():
    entries = {facts.bibtex for facts in catalogue().values() if facts.bibtex}
    assert len({entry.partition(",")[0].partition("{")[2] for entry in entries}) == len(entries)


def test_methods_come_by_family_then_by_year_then_by_name():
    facts = [(f.family, f.year, name) for name, f in catalogue().items()]
    families = list(dict.fromkeys(family for family, *_ in facts))
    assert facts == sorted(facts, key=lambda fact: (families.index(fact[0]), *fact[1:]))


def module(*classes):
    made = ModuleType("methods.mine")
    for name, facts in classes:
        setattr(made, name, type(name, (Method,), {"__module__": made.__name__}, **facts))
    made.Borrowed = METHODS["gce"]
    return made


def test_a_module_of_a_method_defines_one_and_says_what_it_is_called():
    facts = {"label": "Mine", "family": "early"}
    assert method_of(module(("Mine", facts))).label == "Mine"
    with pytest.raises(
        TypeError, match=r"^methods.mine must define .*, got none; .* methods/parts$"
    ):
        method_of(module())
    with pytest.raises(TypeError, match=r"must define one subclass of Method, got Mine, Yours; "):
        method_of(module(("Mine", facts), ("Yours", facts)))
    with pytest.raises(TypeError, match=r"^methods.mine.Mine must have a label and a family$"):
        method_of(module(("Mine", {"label": "Mine"})))
    with pytest.raises(ValueError, match=r"^Mine.family must be one of baseline, .*; got 'earl'$"):
        module(("Mine", {"label": "Mine", "family": "earl"}))
    with pytest.raises(ValueError, match=r"^Mine.colour must be like #c02050; got 'red'$"):
        module(("Mine", {"label": "Mine", "family": "early", "colour": "red"}))
