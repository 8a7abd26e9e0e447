"""What a machine without a network needs: the source, wheels, and images in parts.

``python -m tests.gpu.bundle --data FOLDER`` writes ``build/gpu-bundle/gpu-1.tar`` and so on, each
smaller than what such a machine takes at a time. Unpacked into one folder, in any order, they are a
checkout of the last commit with its images in ``data`` and its wheels in ``wheels``.
"""

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
WHEELS = Path(__file__).with_name("wheels.txt")
PYTHON = "3.12"
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")

LIMIT = 64
"""MiB that a machine takes at a time."""

COMMIT = "tests/gpu/commit.txt"
REFERENCE, KEPT = "results/reference/", "results/reference/default/"
"""Committed runs are large; the script compares with this one's tables."""

IMAGES = (
    *("MNIST/raw/*.gz", "FashionMNIST/raw/*.gz"),
    *("cifar-10-batches-py/*", "CIFAR-10_human.pt"),
    *("load_packed.py", "cifar10/*"),
)
"""The files of a data folder that are taken along: as torchvision keeps them, or packed anew."""

BLOCK = 512
"""Bytes of a header in a tar file, of which every content is a multiple, and two at the end."""

File = tuple[str, bytes | Path]
"""A name in the bundle, and what it holds."""


class TooLargeError(ValueError):
    """Raised where a file does not fit into a part by itself."""


def source() -> Iterator[File]:
    """Yield the files of the last commit, without committed runs that nothing is compared with."""
    git = ["git", "-C", str(ROOT)]
    packed = subprocess.run([*git, "archive", "HEAD"], check=True, capture_output=True).stdout
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True).stdout
    yield COMMIT, commit
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            table = member.name.startswith(KEPT) and "/" not in member.name.removeprefix(KEPT)
            if member.isfile() and (table or not member.name.startswith(REFERENCE)):
                content = archive.extractfile(member)
                assert content is not None
                yield member.name, content.read()


def wheels(folder: Path) -> Iterator[File]:
    """Download the wheels of the list; none, and a note why, where that cannot be."""
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    options = ["--no-deps", "--only-binary=:all:", "--implementation", "cp", "--require-hashes"]
    command = [sys.executable, "-m", "pip", "download", "-q", "--python-version", PYTHON]
    command += [*platforms, *options, "-d", str(folder), "-r", str(WHEELS)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        last = (ran.stderr.strip().splitlines() or ["it says nothing"])[-1]
        print(f"note: no wheels, as pip could not download them: {last}", file=sys.stderr)
    for path in sorted(folder.glob("*.whl")):
        yield f"wheels/{path.name}", path


def images(data: Path) -> Iterator[File]:
    """Yield the image files of a data folder, smaller sets first."""
    for pattern in IMAGES:
        for path in sorted(data.glob(pattern)):
            if path.is_file():
                yield f"data/{path.relative_to(data).as_posix()}", path


def parts(files: Iterable[File], limit: int) -> list[list[File]]:
    """Fill one part after another, each as far as it goes.

    Raises:
        TooLargeError: a file is larger than a part.
    """
    filled: list[tuple[int, list[File]]] = []
    for name, content in files:
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        whole = BLOCK * (3 + -(-size // BLOCK))  # a long name has a header and a block of its own
        if whole + tarfile.RECORDSIZE > limit:
            most = f"a part holds at most {limit / 2**20:.1f} MiB"
            raise TooLargeError(f"{most}, and {name} has {size / 2**20:.1f}")
        place = next((i for i, (used, _) in enumerate(filled) if used + whole <= limit), None)
        if place is None:
            filled.append((tarfile.RECORDSIZE, []))
            place = len(filled) - 1
        used, own = filled[place]
        filled[place] = used + whole, [*own, (name, content)]
    return [own for _, own in filled]


def write(files: Iterable[File], folder: Path, limit: int) -> list[Path]:
    """Write the parts, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("gpu-*.tar"):
        old.unlink()
    written = []
    for number, part in enumerate(parts(files, limit), 1):
        written.append(folder / f"gpu-{number}.tar")
        with tarfile.open(written[-1], "w", format=tarfile.PAX_FORMAT) as archive:
            for name, content in part:
                _add(archive, name, content)
        assert written[-1].stat().st_size <= limit, f"{written[-1]} is larger than {limit} bytes"
    return written


def _add(archive: tarfile.TarFile, name: str, content: bytes | Path) -> None:
    info = tarfile.TarInfo(name)
    data = content if isinstance(content, bytes) else content.read_bytes()
    info.size, info.mode = len(data), 0o644
    archive.addfile(info, io.BytesIO(data))


def main(argv: Sequence[str]) -> None:
    """Write the bundle and say what is in it."""
    parser = argparse.ArgumentParser(prog="python -m tests.gpu.bundle", description=__doc__)
    parser.add_argument("--data", type=Path, help="the folder of image files; none without it")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "gpu-bundle")
    parser.add_argument("--limit", type=float, default=LIMIT, help="MiB of a part")
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        files = [*source(), *wheels(Path(folder)), *(images(asked.data) if asked.data else ())]
        for path in write(files, asked.out, int(asked.limit * 2**20)):
            print(f"{path} ({path.stat().st_size / 2**20:.1f} MiB)")


if __name__ == "__main__":
    main(sys.argv[1:])
