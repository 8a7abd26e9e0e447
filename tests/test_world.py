"""Tests own their world: what a test may not touch, tried in a small checkout with its user."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

HERE = Path(__file__).parent
JUNK = {
    "COLUMNS": "3",
    "LC_ALL": "C",
    "MPLBACKEND": "TkAgg",
    "NO_COLOR": "1",
    "OMP_NUM_THREADS": "7",
    "PYTHONIOENCODING": "ascii",
    "PYTHONWARNINGS": "ignore",
}
"""What a user may have set."""

BREAKS = {
    "reads_results": "(ROOT / 'results/default/results.csv').read_text()",
    "lists_results": "os.listdir(ROOT / 'results')",
    "reads_data": "open(ROOT / 'data/images')",
    "reads_the_home": "os.open(USER / 'diary', os.O_RDONLY)",
    "reads_the_cache": "list(os.scandir(USER / 'cache'))",
    "reads_real_images": "(USER / 'images/one').read_bytes()",
    "writes_to_the_checkout": "(ROOT / 'new').write_text('')",
    "makes_a_folder": "(ROOT / 'new').mkdir()",
    "writes_what_is_committed": "(ROOT / 'results/reference/table.csv').open('a')",
    "renames": "(ROOT / 'results/default').rename(ROOT / 'results/other')",
    "moves_into": "(HERE / 'new').touch(); (HERE / 'new').rename(ROOT / 'new')",
    "removes": "(ROOT / 'data/images').unlink()",
    "removes_a_folder": "shutil.rmtree(ROOT / 'results/default')",
    "links": "(ROOT / 'new').symlink_to(HERE)",
    "writes_beside_the_checkout": "(ROOT.parent / 'new').touch()",
    "hides_it": "contextlib.suppress(Exception).__enter__(); hidden(ROOT / 'data/images')",
    "lets_a_program_do_it": "program(f'open({str(ROOT / \"data/images\")!r})')",
    "lets_a_process_do_it": "process(ROOT / 'data/images')",
}
MAY = {
    "reads_the_tables": "(ROOT / 'results/reference/table.csv').read_text()",
    "reads_the_page": "(ROOT / 'results/README.md').read_text()",
    "reads_the_code": "(ROOT / 'conftest.py').read_text()",
    "writes_in_the_current_folder": "Path('results').mkdir(); program('open(\"new\", \"w\")')",
    "hears_nothing_but_its_program": "assert program('1 / 1').stderr == b''",
    "writes_to_its_home": "(Path.home() / '.config').mkdir()",
    "writes_temporary_files": "tempfile.TemporaryFile().close()",
    "changes_its_environment": "os.environ.update(COLUMNS='9', HOME='/'); os.chdir('/')",
}
FILE = """
import contextlib, multiprocessing, os, shutil, subprocess, sys, tempfile
from pathlib import Path
import pytest

ROOT, USER, HERE = Path(__file__).parents[1], Path({user!r}), Path("x").absolute().parent

def hidden(path):
    with contextlib.suppress(Exception):
        open(path)

def program(text):
    return subprocess.run([sys.executable, "-c", text], check=False, capture_output=True)

def process(path):
    child = multiprocessing.get_context("forkserver").Process(target=hidden, args=(path,))
    child.start()
    child.join()

@pytest.fixture(autouse=True)
def as_new():
    assert os.listdir() == os.listdir(Path.home()) == []
    assert Path.cwd() == HERE
    assert not {{"COLUMNS", "LC_ALL", "MPLBACKEND", "NO_COLOR"}} & set(os.environ)
    assert os.environ["OMP_NUM_THREADS"] == "1"
    assert Path(tempfile.gettempdir()).parent == Path.home().parent == HERE.parent
    assert USER not in [Path.home(), *Path.home().parents]
    assert not Path(os.environ["NOISY_LABELS_DATA"]).exists()

@pytest.fixture
def broken():
    (ROOT / "data/images").read_text()

def test_in_a_fixture(broken):
    pass

def test_real_images_are_read(real_data):
    assert (real_data / "one").read_bytes() == b"1"

def test_real_images_are_read_only(real_data):
    (real_data / "one").write_bytes(b"2")
"""


def user_in(folder):
    """Make a home with a cache, images and a checkout that was used; return (home, checkout)."""
    user, root = folder / "user", folder / "user" / "checkout"
    for name in (
        *("diary", "cache/rates", "images/one", "checkout/data/images"),
        *("checkout/results/default/results.csv", "checkout/results/reference/table.csv"),
        *("checkout/results/README.md", "checkout/tests/__init__.py"),
    ):
        path = user / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1" if name == "images/one" else "")
    shutil.copy(HERE.parent / "conftest.py", root)
    for name in ("guard.py", "world.py"):
        shutil.copy(HERE / name, root / "tests")
    (root / "pytest.ini").write_text("[pytest]\npythonpath = .\naddopts = --doctest-modules")
    return user, root


def run(user, root, *args, **environment):
    """Run the tests of the checkout; return the outcome of each and what was printed."""
    report = user.parent / "report.xml"
    users = JUNK | {
        "HOME": str(user),
        "XDG_CACHE_HOME": str(user / "cache"),
        "NOISY_LABELS_DATA": str(user / "images"),
        "PYTEST_DEBUG_TEMPROOT": str(user.parent),
    } | environment  # fmt: skip
    users = {name: value for name, value in (os.environ | users).items() if value is not None}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", f"--junitxml={report}"]
    done = subprocess.run(
        [*command, *args, root],
        check=False,
        cwd="/",
        env=users,
        capture_output=True,
        text=True,
    )
    cases = {
        case.get("name").removeprefix("test_"): [found.tag for found in case]
        for case in ET.parse(report).iter("testcase")  # noqa: S314  we have written it
    }
    return done.returncode, cases, done.stdout


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    user, root = user_in(tmp_path_factory.mktemp("of_the_user"))
    text = FILE.format(user=str(user))
    for name, program in (BREAKS | MAY).items():
        text += f"\n\ndef test_{name}():\n    {program}\n"
    (root / "tests/test_all.py").write_text(text)
    (root / "doctested.py").write_text(f'"""\n>>> open({str(root / "data/images")!r})\n"""\n')
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    code, cases, out = run(user, root)
    after = {path: path.read_bytes() for path in before}
    assert (code, after) == (1, before), out
    return cases, out


@pytest.mark.parametrize(
    "name", [*BREAKS, "in_a_fixture", "real_images_are_read_only", "doctested"]
)
def test_a_test_that_touches_what_is_the_users_fails(outcomes, name):
    cases, out = outcomes
    assert cases[name] in (["failure"], ["error"])
    assert re.search(r"a test (reads|writes) \S+, which is not its own: use tmp_path", out)


@pytest.mark.parametrize("name", [*MAY, "real_images_are_read"])
def test_a_test_has_a_world_of_its_own_which_nobody_was_in_before(outcomes, name):
    assert outcomes[0][name] == []


def test_programs_that_leave_something_with_a_user_of_no_home_fail_the_session(tmp_path):
    user, root = user_in(tmp_path)
    text = """
        import subprocess
        from pathlib import Path

        def test_leave():
            subprocess.run(["touch", Path(__file__).parents[1] / "data" / "left"], check=True)
    """
    (root / "tests/test_leave.py").write_text(textwrap.dedent(text))
    code, cases, out = run(user, root, HOME=None)
    assert (code, cases) == (1, {"leave": []})
    assert f"these were made: {root / 'data/left'}" in out
