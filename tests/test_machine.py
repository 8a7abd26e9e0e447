"""How many workers a machine is given, and what it need not have: other systems lack modules."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import joblib
import pytest

import benchmarks
import methods
from benchmarks import free_memory, processes
from benchmarks.launch.progress import announce
from benchmarks.launch.request import Request
from benchmarks.launch.session import prepare
from tests.system.runs import contents, run

SOURCES = [
    path
    for package in (benchmarks, methods)
    for path in sorted(Path(package.__path__[0]).rglob("*.py"))
]
GIB = 2**30


def memory_of(tmp_path, monkeypatch, files):
    """The free memory of a machine whose system says this."""
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(free_memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(free_memory, "CONTROL_GROUPS", tmp_path)
    return free_memory.free_memory()


MACHINE = {"meminfo": "MemTotal: 9 kB\nMemAvailable:    8388608 kB\nBuffers: 1 kB\n"}
GROUP = {"memory.max": f"{4 * GIB}\n", "memory.current": f"{3 * GIB}\n"}
OLD = {"memory/memory.limit_in_bytes": f"{2 * GIB}", "memory/memory.usage_in_bytes": f"{3 * GIB}"}


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, None),
        ({"meminfo": "MemTotal: 9 kB\n"}, None),
        (MACHINE, 8 * GIB),
        (MACHINE | GROUP, GIB),
        (MACHINE | GROUP | {"memory.stat": f"anon 1\ninactive_file {GIB}\n"}, 2 * GIB),
        (MACHINE | {"memory.max": "max\n", "memory.current": "1\n"}, 8 * GIB),
        (GROUP, GIB),
        (MACHINE | OLD, 0),
        (MACHINE | OLD | {"memory/memory.stat": f"total_inactive_file {2 * GIB}\n"}, GIB),
    ],
)
def test_free_memory_is_that_of_the_machine_or_of_its_container(tmp_path, monkeypatch, files, free):
    assert memory_of(tmp_path, monkeypatch, files) == free


@pytest.mark.parametrize(
    ("cores", "free", "number", "why"),
    [
        (4, None, 4, "one for each core"),
        (4, 64 * GIB, 4, "one for each core"),
        (64, 2 * GIB, 3, "2.0 GiB of memory are free, 600 MiB for each, on 64 cores"),
        (2, 0, 1, "0.0 GiB of memory are free"),
    ],
)
def test_workers_are_as_many_as_cores_and_memory_allow(monkeypatch, cores, free, number, why):
    monkeypatch.setattr(joblib, "cpu_count", lambda: cores)  # which knows quotas of containers
    monkeypatch.setattr(processes, "free_memory", lambda: free)
    chosen = processes.choose_workers()
    assert chosen.number == number
    assert why in chosen.why


@pytest.mark.parametrize(
    ("workers", "free", "said"),
    [
        (None, 1, "4 to train on cpu in 1 process (0.0 GiB of memory are free, 600 MiB for each"),
        (None, None, "4 to train on cpu in 3 processes (one for each core that may be used)"),
        (2, 1, "4 to train on cpu in 2 processes (as asked for)"),
        (9, 1, "4 to train on cpu in 4 processes (one for each cell to train)"),
    ],
)
def test_a_run_says_first_how_many_processes_it_takes_and_why(
    tmp_path, monkeypatch, capsys, workers, free, said
):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 3)
    monkeypatch.setattr(processes, "free_memory", lambda: free)
    request = Request(
        methods=["cross_entropy"], noises=["clean"], seeds=[0, 1, 2, 3], device="cpu",
        out=tmp_path / "out", workers=workers,
    )  # fmt: skip
    announce(prepare(request), "cell")
    assert said in capsys.readouterr().out.splitlines()[0]


def test_workers_that_are_started_anew_train_the_same_bytes(tmp_path, monkeypatch):
    """As on macOS and Windows, where no server forks them."""
    small = ["--methods", "cross_entropy", "--noises", "clean", "--recipes", "small(epochs=2)"]
    small += ["--seeds", "0", "--no-report", "--workers", "1"]
    assert run(*small, "--out", tmp_path / "forked")[0] == 0
    monkeypatch.setattr(processes, "FORKS", False)
    assert processes.worker_context(processes.TRAINING).get_start_method() == "spawn"
    code, _, err = run(*small, "--out", tmp_path / "spawned")
    assert code == 0, err
    assert contents(tmp_path / "spawned") == contents(tmp_path / "forked")


POSIX_MODULES = {
    *("resource", "fcntl", "pwd", "grp", "termios", "tty", "pty", "syslog", "curses"),
    *("posix", "crypt", "readline", "nis", "spwd"),
}
POSIX_NAMES = {
    "os": {
        *("fork", "forkpty", "getuid", "geteuid", "getgid", "setsid", "killpg", "getpgid", "uname"),
        *("sched_getaffinity", "sched_setaffinity", "sysconf", "statvfs", "mkfifo", "chown"),
        *("getloadavg", "nice", "wait", "wait3", "wait4", "waitid", "setuid", "posix_fadvise"),
        *("O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "fchown", "fchmod", "lchown"),
    },
    "signal": {
        *("SIGHUP", "SIGKILL", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGCHLD", "SIGQUIT"),
        *("alarm", "setitimer", "getitimer", "pthread_sigmask", "sigwait", "siginterrupt", "pause"),
    },
    "time": {"tzset", "clock_getres", "pthread_getcpuclockid"},
}
GUARDS = ("hasattr", "getattr", "platform", "os.name", "FORKS", "ImportError", "AttributeError")
"""What stands in the source of a condition, or of a handler, that asks for a system's means."""


def guarded(tree):
    """The nodes that run only where something was asked of the system."""

    def asks(*nodes):
        return any(word in ast.unparse(node) for node in nodes for word in GUARDS)

    for node in ast.walk(tree):
        bodies = []
        if isinstance(node, ast.Try) and asks(*node.handlers):
            bodies = node.body
        elif isinstance(node, ast.If | ast.IfExp) and asks(node.test):
            bodies = [node]
        elif isinstance(node, ast.FunctionDef):  # what follows an early return
            for place, line in enumerate(node.body):
                leaves = isinstance(line, ast.If) and isinstance(line.body[-1], ast.Return)
                if leaves and asks(line.test):
                    bodies = node.body[place:]
                    break
        yield from (inner for body in bodies for inner in ast.walk(body))


def posix_names(node):
    """The modules, and the names in modules, that a node needs and Windows lacks."""
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names} & POSIX_MODULES
    if isinstance(node, ast.ImportFrom):
        names = {alias.name for alias in node.names} & POSIX_NAMES.get(node.module, set())
        return names | {node.module} & POSIX_MODULES
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return {node.attr} & POSIX_NAMES.get(node.value.id, set())
    return set()


def needs_posix(source):
    """The lines of a source that only Linux and macOS can run, and that ask for neither."""
    tree = ast.parse(source)
    found = [(node, name) for node in ast.walk(tree) for name in sorted(posix_names(node))]
    safe = {id(node) for node in guarded(tree)} if found else set()
    return [f"line {node.lineno}: {name}" for node, name in found if id(node) not in safe]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: "/".join(path.parts[-2:]))
def test_what_only_some_systems_have_is_asked_for_first(path):
    assert needs_posix(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import resource", ["line 1: resource"]),
        ("try:\n    import resource\nexcept ImportError:\n    resource = None", []),
        ("try:\n    import fcntl\nexcept OSError:\n    pass", ["line 2: fcntl"]),
        ("import os\nos.sched_getaffinity(0)", ["line 2: sched_getaffinity"]),
        ("import os\nif hasattr(os, 'getuid'):\n    os.getuid()", []),
        ("from signal import SIGHUP", ["line 1: SIGHUP"]),
        ("def f():\n    if os.name != 'posix':\n        return\n    os.getuid()", []),
    ],
)
def test_the_search_for_such_lines_finds_them(source, found):
    assert needs_posix(source) == found


ELSEWHERE = """
import importlib, os, pkgutil, signal, sys
import joblib, matplotlib, pandas, scipy.stats, sklearn.datasets, torch, torchvision  # theirs
import cyclopts, filelock, msgspec, pebble, rich, seaborn
for name in {modules!r}:
    sys.modules[name] = None
for owner, names in {names!r}.items():
    for name in names:
        if name not in {kept!r} and hasattr(sys.modules[owner], name):
            delattr(sys.modules[owner], name)
import benchmarks, methods
for package in (benchmarks, methods):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        # Ray and Slurm have less, too; trackers import libraries that are extras.
        if not module.name.endswith(("__main__", ".ray", ".slurm", ".mlflow", ".wandb")):
            importlib.import_module(module.name)
from benchmarks import processes
assert processes.peak_memory() is None
assert processes.choose_workers().number >= 1
from benchmarks.cli.app import main
sys.exit(main(["ls", "recipes"]))
"""


def test_every_module_is_imported_where_the_system_has_less():
    # Others of these names are in use by Python itself, on Linux.
    kept = {
        "fork",
        "wait",
        "waitid",
        "getuid",
        "geteuid",
        "uname",
        "SIGALRM",
        "O_CLOEXEC",
        "sysconf",
    }
    owners = {name: sorted(names) for name, names in POSIX_NAMES.items()}
    code = ELSEWHERE.format(modules=sorted(POSIX_MODULES - {"posix"}), names=owners, kept=kept)
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
