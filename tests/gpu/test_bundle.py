"""The bundle for a machine without a network: small parts, and all that the script needs."""

import subprocess
import sys
import tarfile

import pytest

from tests.gpu import bundle


@pytest.fixture
def data(tmp_path):
    """A folder of image files, of which one is none of the sets that are taken along."""
    names = ("MNIST/raw/a.gz", "MNIST/raw/b.gz", "cifar-10-batches-py/data_batch_1", "notes.txt")
    for name in names:
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 20_000)
    return tmp_path / "data"


def test_no_part_is_larger_than_the_limit_and_together_they_hold_everything(data, tmp_path):
    files = list(bundle.images(data))
    limit = 700 * 2**10
    written = bundle.write(files, tmp_path / "out", limit)
    assert len(written) > 1
    assert all(path.stat().st_size <= limit for path in written)
    held = []
    for path in written:
        with tarfile.open(path) as part:
            held += part.getnames()
    assert sorted(held) == sorted(name for name, _ in files)
    assert "data/notes.txt" not in held


def test_a_file_that_fits_no_part_is_refused(data):
    with pytest.raises(bundle.TooLargeError, match=r"most 0\.4 MiB, and .*data_batch_1 has 0\.6"):
        bundle.parts(bundle.images(data), 400 * 2**10)


@pytest.mark.soak
def test_the_first_part_unpacked_anywhere_runs_the_script(data, tmp_path):
    files = [*bundle.source(), *bundle.images(data)]
    names = {name for name, _ in files}
    assert "results/reference/default/results.csv" in names
    assert not [name for name in names if "/report/" in name and name.startswith("results/")]
    (part,) = bundle.write(files, tmp_path / "out", bundle.LIMIT * 2**20)
    there = tmp_path / "there"
    with tarfile.open(part) as archive:
        archive.extractall(there, filter="data")
    command = [sys.executable, "-m", "tests.gpu", "--toy", "--stages", "environment", "kernels"]
    ran = subprocess.run(command, cwd=there, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    commit = (there / bundle.COMMIT).read_text().strip()
    assert commit[:12] in (there / "gpu-findings" / "findings.jsonl").read_text()


def test_every_wheel_is_pinned_by_a_hash_and_no_host_is_named():
    lines = [line for line in bundle.WHEELS.read_text().splitlines() if not line.startswith("#")]
    assert lines
    assert all("==" in line and "--hash=sha256:" in line for line in lines)
    assert "://" not in bundle.WHEELS.read_text()
