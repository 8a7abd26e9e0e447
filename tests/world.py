"""A world of their own for all tests: environment, home, caches, temporary and current folder.

Every test starts in an empty current folder, with an empty home and the same environment, whatever
the user's are, and so do the programs that it starts. A test that opens a file of the user's fails,
and so does one that writes anywhere but to folders of its own: `tests/guard.py` watches.

A plugin of pytest, which the checkout's `conftest.py` loads, so that doctests are under it too.
"""

import contextlib
import json
import os
import shutil
import signal
import site
import sys
import tempfile
from multiprocessing.util import Finalize
from pathlib import Path

import pytest
from hypothesis import configuration

from tests.guard import FOREIGN, NOTES, READ, RULES, WRITE, ForeignFileError, Guard, both_names

KEPT = {
    *("PATH", "PATHEXT", "SYSTEMROOT", "WINDIR", "COMSPEC", "USER", "LOGNAME"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV", "CONDA_PREFIX"),
    *("PYTHONHOME", "PYTHONHASHSEED", "PYTHONDONTWRITEBYTECODE"),
    "CUDA_VISIBLE_DEVICES",  # the accelerators that a scheduler has lent to this user
}
KEPT_PREFIXES = ("PYTEST_", "MALLOC_", "NVIDIA_")
"""Environment variables that tests see as the user has set them."""

TOOL_CACHES = (
    *(".pytest_cache", ".hypothesis", ".benchmarks"),
    *(".mypy_cache", ".ruff_cache", ".import_linter_cache"),
)
COMMITTED = ("README.md", "baseline", "reference", "published")
"""What a test may read of the checkout's ``results``."""

SITECUSTOMIZE = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("tests_guard", {guard!r})
guard = importlib.util.module_from_spec(spec)
spec.loader.exec_module(guard)
guard.guard_this_program()
sys.path[:] = [path for path in sys.path if path != {here!r}]
this = sys.modules.pop("sitecustomize")
try:
    import sitecustomize  # the one of this Python, which this file hides
except ImportError:
    sys.modules["sitecustomize"] = this
"""
"""What every Python that a test starts does before its program."""

GUARD = Guard()
"""Of this process."""

WORLD = pytest.StashKey()
BEFORE, LEFT = pytest.StashKey(), pytest.StashKey()


class World:
    """The folders and the environment that tests have for their own."""

    def __init__(self, root, folder, shared):
        self.folder, self.home, self.here = folder, folder / "home", folder / "here"
        self.notes, self.rules_file = folder / "notes", folder / "rules.json"
        for name in ("home", "here", "tmp", "site"):
            (folder / name).mkdir()
        self.notes.touch()
        _write_sitecustomize(folder / "site")
        self.real_data = _real_data(root)
        self.rules = _rules(root, self.real_data) | both_names({str(shared): WRITE})
        self.environment = _kept() | {
            "HOME": str(self.home),
            "USERPROFILE": str(self.home),
            "XDG_CACHE_HOME": str(self.home / ".cache"),
            "TMPDIR": str(folder / "tmp"),
            "PYTEST_DEBUG_TEMPROOT": tempfile.gettempdir(),  # of tmp_path, which outlives the tests
            "MPLCONFIGDIR": str(shared / "matplotlib"),
            "NOISY_LABELS_DATA": str(folder / "data"),
            "HYPOTHESIS_STORAGE_DIRECTORY": str(root / ".hypothesis"),
            "OMP_NUM_THREADS": "1",
            "PYTHONUSERBASE": site.getuserbase(),
            "PYTHONPATH": os.pathsep.join(
                [str(folder / "site"), str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
            ),
            RULES: str(self.rules_file),
            NOTES: str(self.notes),
        }
        self.say_rules({})

    def say_rules(self, changed):
        """Give this process and those that it starts the rules."""
        self.rules |= changed
        GUARD.follow(dict(self.rules))
        self.rules_file.write_text(json.dumps(GUARD.rules), encoding="utf-8")

    @contextlib.contextmanager
    def entered(self):
        """Live in this world, guarded."""
        before, folder, temporary = dict(os.environ), Path.cwd(), tempfile.tempdir
        self.renew()
        GUARD.active = True
        try:
            yield
        finally:
            GUARD.active = False
            _become(before)
            os.chdir(folder)
            tempfile.tempdir = temporary

    def renew(self):
        """Empty the home and the current folder, and take back what was changed otherwise."""
        if os.environ != self.environment:
            _become(self.environment)
        tempfile.tempdir = str(self.folder / "tmp")
        os.chdir(self.here)
        for folder in (self.home, self.here):
            for path in folder.iterdir():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()
        if (torch := sys.modules.get("torch")) is not None:
            torch.manual_seed(0)

    def refuse_what_was_broken(self):
        """Fail the test that runs if it, or a program that it started, broke a rule."""
        broken, GUARD.broken = GUARD.broken, []
        if self.notes.stat().st_size:
            broken += self.notes.read_text(encoding="utf-8").splitlines()
            self.notes.write_text("", encoding="utf-8")
        if broken:
            pytest.fail("\n".join(dict.fromkeys(broken)), pytrace=False)


def _real_data(root):
    """Return the folder of the image files that a developer keeps."""
    return Path(os.environ.get("NOISY_LABELS_DATA") or root.parent / "shared" / "data").absolute()


def _kept():
    return {k: v for k, v in os.environ.items() if k in KEPT or k.startswith(KEPT_PREFIXES)}


def _become(environment):
    os.environ.clear()
    os.environ.update(environment)


def _rules(root, data):
    """Return what may be done where; a folder without a rule is read only."""
    foreign = [*_of_the_user(), data, root / "results", root / "data"]
    rules = both_names({str(path): FOREIGN for path in foreign if path != Path(path.anchor)})
    for name in ("/dev", "/proc"):
        rules[name] = WRITE
    return (
        rules
        | both_names({str(root): READ})
        | both_names({str(path): FOREIGN for path in (root / "results", root / "data")})
        | both_names({str(root / "results" / name): READ for name in COMMITTED})
        | both_names({str(root / name): WRITE for name in TOOL_CACHES})
    )


def _of_the_user():
    """Return the user's home and caches, whatever the environment says of them."""
    home = Path.home()
    homes = {home}
    with contextlib.suppress(ImportError, KeyError):
        import pwd  # noqa: PLC0415  there is none on Windows

        homes.add(Path(pwd.getpwuid(os.getuid()).pw_dir))
    return [*homes, Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache").absolute()]


def _write_sitecustomize(folder):
    guard = Path(__file__).with_name("guard.py")
    text = SITECUSTOMIZE.format(guard=str(guard), here=str(folder))
    (folder / "sitecustomize.py").write_text(text, encoding="utf-8")


def _names(root):
    """Return the names in the folders that users fill."""
    caches = _of_the_user()[-1]
    folders = (root / "results", root / "data", caches / "noisy-label-bench")
    return {path for folder in folders for path in folder.glob("*")}


# ------------------------------------------------------------------------------- pytest's hooks


def pytest_configure(config):
    shared = getattr(config, "workerinput", {}).get("world")
    folder = Path(tempfile.mkdtemp(prefix="world-", dir=shared)).resolve()
    config.stash[WORLD] = World(config.rootpath, folder, Path(shared or folder))
    config.stash[BEFORE] = _names(config.rootpath)
    configuration.set_hypothesis_home_dir(config.rootpath / ".hypothesis")
    GUARD.install()
    if hasattr(signal, "SIGHUP"):  # under nohup it is ignored, and so it would be in every child
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if hasattr(config.option, "benchmark_storage"):  # which it makes wherever one stands
        config.option.benchmark_storage = str(config.rootpath / ".benchmarks")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """Lend the caches of the session to a worker of xdist."""
    node.workerinput["world"] = str(node.config.stash[WORLD].folder)


@pytest.fixture(scope="session", autouse=True)
def _temporary_folder(pytestconfig, tmp_path_factory):
    """Let tests write where tmp_path is, and to what the workers of a session share there."""
    GUARD.active = False
    folder = tmp_path_factory.getbasetemp()
    if hasattr(pytestconfig, "workerinput"):
        folder = folder.parent
    pytestconfig.stash[WORLD].say_rules(both_names({str(folder): WRITE}))
    GUARD.active = True


@pytest.fixture
def real_data(pytestconfig):
    """The image files that a developer keeps: for reading, where they are there."""
    world = pytestconfig.stash[WORLD]
    if not world.real_data.is_dir():
        pytest.skip(f"no folder {world.real_data.name} of image files")
    world.say_rules(both_names({str(world.real_data): READ}))
    yield world.real_data
    world.say_rules(both_names({str(world.real_data): FOREIGN}))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(collector):
    """Import a file of tests in their world; to look for files is pytest's own business."""
    if not isinstance(collector, pytest.File):
        return (yield)
    with collector.config.stash[WORLD].entered():
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    """Run each test in a world that nobody was in before."""
    with item.config.stash[WORLD].entered():
        return (yield)


def _checked(item):
    """Fail a test that broke a rule, whatever became of it."""
    try:
        result = yield
    except ForeignFileError:  # which says so itself, and where
        GUARD.broken = []
        raise
    except BaseException:
        item.config.stash[WORLD].refuse_what_was_broken()
        raise
    item.config.stash[WORLD].refuse_what_was_broken()
    return result


_around = pytest.hookimpl(wrapper=True, tryfirst=True)(_checked)
pytest_runtest_setup = pytest_runtest_call = pytest_runtest_teardown = _around


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    """Fail where a program that is no Python, which has no guard, left something."""
    config = session.config
    if hasattr(config, "workerinput"):
        return
    config.stash[LEFT] = sorted(map(str, _names(config.rootpath) - config.stash[BEFORE]))
    if config.stash[LEFT]:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, exitstatus, config):
    """Say what was left with the user, and how to have the same order of tests again."""
    if left := config.stash.get(LEFT, []):
        terminalreporter.write_line(f"while the tests ran, these were made: {', '.join(left)}")
    seed = config.getoption("randomly_seed", None)
    if exitstatus and seed is not None:
        terminalreporter.write_line(f"the order of the tests: --randomly-seed={seed}")


def pytest_unconfigure(config):
    """Take the world away, after what multiprocessing keeps in it."""
    if WORLD in config.stash:
        folder = config.stash[WORLD].folder
        Finalize(None, shutil.rmtree, args=[folder, True], exitpriority=-1000)
