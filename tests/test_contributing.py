"""The complete examples of CONTRIBUTING.md pass every check and train, as they stand there."""

import re

import pytest

from benchmarks import plugins
from benchmarks.contract import examine, load
from tests.store.test_store import edit_plan
from tests.system.runs import ROOT, run

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLES = {
    name: text for text, name in re.findall(r"```python\n(# (my_\w+\.py)\n.*?)```", TEXT, re.DOTALL)
}
NAMES = {
    "my_method.py": ("method", "doubtful"),
    "my_noise.py": ("noise", "to_first"),
    "my_dataset.py": ("dataset", "stripes"),
    "my_model.py": ("model", "narrow"),
}
SUITE = re.search(r"```toml\n(# my_suite\.toml\n.*?)```", TEXT, re.DOTALL)[1]


@pytest.fixture
def folder(tmp_path):
    for name, text in EXAMPLES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_page_has_an_example_of_each_kind():
    assert EXAMPLES.keys() == NAMES.keys()


@pytest.mark.parametrize("name", NAMES)
def test_an_example_passes_every_check(folder, name):
    assert load(folder / name) == [NAMES[name]]
    assert [str(f) for f in examine(*NAMES[name]) if f.fault or f.doubt] == []


def test_a_suite_names_its_plugins_and_trains_with_them_from_any_folder(
    folder, tmp_path_factory, monkeypatch
):
    suite, out = folder / "mine.toml", folder / "out"
    suite.write_text(SUITE)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    code, text, err = run("plan", suite, "--out", out)
    assert code == 0, err
    assert "8 planned, 0 done, 8 to do" in text
    code, text, err = run("run", suite, "--out", out, "--no-report")
    assert code == 0, err
    rows = (out / "results.csv").read_text()
    assert "doubtful(power=0.2)" in rows
    assert str(folder) not in rows


def test_a_folder_whose_plugin_is_not_given_names_it(folder, monkeypatch):
    suite, out = folder / "mine.toml", folder / "out"
    suite.write_text(SUITE)
    monkeypatch.chdir(folder)
    code, _, err = run("run", "mine.toml", "--out", out, "--no-report")
    assert code == 0, err
    options = (
        "--plugin my_method.py --plugin my_noise.py --plugin my_dataset.py --plugin my_model.py"
    )
    plan = (out / "plan.json").read_text()
    edit_plan(out, "narrow", "gone")
    code, _, err = run("run", out, *options.split())  # what is given is not asked for
    assert (code, "unknown model 'gone'" in err, "add --plugin" in err) == (2, True, False)
    (out / "plan.json").write_text(plan)
    for kind, name in NAMES.values():  # as in a process that has not loaded them
        plugins.REGISTRIES[kind].withdraw(name)
    for verb in (("suspects", out), ("run", out)):
        code, _, err = run(*verb)
        assert code == 2
        assert f"; add {options}" in err


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("plugin = ['none.py']", "no plugin file "),
        ("plugin = 'mine.py'", "plugin"),
        ("plugin = [1]", "plugin"),
    ],
)
def test_a_suite_whose_plugin_is_none_is_refused(folder, line, sentence):
    suite = folder / "mine.toml"
    suite.write_text(line + SUITE.partition("]")[2])
    code, _, err = run("plan", suite)
    assert code == 2
    assert sentence in err
    assert len(err.splitlines()) == 1
