"""Build the wheel of the last commit and compare its files with those that git tracks there.

Run as ``python -m tests.system.wheel``. What lies about in the checkout plays no part.
"""

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGED = ("benchmarks", "methods", "run_all.py")
META = ("pyproject.toml", "README.md", "LICENSE")


def git(*arguments: str) -> bytes:
    """Return what git prints."""
    command = ["git", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout


def built(folder: Path) -> set[str]:
    """Build the wheel in a folder and return the paths in it, without its metadata."""
    with tarfile.open(fileobj=io.BytesIO(git("archive", "HEAD", *PACKAGED, *META))) as archive:
        archive.extractall(folder / "source", filter="data")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder]
    subprocess.run([*command, folder / "source"], check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def tracked() -> set[str]:
    """Return the paths that git tracks in what is packaged, but for pages about the code."""
    listed = git("ls-tree", "-r", "--name-only", "HEAD", *PACKAGED).decode()
    return {name for name in listed.splitlines() if not name.endswith(".md")}


def main() -> int:
    """Print how the two differ; return 1 if they do."""
    with tempfile.TemporaryDirectory() as folder:
        paths = built(Path(folder))
    missing, extra = tracked() - paths, paths - tracked()
    for name in sorted(missing):
        print(f"the wheel lacks {name}")
    for name in sorted(extra):
        print(f"the wheel has {name}, which git does not track")
    print(f"wheel: {len(paths)} files")
    return 1 if missing or extra else 0


if __name__ == "__main__":
    sys.exit(main())
