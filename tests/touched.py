"""Run the tests that the changes since the last commit touch: ``python -m tests.touched``.

A changed module touches the tests that import it or have its name; where there are none, those in
the folder that mirrors its own.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EACH = Path("tests/test_tree.py")
SLOW = ("tests/speed/", "tests/system/", "tests/device/")
SECONDS = 45
"""How long tests may go on; many methods on many cells take longer, and `make check` runs them."""


def changed() -> list[Path]:
    """Return the files that are new or differ from the last commit."""
    commands = ("git diff --name-only HEAD", "git ls-files --others --exclude-standard")
    runs = [subprocess.check_output(line.split(), cwd=ROOT, text=True) for line in commands]
    return [Path(name) for text in runs for name in text.splitlines() if (ROOT / name).is_file()]


def touched(path: Path, tests: dict[Path, str]) -> set[Path]:
    """Return the tests, of a text each, that a change of this file touches."""
    if path in tests:
        return {path}
    *package, name = path.with_suffix("").parts
    parent = re.escape(".".join(package))
    imports = re.compile(rf"^\s*(from|import) {parent}(\.| import .*\b){name}\b", re.MULTILINE)
    related = {t for t, text in tests.items() if imports.search(text) or t.stem == f"test_{name}"}
    if related and package[:1] != ["methods"]:  # methods are tested by being registered
        return related
    folder = Path("tests", *package[package[:1] != ["methods"] :])
    while not (ROOT / folder).is_dir():
        folder = folder.parent
    return related | {test for test in tests if folder in test.parents and folder.name != "tests"}


class Stopped:
    """A plugin that notes whether the time was over before the tests were."""

    in_time = True

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo) -> None:
        """Look at what has interrupted the session."""
        self.in_time = "session-timeout" not in str(excinfo.value)


def main() -> int:
    """Run them in two processes, as long as there is time, and return the exit code."""
    paths = (path.relative_to(ROOT) for path in ROOT.glob("tests/**/test_*.py"))
    tests = {path: (ROOT / path).read_text() for path in paths if not str(path).startswith(SLOW)}
    chosen = {EACH}.union(*(touched(path, tests) for path in changed()))
    options = ["-q", "-x", "-n", "2", "--benchmark-disable", "--session-timeout", str(SECONDS)]
    stopped = Stopped()
    code = pytest.main([*options, *map(str, sorted(chosen))], plugins=[stopped])
    return code if stopped.in_time else 0


if __name__ == "__main__":
    sys.exit(main())
