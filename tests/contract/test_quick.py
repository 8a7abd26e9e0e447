"""What ``check`` finds in under a second, whatever uses a plugin refuses with the same words."""

import textwrap
import time

import pytest

from benchmarks import contract, plugins
from benchmarks.contract import CHECKS, QUICK, examine
from benchmarks.errors import RefusedError
from tests.system.runs import run

HEAD = """
from dataclasses import dataclass
import torch
import torch.nn.functional as F
from torch import nn
from benchmarks.datasets import DATASETS, Dataset
from benchmarks.datasets.base import Split
from benchmarks.models import MODELS, Model
from benchmarks.noise import NOISES, Noise
from methods import METHODS, Method
from methods.base import Stage

@dataclass(frozen=True)
"""
METHOD = """class Mine(Method, label="Mine"):
    def losses(self, logits, batch, state, epoch):
        return F.cross_entropy(logits, batch.label, reduction="none"), state
    {}
METHODS.register("mine", Mine)
"""
NOISE = """class Mine(Noise):
    rate: float = 0.2
    def matrix(self, space):
        c = space.num_classes
        eye = torch.eye(c, dtype=torch.float64)
        return (1 - self.rate) * eye + self.rate * eye.roll(1, 1)
    {}
NOISES.register("mine", Mine)
"""
DATASET = """class Mine(Dataset):
    num_classes, classes = 2, ("a", "b")
    published, shape = (100, 20), (1, 8, 8)
    mean, std = (127.5,), (74.0,)
    def load(self, root, seed):
        source = torch.Generator().manual_seed(0)
        def split(n):
            image = torch.randint(256, (n, 1, 8, 8), generator=source).to(torch.uint8)
            return Split(image, torch.arange(n) % 2)
        return split(100), split(20)
    {}
DATASETS.register("mine", Mine)
"""
MODEL = """class Mine(Model):
    def build(self, shape, num_classes):
        return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], num_classes))
    {}
MODELS.register("mine", Mine)
"""
AND = "\n@dataclass(frozen=True)\n"
OTHER_SPLITS = "def load(self, root, seed): return tuple(Split({}) for n in (100, 20))"
PIXELS = "torch.zeros(n, 1, 8, 8, dtype=torch.uint8)"
LABELS = "torch.arange(n) % 2"
FAULTS = {
    "stages of other epochs": (
        METHOD,
        "def stages(self, n): return [Stage(1), Stage(n)]",
        "of 2 ep",
    ),
    "an unknown privilege": (
        METHOD,
        "privileges = ('rates',)",
        "got ('rates',); did you mean 'rate'?",
    ),
    "no networks": (METHOD, "networks = 0", "Mine.networks must be at least 1, got 0"),
    "a loss that is not finite": (
        METHOD,
        "def loss(self, logits, *rest): return logits.sum() * float('nan'), rest[1]",
        "the loss is nan",
    ),
    "a mean in place of losses": (
        METHOD,
        "def losses(self, logits, batch, *rest): return F.cross_entropy(logits, batch.label), {}",
        "Mine.losses must return a loss for each example, of the shape (8,) for a batch of 8, got",
    ),
    "a loss of each pair of examples": (
        METHOD,
        "def losses(self, z, batch, *rest): return z.softmax(-1)[:, batch.label], {}",
        "of the shape (8,) for a batch of 8, got (8, 8)",
    ),
    "a forgotten state": (
        METHOD,
        "def losses(self, z, b, *_): return F.cross_entropy(z, b.label, reduction='none')",
        "Mine.losses must return a pair, the loss and the state, got a Tensor",
    ),
    "a forgotten return": (
        METHOD,
        "def losses(self, z, batch, *_): F.cross_entropy(z, batch.label)",
        "Mine.losses must return a pair, the loss and the state, got a NoneType",
    ),
    "a state that is none": (
        METHOD,
        "def loss(self, z, batch, *_): return F.cross_entropy(z, batch.label), None",
        "Mine.loss must return the state behind the loss, got a NoneType",
    ),
    "a loss of numpy": (
        METHOD,
        "def losses(self, z, *_): return z.numpy().mean(1), {}",
        "Mine.losses must return a tensor before the state, got a ndarray",
    ),
    "a hook that raises": (
        METHOD,
        "def init(self, task): return task.truth",
        "no attribute 'truth'",
    ),
    "a hook that exits": (
        METHOD,
        "def init(self, task): raise SystemExit(0)",
        "must not end the pr",
    ),
    "a hook that interrupts": (
        METHOD,
        "def init(self, task): raise KeyboardInterrupt",
        "Interrupt",
    ),
    "a hook that ends the process": (
        METHOD,
        "def init(self, task): import posix; posix._exit(0)",
        "it ended its process with exit code 0; what follows was not checked",
    ),
    "a hook that kills it": (
        METHOD,
        "def init(self, task): import os; os.kill(os.getpid(), 9)",
        "it ended its process with exit code -9; what follows was not checked",
    ),
    "a matrix of NaN": (
        NOISE,
        "def matrix(self, space): return torch.full((space.num_classes,) * 2, torch.nan).double()",
        "T has entries that are not finite",
    ),
    "a check that raises": (
        NOISE,
        "def check(self, space, seeds): return 1 / 0",
        "division by zero",
    ),
    "a check that refuses all": (
        NOISE,
        "def check(self, space, seeds): raise ValueError('too hot')",
        "it refuses each number of classes tried (2, 10, 4, 3, 5, 20, 100): ['too hot']",
    ),
    "images of floats": (DATASET, OTHER_SPLITS.format(f"{PIXELS}.float(), {LABELS}"), "not uint8"),
    "load misspelt": (DATASET.replace("load", "laod"), "", "Mine defines no load"),
    "matrix misspelt": (NOISE.replace("matrix", "matirx"), "", "Mine defines no matrix"),
    "build misspelt": (MODEL.replace("build", "bulid"), "", "Mine defines no build"),
    "images of numpy": (
        DATASET,
        OTHER_SPLITS.format(f"{PIXELS}.numpy(), {LABELS}"),
        "the images are a numpy.ndarray, not a torch.Tensor",
    ),
    "a list of labels": (
        DATASET,
        OTHER_SPLITS.format(f"{PIXELS}, ({LABELS}).tolist()"),
        "the labels are a list, not a torch.Tensor",
    ),
    "too few images": (
        DATASET,
        OTHER_SPLITS.format(f"{PIXELS}[:10], {LABELS}"),
        "the images have the shape (10, 1, 8, 8), declared is (100, 1, 8, 8)",
    ),
    "too few labels": (
        DATASET,
        OTHER_SPLITS.format(f"{PIXELS}, ({LABELS})[:9]"),
        "are 9 labels for",
    ),
    "no pair of splits": (DATASET, "def load(self, root, seed): return None", "load must return 2"),
    "other names than classes": (
        DATASET,
        "classes = ('a',)",
        "must be a tuple of num_classes diffe",
    ),
    "a deviation of zero": (
        DATASET,
        "std = (0,)",
        "Mine.std must be a number above 0 for each chan",
    ),
    "no shape": (
        DATASET.replace(", shape = (100, 20), (1, 8, 8)", " = (100, 20)"),
        "",
        "Mine.shape is",
    ),
    "no classes": (
        DATASET.replace('num_classes, classes = 2, ("a", "b")', "num_classes = 2"),
        "",
        "ses",
    ),
    "other logits": (
        MODEL.replace("num_classes))", "num_classes + 1))"),
        "",
        "5 images and 7 classes give (5, 8)",
    ),
    "images of no size": (
        MODEL,
        "def check(self, shape): raise ValueError('needs 500x500')",
        "needs 500x500",
    ),
}


@pytest.fixture
def plugin(tmp_path):
    def of(text, more="", name="mine.py"):
        path = tmp_path / name
        path.write_text(HEAD + text.format(more))
        return path

    return of


def test_the_quick_checks_are_some_of_all_and_take_no_second(plugin):
    paths = [plugin(METHOD), plugin(NOISE, "", "n.py"), plugin(DATASET, "", "d.py")]
    plugins.load(*paths, plugin(MODEL, "", "m.py"))
    began = time.process_time()
    assert len(contract.load(*paths)) == 3
    assert time.process_time() - began < 1
    for kind, checks in QUICK.items():
        assert CHECKS[kind][: len(checks)] == checks


@pytest.mark.parametrize(("text", "more", "sentence"), FAULTS.values(), ids=FAULTS)
def test_what_check_finds_is_refused_with_its_words(plugin, text, more, sentence):
    path = plugin(text, more)
    with pytest.raises(RefusedError) as caught:
        contract.load(path)
    if "it ended" in sentence:
        assert str(caught.value) == f"the method mine fails: {sentence}"
        return
    kind, name = plugins.load(path)[0]
    fault = next(finding.fault for finding in examine(kind, name) if finding.fault)
    assert str(caught.value) == f"the {kind} {name} fails: {fault}"
    assert sentence in fault
    assert len(fault.splitlines()) == 1
    if "def" in more and ("raise" in more or "1 / 0" in more or "truth" in more):
        line = (HEAD + text.format(more)).splitlines().index(f"    {more}") + 1
        assert f"mine.py:{line})" in fault or "ValueError" in more


@pytest.mark.parametrize(("split", "noun"), [(0, "training"), (1, "test")])
def test_a_class_without_images_is_in_doubt_and_trains(plugin, tmp_path, split, noun):
    given = f"Split({PIXELS}, torch.arange(n) % (1 if n == {(100, 20)[split]} else 2))"
    path = plugin(DATASET, OTHER_SPLITS.replace("Split({})", given))
    cell = ("--methods", "forward", "dual_t", "--noises", "asymmetric(rate=0.4)", "--seeds", 0)
    small = ("--recipes", "small(epochs=2)", "--workers", 1, "--no-report", "--device", "cpu")
    out = tmp_path / "out"
    code, _, err = run("--plugin", path, "--datasets", "mine", *cell, *small, "--out", out)
    assert code == 0, err
    doubts = [finding.doubt for finding in examine("dataset", "mine") if finding.doubt]
    assert doubts == [f"it has no {noun} image of 'b'"]


VERBS = (
    ("run", "--methods", "mine", "--out", "out"),
    ("plan", "--methods", "mine", "--out", "out"),
    ("suspects", "out"),
    ("relabel", "out", "reviewed.csv", "--out", "labels.npy"),
    ("data", "get", "digits"),
    ("data", "verify", "digits"),
    ("data", "info", "digits"),
    ("data", "noise", "digits", "clean", "--out", "noise"),
)


def test_every_verb_that_uses_a_plugin_refuses_it_with_the_same_words(
    plugin, tmp_path, monkeypatch
):
    path = plugin(METHOD, FAULTS["an unknown privilege"][1])
    monkeypatch.chdir(tmp_path)
    for verb in VERBS:
        code, out, err = run(*verb, "--plugin", "mine.py")
        assert (code, out) == (2, ""), verb
        assert err.startswith("run_all.py: the method mine fails: Mine.privileges must be a tuple")
        assert len(err.splitlines()) == 1
        assert list(tmp_path.iterdir()) == [path]


SIZED = textwrap.dedent("""
    def build(self, shape, num_classes):
        if shape[1] != {size}:
            raise ValueError(f"needs {size}x{size}, got {{shape[1]}}")
        return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] ** 2, num_classes))
""")


@pytest.mark.parametrize(("size", "code"), [(28, 2), (8, 0)])
def test_a_model_that_refuses_the_images_of_the_dataset_is_told_with_its_own_words(
    plugin, tmp_path, size, code
):
    path = plugin(MODEL, textwrap.indent(SIZED.format(size=size), "    "))
    args = ("plan", "--models", "mine", "--out", tmp_path / "out", "--plugin", path)
    found, _, err = run(*args)
    assert found == code, err
    if code:
        line = (HEAD + MODEL.format("x")).count("\n", 0, (HEAD + MODEL).index("{}")) + 4
        assert f"mine takes no images of digits: plugin {path}:{line} failed: " in err
        assert "needs 28x28, got 8" in err


def test_a_dataset_that_cannot_be_fetched_is_exit_code_5_with_its_line(plugin, tmp_path):
    offline = "def fetch(self, root): raise ConnectionError('no network')"
    absent = "def load(self, root, seed): raise FileNotFoundError(2, 'No such file', 'x.npz')"
    path = plugin(DATASET, f"{offline}\n    {absent}")
    for verb in (("run", "--datasets", "mine", "--out", tmp_path / "out"), ("data", "get", "mine")):
        code, out, err = run(*verb, "--plugin", path)
        assert code == 5
        assert "no network (mine.py:" in out + err
    assert not (tmp_path / "out" / "parts").exists()
    code, out, err = run("data", "verify", "mine", "--plugin", path)
    assert code == 5
    assert "No such file" in out + err


OTHER = """class Other(Method):
    privileges = ("magic",)
METHODS.register("other", Other)
"""
DYING = OTHER.replace(
    'privileges = ("magic",)', "def init(self, task): import os; os.kill(os.getpid(), 9)"
)
SHAPELESS = """class Shapeless(Dataset):
    num_classes, classes, published = 2, ("a", "b"), (100, 20)
DATASETS.register("shapeless", Shapeless)
"""


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_an_entry_that_fails_is_refused_where_it_is_used_and_else_told_in_a_line(
    plugin, tmp_path, verb
):
    path = plugin(METHOD + AND + OTHER)
    small = ("--noises", "clean", "--recipes", "small(epochs=2)", "--seeds", 0, "--workers", 1)
    small += ("--device", "cpu", *(["--no-report"] if verb == "run" else []))
    args = (verb, "--plugin", path, *small, "--out", tmp_path / "out")
    code, out, err = run(*args, "--methods", "mine")
    assert code == 0, err
    (line,) = (line for line in out.splitlines() if "magic" in line)
    assert line.startswith("the method other fails: Other.privileges must be a tuple of some of")
    assert line.endswith("; nothing here uses it")
    code, out, err = run(*args, "--methods", "mine", "other")
    assert (code, out) == (2, "")
    assert err == f"run_all.py: {line.removesuffix('; nothing here uses it')}\n"


def test_a_plugin_that_cannot_be_imported_is_refused_whatever_is_asked_for(plugin, tmp_path):
    path = plugin(METHOD, "x = 1 / 0")
    code, _, err = run("plan", "--plugin", path, "--methods", "elr", "--out", tmp_path / "out")
    assert code == 2
    assert "ZeroDivisionError" in err


def test_entries_that_nothing_uses_may_fail_as_badly_as_they_like(plugin, tmp_path):
    path = plugin(METHOD + AND + DYING + AND + SHAPELESS)
    assert set(contract.load_faulty(path)) == {("method", "other"), ("dataset", "shapeless")}
    args = ("--plugin", path, "--noises", "clean", "--seeds", 0, "--out", tmp_path / "out")
    code, out, err = run("plan", *args, "--methods", "mine")
    assert code == 0, err
    assert "; so does 1 more, and nothing here uses them" in out
    lent = ("--methods", "mine", "--noises", "open_set(rate=0.2, source='shapeless')")
    code, _, err = run("plan", *args[:2], *lent, "--out", tmp_path / "out")
    assert code == 2
    assert "the dataset shapeless fails: Shapeless.shape is not stated" in err


def test_what_a_folder_holds_uses_the_entries_that_its_cells_name(plugin, tmp_path):
    path = plugin(METHOD)
    args = ("--plugin", path, "--methods", "mine", "--noises", "clean", "--seeds", 0)
    small = ("--recipes", "small(epochs=2)", "--workers", 1, "--no-report", "--device", "cpu")
    out = tmp_path / "out"
    assert run("run", *args, *small, "--out", out)[0] == 0
    other = plugin(OTHER, "", "other.py")
    code, said, err = run("run", out, "--plugin", path, "--plugin", other, "--no-report")
    assert code == 0, err
    assert "the method other fails: " in said
