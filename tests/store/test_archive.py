"""Archives of arrays, read as numpy and zipfile read them."""

import zipfile

import numpy as np
import pytest

from benchmarks.store import archive

ARRAYS = {
    "a": np.arange(12.0).reshape(3, 4),
    "flags": np.array([True, False]),
    "none": np.empty((0, 5), np.int16),
}


@pytest.fixture
def path(tmp_path):
    np.savez(tmp_path / "part.npz", **ARRAYS)
    return tmp_path / "part.npz"


@pytest.mark.parametrize("comment", [b"", b"which puts the directory's end elsewhere"])
def test_arrays_are_those_that_were_written(path, comment):
    with zipfile.ZipFile(path, "a") as file:
        file.comment = comment
    found = {name: archive.array(body) for name, body in archive.members(path).items()}
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_an_archive_cut_anywhere_or_with_a_byte_changed_is_refused_or_the_same(path):
    whole, expected = path.read_bytes(), archive.members(path)
    for place in range(0, len(whole), 7):
        for bad in (whole[:place], whole[:place] + b"~" + whole[place + 1 :]):
            path.write_bytes(bad)
            try:
                found = archive.members(path)
            except archive.DAMAGES:
                continue
            # what is not checked says nothing about the arrays: times, attributes
            assert list(found.values()) == list(expected.values())


def test_compressed_archives_are_refused(tmp_path):
    np.savez_compressed(tmp_path / "small.npz", **ARRAYS)
    with pytest.raises(zipfile.BadZipFile, match="bad member"):
        archive.members(tmp_path / "small.npz")


def test_a_member_is_checked_when_it_is_asked_for(path):
    whole = path.read_bytes()
    number = np.float64(11).tobytes()  # the last of "a"
    assert whole.count(number) == 1
    path.write_bytes(whole.replace(number, np.float64(12).tobytes()))
    found = archive.Archive(path)
    assert sorted(found) == sorted(ARRAYS)
    assert "a" in found
    np.testing.assert_array_equal(archive.array(found["flags"]), ARRAYS["flags"])
    with pytest.raises(zipfile.BadZipFile, match=r"bad member a\.npy"):
        found["a"]
    with pytest.raises(zipfile.BadZipFile, match=r"bad member a\.npy"):
        archive.members(path)
