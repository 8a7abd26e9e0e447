"""Files are replaced whole, and none that is the user's."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from benchmarks import outputs
from benchmarks.errors import RefusedError
from benchmarks.outputs import (
    WritingError,
    adopt_files,
    read_manifest,
    refuse_foreign_files,
    replaced_files,
    write_atomically,
)

OLD = {"table.csv": b"old", "gone.png": b"old", "figures/one.png": b"old", "figures/x/y": b"old"}
NEW = {"table.csv": b"new", "figures/one.png": b"new", "figures/two.png": b"new", "more/a": b"new"}
USERS = {"notes.txt": b"mine", "figures/mine.xlsx": b"mine"}


def put(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def contents(folder):
    """Every file that a user sees, by its path."""
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    names = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    return {name: data for name, data in names.items() if not name.startswith(".")}


def make(folder, files, **options):
    with replaced_files(folder, "audit", **options) as new:
        put(new, files)


def hidden(folder):
    return {path.name for path in folder.iterdir() if path.name.startswith(".")}


@pytest.fixture
def folder(tmp_path):
    """A folder that a run has written, to which a user has added files."""
    make(tmp_path / "out", OLD)
    put(tmp_path / "out", USERS)
    return tmp_path / "out"


def test_a_new_run_replaces_what_a_former_one_wrote_and_nothing_else(folder):
    make(folder, NEW, title="of digits")
    assert contents(folder) == NEW | USERS
    assert not (folder / "figures" / "x").exists()  # it has become empty
    manifest = read_manifest(folder, "audit")
    assert (manifest.title, manifest.names()) == ("of digits", set(NEW))
    assert hidden(folder) == {".audit-files.json", ".audit-files.lock"}


def test_a_run_may_add_to_what_former_ones_wrote(folder):
    make(folder, NEW, adds=True)
    assert contents(folder) == OLD | NEW | USERS
    make(folder, {"table.csv": b"newest"})
    assert contents(folder) == {"table.csv": b"newest"} | USERS


def failed(new):
    put(new, NEW)
    raise KeyError


def test_what_an_error_ends_leaves_all_as_it_was(folder, tmp_path):
    before = contents(folder)
    for place in (folder, tmp_path / "new" / "deeper"):
        with pytest.raises(KeyError), replaced_files(place, "audit") as new:
            failed(new)
    assert contents(folder) == before
    assert hidden(folder) == {".audit-files.json", ".audit-files.lock"}
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["notes.txt", "figures/mine.xlsx"])
def test_a_file_of_the_users_in_the_way_is_named_and_kept(folder, name):
    before = contents(folder)
    with pytest.raises(RefusedError, match=f"{name} is in the way: it is a file that `audit` did"):
        refuse_foreign_files(folder, "audit", [name, "table.csv"])
    with pytest.raises(RefusedError, match=f"{name} is in the way"):
        make(folder, NEW | {name: b"new"})
    assert contents(folder) == before


@pytest.mark.parametrize("name", ["table.csv", "gone.png"])  # made again, and not made again
def test_a_file_that_was_changed_since_is_the_users(folder, name):
    put(folder, {name: b"changed by hand"})
    before = contents(folder)
    with pytest.raises(RefusedError, match=f"{name} was changed since `audit` wrote it"):
        make(folder, NEW)
    assert contents(folder) == before
    (folder / name).unlink()
    make(folder, NEW)
    assert contents(folder) == NEW | USERS


def test_a_file_of_the_users_that_is_the_same_is_left_and_stays_theirs(folder):
    make(folder, {"notes.txt": b"mine", "table.csv": b"new"})
    assert read_manifest(folder, "audit").names() == {"table.csv"}
    make(folder, {})
    assert contents(folder) == USERS


@pytest.mark.parametrize("name", ["table.csv", "figures"])
def test_a_link_is_in_the_way_and_is_never_followed(folder, tmp_path, name):
    elsewhere = tmp_path / "elsewhere"
    put(elsewhere, {"one.png": b"old", "table.csv": b"old"})
    path = folder / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to(elsewhere / "table.csv" if name == "table.csv" else elsewhere)
    with pytest.raises(RefusedError, match=f"{name} is in the way: it is a link"):
        make(folder, NEW)
    make(folder, {"else": b"new"}, adds=True)
    assert contents(elsewhere) == {"one.png": b"old", "table.csv": b"old"}
    assert path.is_symlink()


def test_a_folder_that_is_a_link_is_written_to_where_it_leads(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    make(tmp_path / "link", NEW)
    assert (tmp_path / "link").is_symlink()
    assert contents(folder) == NEW | USERS


@pytest.mark.parametrize(("name", "other"), [("notes.txt/a", "notes.txt"), ("figures", "figures")])
def test_a_file_where_a_folder_belongs_and_a_folder_where_a_file_belongs(folder, name, other):
    with pytest.raises(RefusedError, match=f"{other} is in the way"):
        make(folder, {name: b"new"}, adds=True)


@pytest.mark.parametrize("text", ["{", "[]", '{"files": {"a": 1}}', "[" * 9000, "\x80\x81"])
def test_a_damaged_manifest_is_told(folder, text):
    (folder / ".audit-files.json").write_text(text, encoding="latin-1")
    with pytest.raises(RefusedError, match=r"audit-files.json.*: .*nothing else says"):
        make(folder, NEW)
    assert contents(folder) == OLD | USERS


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "", "a//x", "..\\x"])
def test_a_manifest_that_names_a_file_elsewhere_is_damaged(folder, tmp_path, name):
    put(tmp_path, {"x": b"old"})
    manifest = outputs.Manifest(files={name: outputs.sha256_of(tmp_path / "x")})
    outputs._write_manifest(folder, "audit", manifest)
    with pytest.raises(RefusedError, match=r"which is no file below its folder"):
        make(folder, NEW)
    assert (tmp_path / "x").exists()


def test_files_of_a_version_without_manifests_are_adopted_once(tmp_path):
    put(tmp_path, OLD | USERS)
    adopt_files(tmp_path, "audit", [*OLD, "missing", "../x", "x" * 300])
    adopt_files(tmp_path, "audit", USERS)
    make(tmp_path, NEW)
    assert contents(tmp_path) == NEW | USERS


class KilledError(BaseException):
    """The process ends here: nothing is cleared up."""


def killed_at(step, monkeypatch):
    """Let the step-th change of a folder be the last thing that happens."""
    count = iter(range(step))

    def counted(function):
        def call(*args, **options):
            if next(count, None) is None:
                raise KilledError
            return function(*args, **options)

        return call

    for owner, name in ((Path, "replace"), (Path, "unlink"), (Path, "mkdir"), (Path, "rmdir")):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))
    monkeypatch.setattr(outputs.shutil, "rmtree", counted(shutil.rmtree))
    return count


def test_a_kill_between_any_two_steps_leaves_each_file_old_or_new_and_known(tmp_path):
    for step in range(100):
        folder = tmp_path / str(step)
        make(folder, OLD)
        put(folder, USERS)
        with pytest.MonkeyPatch.context() as patch:
            count = killed_at(step, patch)
            try:
                make(folder, NEW)
            except KilledError:
                ended = False
            else:
                ended = next(count, None) is not None
        now = contents(folder)
        assert now.items() <= (OLD | USERS).items() | NEW.items()
        assert now.items() >= USERS.items()
        assert now.keys() >= (OLD.keys() & NEW.keys()) | USERS.keys()
        other = {"table.csv": b"newest", "figures/two.png": b"newest", "later": b"newest"}
        make(folder, other)
        assert contents(folder) == other | USERS
        if ended:
            break
    else:
        pytest.fail("it never ends")
    assert step > 10


def test_what_a_kill_left_is_removed_when_it_is_old(folder):
    old, young = folder / ".audit-new-1", folder / ".audit-new-2"
    put(old, NEW)
    put(young, NEW)
    os.utime(old, (0, 0))
    make(folder, NEW)
    assert not old.exists()
    assert young.exists()


def test_a_full_disk_is_told_of_the_place_that_the_file_would_have_had(folder):
    with pytest.raises(WritingError) as told, replaced_files(folder, "audit") as new:
        put(new, {"figures/one.png": b"new", "figures": b"a folder is there"})
    assert told.value.filename == str(folder / "figures")
    with pytest.raises(WritingError) as told, replaced_files(folder, "audit"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert told.value.filename == str(folder)
    with pytest.raises(FileNotFoundError), replaced_files(folder, "audit"):
        (folder / "nowhere").read_bytes()  # is no fault of writing
    assert contents(folder) == OLD | USERS


@pytest.mark.parametrize("place", ["file/out", "file"])
def test_a_folder_that_cannot_be_made_is_named(tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(WritingError) as told:
        make(tmp_path / place, NEW)
    assert told.value.filename == str(tmp_path / place)


def test_a_file_that_cannot_be_written_is_named_by_its_final_place(tmp_path):
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / "missing" / "file"):
        with pytest.raises(WritingError) as told:
            write_atomically(path, b"x")
        assert told.value.filename == str(path)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    long = tmp_path / ("a" * 250)
    write_atomically(long, b"x", b"y")
    assert long.read_bytes() == b"xy"


@pytest.mark.parametrize("step", ["write", "fsync", "replace", "after"])
def test_a_fault_at_any_step_of_a_write_leaves_the_old_file_or_the_new_one(
    tmp_path, monkeypatch, step
):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fault(*_args, **_kwargs):
        raise OSError("fault")

    if step == "write":
        monkeypatch.setattr("pathlib.Path.open", fault)
    elif step == "replace":
        monkeypatch.setattr("pathlib.Path.replace", fault)
    else:
        real, calls = os.fsync, []

        def fsync(number):
            calls.append(number)
            if len(calls) == (1 if step == "fsync" else 2):
                fault()
            real(number)

        monkeypatch.setattr("os.fsync", fsync)
    with pytest.raises(OSError, match="fault"):
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == (b"new" if step == "after" else b"old")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
