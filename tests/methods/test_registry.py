"""Spec strings and the fields behind them, for every catalogue of the suite."""

import ast
import math
import re
from dataclasses import MISSING, dataclass, fields, replace
from dataclasses import field as field_of
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.datasets import DATASETS
from benchmarks.models import MODELS
from benchmarks.noise import NOISES, Clean
from benchmarks.recipes import RECIPES
from methods import METHODS, Registry
from methods.bounds import Between, Bounded, Fraction, NonNegative
from tests.agreement import case
from tests.spec_inputs import FIELDS, REGISTRIES, example, illegal, legal

GOLDEN = Path(__file__).parents[1] / "golden"
CONSTANTS = ("published", "shape", "mean", "std", "confusions", "resplit", "sha256")  # of a dataset

every_kind = pytest.mark.parametrize("kind", REGISTRIES)


def refused(sentence):
    """Expect exactly this sentence."""
    return pytest.raises(ValueError, match=f"^{re.escape(sentence)}$")


# ------------------------------------------------------------------- over every catalogue


def frozen(entry, name):
    """What results depend on: name, every default, version, and the constants of a dataset."""
    neutral = {f.name: f" [{f.added.neutral!r}]" for f in entry.fields() if f.added}
    defaults = [
        f"{f.name.rstrip('_')}={'required' if f.default is MISSING else repr(f.default)}"
        + neutral.get(f.name, "")
        for f in fields(entry)
    ]
    constants = [  # those of one's own data are of its files
        f"{key}={getattr(entry, key)}"
        for key in CONSTANTS
        if hasattr(entry, key) and not isinstance(getattr(entry, key), property)
    ]
    return " ".join([f"{name}({', '.join(defaults)})", f"version={entry.version}", *constants])


def changed(kind):
    """Yield every field of a catalogue, each value to try, and its entry with that value."""
    for owner, name, field in FIELDS:
        if owner == kind:
            built = example(kind, name)
            for value in (*legal(field), getattr(built, field.name)):
                if field.name == "momentum" and not value and getattr(built, "nesterov", 0):
                    continue  # refused together
                yield field, value, replace(built, **{field.name: value})


def default(built, field):
    return type(built).__dataclass_fields__[field.name].default


def shows(spec, field):
    return bool(re.search(rf"\b{field.key}=", spec))


@every_kind
def test_no_name_default_or_version_changes_silently(kind):
    golden = (GOLDEN / f"{kind}.txt").read_text(encoding="utf-8").splitlines()
    assert sorted(frozen(entry, name) for name, entry in REGISTRIES[kind].items()) == sorted(golden)


@every_kind
def test_the_spec_of_the_defaults_is_the_name_and_the_full_one_names_every_field(kind):
    registry = REGISTRIES[kind]
    for name in registry:
        with case(name):
            built = example(kind, name)
            if not any(field.default is MISSING for field in fields(built)):
                assert registry.spec(built) == name
                assert registry.build(name) == built
            assert registry.name(built) == name
            call = ast.parse(registry.full(built), mode="eval").body
            named = [keyword.arg for keyword in getattr(call, "keywords", ())]
            assert named == [field.key for field in built.fields()]


@every_kind
def test_specs_round_trip_for_every_field(kind):
    registry = REGISTRIES[kind]
    for field, value, entry in changed(kind):
        if kind == "noises" and field.name == "rate" and value == 0:
            assert registry.build(registry.spec(entry)) == Clean()
            continue
        with case(registry.full(entry)):
            for text in (registry.spec(entry), registry.full(entry)):
                again = registry.build(text)
                assert again == entry
                assert registry.full(again) == registry.full(entry)
            assert shows(registry.spec(entry), field) == (value != default(entry, field))


@every_kind
def test_a_field_added_later_is_part_of_the_identity_only_where_it_changes_something(kind):
    registry = REGISTRIES[kind]
    for field, value, entry in changed(kind):
        with case(field.key, "of", registry.full(entry)):
            identity = registry.exact(entry)
            assert registry.build(identity) == registry.build(registry.full(entry))
            silent = field.added and value == field.added.neutral == default(entry, field)
            assert shows(identity, field) == (not silent)


@every_kind
def test_a_field_refuses_what_it_may_not_hold_in_one_sentence(kind):
    for owner, name, field in FIELDS:
        for value in illegal(field) if owner == kind else ():
            with case(name, field.key, repr(value)):
                with pytest.raises(ValueError, match=r"^\w+\.\w+ must be ") as caught:
                    replace(example(kind, name), **{field.name: value})
                known = f"{REGISTRIES[kind][name].__name__}.{field.key} must be {field.wanted()}"
                sentence = str(caught.value)
                assert sentence.startswith(f"{known}, got {value!r}")
                assert "\n" not in sentence
                assert ". " not in sentence


# -------------------------------------------------------------------------- the sentences


@pytest.mark.parametrize(
    ("registry", "spec", "sentence"),
    [
        (METHODS, "erl", "unknown method 'erl'; did you mean 'elr'?"),
        (METHODS, "zzz", "unknown method 'zzz'; known: "),
        (METHODS, "elr(bta=0.5)", "unknown elr parameter 'bta'; did you mean 'beta'? known: beta"),
        (METHODS, "cross_entropy(q=1)", "unknown cross_entropy parameter 'q'; known: none"),
        (NOISES, "symetric(rate=0.1)", "unknown noise 'symetric'; did you mean 'symmetric'?"),
        (NOISES, "symmetric", "noise 'symmetric' needs rate: symmetric(rate=…)"),
        (NOISES, "asymmetric()", "noise 'asymmetric' needs rate: asymmetric(rate=…)"),
        (DATASETS, "digit", "unknown dataset 'digit'; did you mean 'digits'?"),
        (MODELS, "mpl", "unknown model 'mpl'; did you mean 'mlp'? known: airbench, "),
        (
            RECIPES,
            "small(optimizer='adm')",
            "Small.optimizer must be one of adam, sgd, got 'adm'; did you mean 'adam'?",
        ),
        (METHODS, "elr(beta=1.5)", "ELR.beta must be a number in [0, 1], got 1.5"),
        (METHODS, "elr(beta='x')", "ELR.beta must be a number in [0, 1], got 'x'"),
        (
            METHODS,
            "co_teaching(loss_='gce')",
            "unknown co_teaching parameter 'loss_'; did you",
        ),
        (METHODS, "co_teaching(ramp=2.0)", "CoTeaching.ramp must be a whole number in [0, "),
        (DATASETS, "folder(path='')", "Folder.path must be the path of a folder, got ''"),
        (NOISES, "labels(file='')", "Labels.file must be the path of a file, got ''"),
        (RECIPES, "small(flip=1)", "Small.flip must be True or False, got 1"),
        (
            RECIPES,
            "small(drops='0.8 0.2')",
            "Small.drops must be rising numbers in [0, 1], parted by spaces, got '0.8 0.2'",
        ),
    ],
)
def test_a_wrong_spec_is_answered_with_what_would_be_right(registry, spec, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}") as caught:
        registry.build(spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "elr(0.5)",
        "elr(0.5, weight=1.0)",
        "elr(**{'beta': 0.5})",
        "elr(beta=0.5, **{})",
        "elr(beta=0.5, beta=0.6)",
        "elr(beta=0.5",
        "elr(beta=__import__('os'))",
        "elr(beta=x)",
        "elr(beta=0.1 + 0.2)",
        "elr(beta={[]: 1})",
        "elr(beta=" + "-" * 5000 + "1)",
        "elr beta",
        "a.elr",
        "a.elr(beta=0.5)",
        "elr()()",
        "'elr'",
        "elr; gce",
        "elr\x00",
        "elr(beta='\\ud800')",
        "lambda: 0",
    ],
)
def test_what_is_not_a_name_with_literals_is_not_a_spec(spec):
    shown = spec if len(spec) <= 200 else f"{spec[:200]}…"
    expected = f"a method is name or name(field=literal, ...), got {shown!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}($|; )"):
        METHODS.build(spec)


SEVERAL = "several are arguments of their own, parted by spaces"


@pytest.mark.parametrize(
    ("registry", "spec", "right"),
    [
        (NOISES, "symmetric(40%)", "did you mean 'symmetric(rate=0.4)'?"),
        (NOISES, "symmetric 0.4", "did you mean 'symmetric(rate=0.4)'?"),
        (NOISES, "symmetric(rate=0,4)", "did you mean 'symmetric(rate=0.4)'?"),
        (NOISES, "Symetric(rate: .4", "did you mean 'symmetric(rate=0.4)'?"),
        (NOISES, "symmetric(0,4, true)", "did you mean 'symmetric(rate=0.4, include_true=True)'?"),
        (NOISES, "symmetric(140%)", "Symmetric.rate must be a number in [0, 1], got 1.4"),
        (NOISES, "labels('x.npy')", "did you mean \"labels(file='x.npy')\"?"),
        (NOISES, "labels(file=x.npy)", "did you mean \"labels(file='x.npy')\"?"),
        (NOISES, "labels(file=\u2018x.npy\u2019)", "did you mean \"labels(file='x.npy')\"?"),
        (NOISES, "x.csv", "a file is named by a field: matrix(file='x.csv'), labels(file='x.csv')"),
        (NOISES, "clean,symmetric(40%)", f"{SEVERAL}: clean 'symmetric(rate=0.4)'"),
        (METHODS, "elr gce", f"{SEVERAL}: elr gce"),
        (METHODS, "a,b", SEVERAL),
        (METHODS, ",", SEVERAL),
        (METHODS, "Cross-Entropy", "did you mean 'cross_entropy'?"),
        (METHODS, "Co-teaching+", "did you mean 'co_teaching_plus'?"),
        (METHODS, "elr(lambda=3)", "did you mean 'elr(weight=3)'?"),
        (METHODS, "elr(beta=1/2)", "did you mean 'elr(beta=0.5)'?"),
        (METHODS, "elr(beta=0.5, beta=0.6)", "beta is set twice"),
        (METHODS, "co_teaching(loss=gce(q=0.5))", "\"co_teaching(loss='gce(q=0.5)')\"?"),
        (RECIPES, "small(optimizer=Adam)", "got 'Adam'; did you mean 'adam'?"),
        (RECIPES, "small(epochs=5,lr=0.1", "did you mean 'small(epochs=5, lr=0.1)'?"),
        (DATASETS, "CIFAR-10", "did you mean 'cifar10'?"),
    ],
)
def test_what_is_no_spec_is_answered_with_the_one_that_was_meant(registry, spec, right):
    with pytest.raises(ValueError, match=r"^a \w+ is name or name\(field=literal") as caught:
        registry.build(spec)
    said = str(caught.value)
    assert right in said.removeprefix(said[: said.index(f"got {spec!r}; ")])
    assert "\n" not in said


@pytest.mark.parametrize(("name", "near"), [("ELR", "elr"), ("LabelSmoothing", "label_smoothing")])
def test_a_name_in_capitals_is_near_the_one_without(name, near):
    with refused(f"unknown method {name!r}; did you mean {near!r}?"):
        METHODS.build(name)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(alphabet="elr(beta=0.5,){}[]'*-+:\n #%/;_|", max_size=25))
def test_any_text_is_a_spec_or_a_refusal(text):
    try:
        built = METHODS.build(text)
    except ValueError:
        return
    assert METHODS.build(METHODS.full(built)) == built


def test_looking_up_an_unknown_name_suggests_too():
    with pytest.raises(ValueError, match="did you mean 'gce'"):
        METHODS["gcee"]


def test_asking_whether_a_name_is_known_is_no_mistake():
    assert "gce" in METHODS
    assert "gcee" not in METHODS


def test_the_example_that_users_copy_registers_nothing_where_all_tests_are_collected():
    assert "my_method" not in METHODS


def test_spaces_and_order_of_fields_do_not_matter():
    expected = METHODS.build("elr(beta=0.25, weight=2.0)")
    assert METHODS.build("  elr( weight = 2.0,beta=0.25 ) ") == expected
    assert METHODS.build("elr()") == METHODS.build("elr")


# ------------------------------------------------------------------- a spec inside a spec


def test_a_loss_inside_a_method_has_one_spelling_and_spells_out_its_fields_in_full():
    written = [METHODS.build(f"co_teaching(loss={s!r})") for s in ("gce", "gce()", " gce( q=0.7 )")]
    assert [METHODS.spec(method) for method in written] == ["co_teaching(loss='gce')"] * 3
    full = "co_teaching(forget_rate=0.2, ramp=10, rate='fixed', loss='gce(q=0.7)')"
    assert METHODS.full(written[0]) == full
    assert METHODS.identity(written[0]) == full.replace(" rate='fixed',", "")
    assert METHODS.identity(METHODS["co_teaching"]()) == "co_teaching(forget_rate=0.2, ramp=10)"


def test_a_new_version_of_a_loss_is_a_new_version_of_what_takes_it(monkeypatch):
    taker, other = (METHODS.build(s) for s in ("co_teaching(loss='gce(q=0.5)')", "co_teaching"))
    assert METHODS.version(taker) == METHODS.version(other) == 1
    monkeypatch.setattr(METHODS["gce"], "version", 3)
    assert METHODS.version(taker) == "1+3"
    assert METHODS.version(other) == 1


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("gcee", "unknown method 'gcee'; did you mean 'gce'?"),
        ("elr(beta=0.9)", "elr also has init; known: cross_entropy, "),
        ("gjs", "gjs also has views; known: "),
        ("co_teaching", "co_teaching also has an injected loss; known: "),
        ("early_stopping", "early_stopping also has stops_early; known: "),
        ("ce_ema", "ce_ema also has averaged, decay; known: "),
        ("anl_ce", "anl_ce also has gradient; known: "),
        ("bi_tempered", "bi_tempered also has predict; known: "),
        ("cores", "cores also has init, loss, no losses; known: "),
        ("gce(q=2.0)", "GCE.q must be a number in [1e-06, 1], got 2.0"),
        ("gce q", "a method is name or name(field=literal, ...), got 'gce q'"),
    ],
)
def test_a_loss_that_cannot_be_taken_is_refused_with_the_reason(spec, why):
    owner = "CoTeaching.loss must be the spec of a loss on logits and labels alone"
    sentence = f"{owner}, got {spec!r}: {why}"
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}"):
        METHODS.build(f"co_teaching(loss={spec!r})")


# ------------------------------------------------------------------------------- registering


@dataclass(frozen=True)
class Kettle(Bounded):
    """An entry with a field of every kind."""

    litres: NonNegative
    full: Fraction = 0.5
    cups: Annotated[int, Between(1, 12)] = 4
    loud: bool = False
    colour: Literal["red", "blue"] = "red"
    owner: str = "us"


@dataclass(frozen=True)
class Pan(Bounded):
    """Another entry."""


def test_a_name_is_given_once_and_a_class_has_one_name():
    kitchen = Registry("tool", Bounded, kettle=Kettle)
    with pytest.raises(ValueError, match=r"^the tool name 'kettle' is taken by .*Kettle"):
        kitchen.register("kettle", Pan)
    with pytest.raises(ValueError, match=r"Kettle'> is already a tool under another name$"):
        kitchen.register("pot", Kettle)
    kitchen.register("pan", Pan)
    assert list(kitchen) == ["kettle", "pan"]
    assert len(kitchen) == 2


@pytest.mark.parametrize(
    "name", ["a b", "", "class", "True", "my-tool", "2nd", "\ufb01ne", 3, None]
)
def test_a_name_that_no_spec_can_state_is_refused(name):
    sentence = (
        "the name of a tool must be an identifier that is no word of Python, such as 'my_tool', "
        f"got {name!r}"
    )
    with refused(sentence):
        Registry("tool", Bounded).register(name, Kettle)


def entry(body, decorator="@dataclass(frozen=True)"):
    names = {"__name__": __name__, "ClassVar": ClassVar, "Fraction": Fraction, "Bounded": Bounded}
    names |= {"dataclass": dataclass, "field": field_of}
    exec(f"{decorator}\nclass Tap(Bounded):\n    {body}", names)  # noqa: S102  as a user's file
    return names["Tap"]


@pytest.mark.parametrize(
    ("body", "decorator", "sentence"),
    [
        ("depth: float = 1.0", "", "Tap states depth and must be a dataclass: put @dataclass("),
        ("depth: float = 1.0", "@dataclass(frozen=True, eq=False)", "must be compared by its fiel"),
        *(
            (f"depth: {kind} = None", "@dataclass(frozen=True)", "Tap: field 'depth' must be float")
            for kind in ("tuple[float, float]", "'float | None'", "list", "dict", "object")
        ),
        ("depth: Missing = 1", "", "Tap states depth"),
        ("depth: 'Missing' = 1", "@dataclass(frozen=True)", "Tap: name 'Missing' is not defined"),
        ("depth: Fraction = 2.0", "@dataclass(frozen=True)", "Tap.depth must be a number in [0,"),
        ("depth: int = 'one'", "@dataclass(frozen=True)", "Tap.depth must be a whole number, got"),
        (
            "depth: int = field(init=False)",
            "@dataclass(frozen=True)",
            "must be one that a spec",
        ),
    ],
)
def test_a_class_whose_fields_no_spec_can_set_is_refused(body, decorator, sentence):
    body = body.replace("Missing = 1", "'Missing' = 1") if not decorator else body
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Registry("tool", Bounded).register("tap", entry(body, decorator))


def test_what_is_no_class_of_the_kind_is_refused():
    for other in (Kettle, METHODS["elr"](), "elr", None, len):
        with pytest.raises(ValueError, match=r"^the method 'tap' must be a subclass of Method"):
            METHODS.register("tap", other)


def test_class_variables_and_bare_subclasses_are_entries():
    kitchen = Registry("tool", Bounded, tap=entry("sides: ClassVar[int] = 3", ""))
    kitchen.register("sink", entry("sides: 'ClassVar[int]' = 3", ""))
    kitchen.register("pot", entry("depth: 'Fraction' = 0.5"))
    assert kitchen.spec(kitchen.build("pot(depth=1)")) == "pot(depth=1.0)"


def test_whole_numbers_become_fractions_where_the_field_is_one():
    built = Registry("tool", Bounded, kettle=Kettle).build("kettle(litres=2)")
    assert type(built.litres) is float
    assert type(built.cups) is int
    assert METHODS.spec(METHODS.build("elr(weight=7)")) == "elr(weight=7.0)"
    assert METHODS.full(METHODS.build("elr(weight=3)")) == METHODS.full(METHODS.build("elr"))


def test_minus_zero_is_zero():
    assert METHODS.full(METHODS.build("elr(beta=-0.0)")) == "elr(beta=0.0, weight=3.0)"


def test_an_infinite_value_is_refused_because_no_spec_could_say_it():
    for value in (math.inf, 10**400):
        with pytest.raises(ValueError, match=r"^Kettle.litres must be a number in \[0, inf\), got"):
            Kettle(litres=value)


def test_text_is_text():
    assert Kettle(litres=1.0, owner="them").owner == "them"
    for value in (1, None, True):
        with refused(f"Kettle.owner must be text, got {value!r}"):
            Kettle(litres=1.0, owner=value)


def test_a_field_of_an_unforeseen_type_is_a_mistake_of_the_programmer():
    @dataclass(frozen=True)
    class Sink(Bounded):
        depth: list

    with pytest.raises(TypeError, match=r"^field 'depth' must be float, int, bool, str or Literal"):
        Sink([1])


@pytest.mark.parametrize("spec", ["symmetric(rate=0)", "asymmetric(rate=0.0)", "clean"])
def test_noise_at_rate_zero_is_no_noise(spec):
    assert NOISES.build(spec) == Clean()
    assert NOISES.spec(NOISES.build(spec)) == "clean"


def test_noise_above_rate_zero_keeps_its_name():
    assert NOISES.spec(NOISES.build("asymmetric(rate=1e-9)")) == "asymmetric(rate=1e-09)"
    assert NOISES.spec(NOISES.build("symmetric(rate=1)")) == "symmetric(rate=1.0)"
