"""The one door: what is read from outside, and in which words the rest is refused."""

import io
import os
import pickle
import socket
import struct
import time
import zipfile

import msgspec
import numpy as np
import pytest

from benchmarks.inputs import (
    InputError,
    decode_json,
    decode_toml,
    read_arrays,
    read_bytes,
    read_table,
    read_text,
)

pytestmark = pytest.mark.timeout(60)  # a pipe that is waited for


def npy(array, **options):
    block = io.BytesIO()
    np.save(block, array, **options)
    return block.getvalue()


def header(text):
    """A .npy file with such a header, and 40 bytes behind it."""
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("latin1") + bytes(40)


def claim(shape, descr="'<i8'"):
    return header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n")


def npz(compression=zipfile.ZIP_STORED, **members):
    block = io.BytesIO()
    with zipfile.ZipFile(block, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return block.getvalue()


def refused(read, path, *words):
    """Ask for one sentence, after little work, that begins with the path."""
    begin = time.process_time()
    with pytest.raises(InputError) as caught:
        read(path)
    assert time.process_time() - begin < 5  # seconds, of which a full collection takes one
    said = str(caught.value)
    assert said.startswith(str(path))
    assert "\n" not in said
    assert not [word for word in words if word not in said], said


# ---------------------------------------------------------------------------- files


def test_a_pipe_a_device_a_socket_and_a_directory_are_refused_at_once(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    refused(read_bytes, tmp_path / "pipe", "a regular file is needed, and this is a pipe")
    refused(read_bytes, tmp_path, "this is a directory")
    refused(read_bytes, "/dev/zero", "this is a device")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # its name must be short
        server.bind("s")
        refused(read_bytes, "s", "this is a socket")


def test_a_file_that_is_absent_large_or_oddly_named_is_refused(tmp_path):
    refused(read_bytes, tmp_path / "absent", "cannot be read: No such file")
    refused(read_bytes, tmp_path / ("x" * 300), "cannot be read: File name too long")
    with pytest.raises(InputError, match="cannot be read: embedded null"):
        read_bytes("a\0b")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(300 * 2**20)
    refused(read_bytes, tmp_path / "large", "at most 256 MiB")
    refused(read_text, tmp_path / "large", "at most 64 MiB")
    (tmp_path / "small").write_bytes(b"12345")
    assert read_bytes(tmp_path / "small", 5) == b"12345"
    with pytest.raises(InputError, match="at most 4 bytes"):
        read_bytes(tmp_path / "small", 4)


def test_text_is_utf_8_with_or_without_a_mark(tmp_path):
    (tmp_path / "t").write_bytes(b"\xef\xbb\xbfa\xc3\xa9")
    assert read_text(tmp_path / "t") == "a\xe9"
    (tmp_path / "t").write_bytes(b"one\ntwo\n\xff")
    refused(read_text, tmp_path / "t", "line 3", "UTF-8", "0xff")


def test_an_error_survives_the_way_from_another_process():
    error = InputError("x.csv", "is no CSV", "line 3")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - ours
    assert str(copy) == str(error) == "x.csv, line 3: is no CSV"


def test_a_path_of_thousands_of_letters_is_quoted_by_its_first_ones():
    assert len(str(InputError("x" * 5000, "is no CSV"))) < 600


# ---------------------------------------------------------------------------- arrays


DAMAGED = bytearray(npz(zipfile.ZIP_DEFLATED, a=npy(np.arange(999))))
DAMAGED[60:90] = bytes(30)
LISTED = npz(zipfile.ZIP_DEFLATED, a=npy(np.arange(99)))  # its directory begins behind PK12
PLACE = LISTED.index(b"PK\x01\x02") + 24
BOMB = LISTED[:PLACE] + struct.pack("<I", 4_000_000_000) + LISTED[PLACE + 4 :]
ARRAYS = {
    "empty": (b"", "is empty"),
    "text": (b"3\n5\n", "is no array of numpy"),
    "cut": (npy(np.arange(9))[:-1], "claims an array of 72 bytes", "holds 71"),
    "long": (npy(np.arange(9)) + b"x", "holds 73"),
    "huge": (claim((100_000_000_000_000,)), "claims an array of 800,000,000,000,000 bytes"),
    "many of nothing": (claim((2**60,), "'<U0'"), "claims"),
    "negative": (claim((-5,)), "impossible shape"),
    "flag": (claim((True, 5)), "impossible shape"),
    "nested": (header("-" * 9_000 + "1"), "is no array of numpy"),
    "brackets": (header("(" * 9_000), "is no array of numpy"),
    "header": (header("'"), "is no array of numpy"),
    "type": (claim((5,), "[('a', '<i8'), ('a', '<i8')]"), "is no array of numpy"),
    "objects": (npy(np.array([1, "x"], object), allow_pickle=True), "Python objects"),
    "fields": (claim((5,), "[('a', '|O')]"), "Python objects"),
    "archive cut": (npz(a=npy(np.arange(9)))[:-30], "is damaged"),
    "archive bytes": (bytes(DAMAGED), "is damaged"),
    "archive bad sum": (npz(a=npy(np.arange(9))).replace(b"\x07", b"\x08"), "is damaged"),
    "archive pickle": (npz(a=b"\x80\x04N."), "array 'a'", "is no array of numpy"),
    "archive bomb": (BOMB, "at most 10,000 arrays of 256 MiB", "one has 1 of 4,000,000,000 bytes"),
    "archive lzma": (npz(zipfile.ZIP_LZMA, a=npy(np.arange(9))), "compression 14"),
    "archive claim": (npz(a=claim((2**50,))), "array 'a'", "claims"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_a_file_that_holds_no_arrays_is_refused_before_memory_is_taken(tmp_path, name):
    content, *words = ARRAYS[name]
    (tmp_path / "x.npz").write_bytes(content)
    refused(read_arrays, tmp_path / "x.npz", *words)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_with_two_arrays_of_a_name_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", npy(np.arange(9)))
        archive.writestr("a.npy", npy(np.arange(8)))
    refused(read_arrays, tmp_path / "x.npz", "two arrays 'a'")


def test_arrays_are_what_numpy_reads(tmp_path):
    arrays = {
        "ints": np.arange(12).reshape(3, 4),
        "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        "words": np.array(["a", "bcd"]),
        "fields": np.array([(1, 2.5)], [("a", "<i8"), ("b", "<f4")]),
        "one": np.float32(3),
        "none": np.zeros((0, 3)),
    }
    np.savez_compressed(tmp_path / "x.npz", **arrays)
    read = read_arrays(tmp_path / "x.npz")
    assert {name: one.tolist() for name, one in read.items()} == {
        name: one.tolist() for name, one in arrays.items()
    }
    assert [one.dtype for one in read.values()] == [
        np.asarray(one).dtype for one in arrays.values()
    ]
    assert all(one.flags.writeable for one in read.values())
    np.save(tmp_path / "x.npy", arrays["fortran"])
    assert read_arrays(tmp_path / "x.npy")[""].tolist() == arrays["fortran"].tolist()


# ---------------------------------------------------------------------------- records


class Place(msgspec.Struct, forbid_unknown_fields=True):
    seed: list[int]
    rate: float | None = None


JSON = {
    "{": "is not JSON",
    "\xff": "is not JSON",
    '{"seed": [NaN]}': "is not JSON",
    "[" * 100_000: "is expected here, not a list",
    '{"seed": ' + "[" * 100_000: "expected here, not a list",
    '{"seed": [' + "9" * 5_000 + "]}": "seed[0]: ",
    '{"seed": [1e400]}': "seed[0]: ",
    "[1]": "a table is expected here, not a list",
    '{"seed": [1, "2"]}': "seed[1]: a whole number is expected here, not a text",
    '{"seed": [true]}': "seed[0]: a whole number is expected here, not true or false",
    '{"seed": [], "rate": "x"}': "rate: a decimal number or nothing is expected here, not a text",
    '{"seed": [], "sed": 1}': "unknown key 'sed'; did you mean 'seed'?",
    '{"seed": [], "\u2028\\n": 1}': "unknown key",
    "{}": "missing key 'seed'",
}


@pytest.mark.parametrize("text", JSON, ids=range(len(JSON)))
def test_json_of_another_shape_is_refused_with_the_place(text):
    refused(
        lambda path: decode_json(text.encode("latin1", "replace"), Place, path), "x", JSON[text]
    )


def test_json_that_is_only_nested_is_refused():
    for kind in (object, dict[str, object], list[object]):
        refused(lambda path, kind=kind: decode_json(b"[" * 10**6, kind, path), "x")
    refused(lambda path: decode_json(b"[" * 10**6, object, path), "x", "nested too deeply")


TOML = {
    "seed": "is not TOML",
    "seed = " + "[" * 10_000: "nested too deeply",
    "seed = " + "{a = " * 10_000: "nested too deeply",
    "seed = [" + "9" * 5_000 + "]": "is not TOML: Exceeds the limit",
    "a." * 500_000 + "a = 1": "line 1: at most 1,000 dots",
    ("a." * 900 + "a = 1\n") * 500: "at most 1,000 dots",
    "seed = [1, '2']": "seed[1]: a whole number is expected here, not a text",
    "seed = [2.0]": "seed[0]: a whole number is expected here, not a decimal number",
    "seed = [1979-05-27]": "seed[0]: a whole number is expected here",
    "seed = [1]\nseed = [2]": "is not TOML: Cannot overwrite a value",
    "seed = []\n\x07": "is not TOML",
    "seed = []\nsede = 1": "unknown key 'sede'; did you mean 'seed'?",
    "#" * 9_000_000: "TOML of at most 8 MiB",
}


@pytest.mark.parametrize("text", TOML, ids=range(len(TOML)))
def test_toml_of_another_shape_is_refused_with_the_place(text):
    refused(lambda path: decode_toml(text, Place, path), "x.toml", TOML[text])


def test_records_are_typed():
    assert decode_json(b'{"seed": [3], "rate": 1}', Place, "x") == Place([3], 1.0)
    assert decode_toml(b"\xef\xbb\xbfseed = [3]", Place, "x") == Place([3])
    refused(lambda path: decode_toml(b"a = 1\nb = '\xff'", Place, path), "x", "line 2", "UTF-8")


# ---------------------------------------------------------------------------- tables


def table(tmp_path, content):
    (tmp_path / "x.csv").write_bytes(content)
    return read_table(tmp_path / "x.csv")


def test_a_table_is_read_by_the_rules_of_the_format(tmp_path):
    text = b'\xef\xbb\xbf"position", note,given\r\n1,"3, 8, or\n5",7\r\n\r\n"2","a ""b""",\r\n'
    read = table(tmp_path, text)
    assert read.header == ("position", "note", "given")
    assert read.rows == [("1", "3, 8, or\n5", "7"), ("2", 'a "b"', "")]
    assert read.lines == [2, 5]
    assert read.column("given") == ["7", ""]
    with pytest.raises(KeyError):
        read.column("label")
    assert str(read.fault(1, "is odd")) == f"{tmp_path / 'x.csv'}, line 5: is odd"


TABLES = {
    b"": "has no rows",
    b"\n \n": "has no rows",
    b"position,given\n": "has no rows",
    b"given,note,given\n1,2,3\n": "line 1: names the column 'given' twice",
    b"position,given\n1,2\n\n1,2,3\n": "line 4: a row of 3 where the header has 2 fields",
    b"position,given\n1\n": "line 2: a row of 1 where",
    b'position,given\n1,"2\n3,4\n': "line 2: is no CSV: unexpected end of data",
    b'position,given\n1,"2"2\n': "line 2: is no CSV",
    b"position,given\n1,\x002\n": "line 2: text must hold no zero bytes",
    b"a\n" + b"x" * 200_000: "line 2: is no CSV: field larger",
}


@pytest.mark.parametrize("content", TABLES, ids=range(len(TABLES)))
def test_a_table_with_two_readings_is_refused_with_its_line(tmp_path, content):
    (tmp_path / "x.csv").write_bytes(content)
    refused(read_table, tmp_path / "x.csv", TABLES[content])


def test_a_table_too_large_for_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.inputs.tables.FIELDS", 8)
    assert len(table(tmp_path, b"a,b\n" + b"1,2\n" * 3).rows) == 3
    (tmp_path / "x.csv").write_bytes(b"a,b\n" + b"1,2\n" * 4)
    refused(read_table, tmp_path / "x.csv", "at most 8 fields")
    (tmp_path / "x.csv").write_bytes(b"a\n" * 9)
    refused(read_table, tmp_path / "x.csv", "at most 8 fields")
