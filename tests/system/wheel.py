"""Build the wheel of the last commit, install it without the checkout, and run a tiny suite.

Run as ``python -m tests.system.wheel``. What lies about in the checkout plays no part: the wheel is
made of what git tracks, and used from a folder elsewhere, by the program that it installs.
"""

import importlib.util
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGED = ("benchmarks", "methods", "run_all.py")
META = ("pyproject.toml", "README.md", "LICENSE")
PROGRAM = "noisy-label-bench"
SUITE = """# Two methods, one noise.
dataset = ["digits"]
noise = ["symmetric(rate=0.4)"]
method = ["cross_entropy", "elr"]
model = ["mlp"]
recipe = ["small(epochs=2)"]
seed = [0]
"""
REPORT = ("report.md", "report.html", "ranking.tex", "values.tex", "figures/forest.svg")


def git(*arguments: str) -> bytes:
    """Return what git prints."""
    command = ["git", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout


def built(folder: Path) -> Path:
    """Build the wheel in a folder and return its path."""
    with tarfile.open(fileobj=io.BytesIO(git("archive", "HEAD", *PACKAGED, *META))) as archive:
        archive.extractall(folder / "source", filter="data")
    # With setuptools at hand nothing is downloaded.
    here = ["--no-build-isolation"] if importlib.util.find_spec("setuptools") else []
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder]
    subprocess.run([*command, *here, folder / "source"], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def tracked() -> set[str]:
    """Return the paths that git tracks in what is packaged, but for pages about the code."""
    listed = git("ls-tree", "-r", "--name-only", "HEAD", *PACKAGED).decode()
    return {name for name in listed.splitlines() if not name.endswith(".md")}


def differences(wheel: Path) -> Iterator[str]:
    """Yield how the files and the needs of the wheel differ from what git tracks."""
    with zipfile.ZipFile(wheel) as archive:
        paths = {name for name in archive.namelist() if ".dist-info/" not in name}
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        stated = HeaderParser().parsestr(archive.read(metadata).decode())
    yield from (f"the wheel lacks {name}" for name in sorted(tracked() - paths))
    for name in sorted(paths - tracked()):
        yield f"the wheel has {name}, which git does not track"
    project = tomllib.loads(git("show", "HEAD:pyproject.toml").decode())["project"]
    groups = project["optional-dependencies"]
    written = stated.get_all("Requires-Dist", [])
    needs = len(project["dependencies"]) + sum(map(len, groups.values()))
    if len(written) != needs:
        yield f"the wheel states {len(written)} requirements, pyproject.toml {needs}"
    if (extras := stated.get_all("Provides-Extra", [])) != list(groups):
        yield f"the wheel has the extras {extras}"


def used(wheel: Path, folder: Path) -> Iterator[str]:
    """Install the wheel in a folder, run a suite from another, and yield what went wrong."""
    target, elsewhere = folder / "installed", folder / "elsewhere"
    elsewhere.mkdir()
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, "--target", target, wheel], check=True)
    (elsewhere / "tiny.toml").write_text(SUITE, encoding="utf-8")
    scripts = target / ("Scripts" if os.name == "nt" else "bin")
    program = [str(next(scripts.glob(f"{PROGRAM}*")))]
    module = [sys.executable, "-m", "benchmarks"]
    yield from _said(program, ["--version"], target, elsewhere, PROGRAM)
    yield from _said(program, ["--help"], target, elsewhere, f"Usage: {PROGRAM} COMMAND")
    yield from _said(module, ["--help"], target, elsewhere, "Usage: python -m benchmarks COMMAND")
    yield from _said(program, ["nonsense"], target, elsewhere, f"{PROGRAM}: no verb", code=2)
    where = [sys.executable, "-c", "import benchmarks; print(benchmarks.__file__)"]
    yield from _said(where, [], target, elsewhere, str(target))
    yield from _said(program, ["tiny.toml", "--out", "out"], target, elsewhere, "report.html")
    for name in REPORT:
        path = elsewhere / "out" / "report" / name
        if not (path.is_file() and path.stat().st_size):
            yield f"the installed program wrote no {name}"
    yield from _said(module, ["status", "out"], target, elsewhere, "2")


def _said(
    program: list[str], words: list[str], target: Path, elsewhere: Path, wanted: str, code: int = 0
) -> Iterator[str]:
    """Run a program that knows of no checkout, and yield how its words or its code are others."""
    known = {"PYTHONPATH": str(target), "HOME": str(elsewhere), "COLUMNS": "100"}
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONSTARTUP"}
    done = subprocess.run(
        [*program, *words],
        cwd=elsewhere,
        env=environment | known,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    if done.returncode != code or wanted not in said:
        yield f"{' '.join([*program, *words])} ended with {done.returncode}, saying:\n{said}"


def main() -> int:
    """Print what is wrong with the wheel; return 1 if anything is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = built(folder)
        faults = [*differences(wheel), *used(wheel, folder)]
    for fault in faults:
        print(fault)
    print(f"wheel: {'installed and used elsewhere' if not faults else f'{len(faults)} faults'}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
