"""Files that the suite writes: each whole or not at all, and never over a file of the user's.

A verb replaces only files that a former run of it wrote and that nobody changed since. The
manifest ``.VERB-files.json`` in their folder says which those are: their names, with the SHA-256 of
each.
"""

import contextlib
import errno
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

import filelock
import msgspec

from benchmarks.errors import RefusedError
from benchmarks.inputs import InputError, decode_json, read_bytes, sha256_of

STALE_SECONDS = 3600.0
"""A file or folder that is unfinished and older belongs to a run that was killed."""

FULL = {errno.ENOSPC, errno.EROFS, errno.EFBIG, *([errno.EDQUOT] if os.name == "posix" else [])}
"""The numbers of errors that only writing has."""

LONGEST_PREFIX = 40
"""The letters of a file's name that its temporary file has, whose own name is longer."""


class WritingError(OSError):
    """A file or a folder that cannot be written: the number, the words and the path."""

    @classmethod
    def at(cls, path: Path, error: OSError) -> "WritingError":
        """Return the error of this path; the system names a temporary file, or none."""
        return cls(error.errno or errno.EIO, error.strerror or str(error), str(path))


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name what is written here by ``path`` where the system refuses it."""
    try:
        yield
    except WritingError:
        raise
    except OSError as error:
        raise WritingError.at(path, error) from error


def refuse_unwritable(path: Path, error: Exception) -> None:
    """Raise ``WritingError`` for an error of a download that is the disk's and no network's."""
    unwritable = {errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, *FULL}
    if isinstance(error, OSError) and error.errno in unwritable:
        raise WritingError.at(path, error) from error


def why_no_folder(path: Path) -> str:
    """Say behind the name of a path why it is no folder; nothing where it is one."""
    if path.is_dir():
        return ""
    if path.is_symlink():
        return f"is a link to {path.readlink()}, which is no folder"
    return "is a file, and a folder is needed" if os.path.lexists(path) else "does not exist"


def refuse_no_place(folder: Path) -> None:
    """Refuse a folder that cannot be made, for something else is in its place or above it.

    Raises:
        WritingError: it cannot.
    """
    with writing(folder):
        above = next((one for one in (folder, *folder.parents) if os.path.lexists(one)), Path())
        if reason := why_no_folder(above):
            owner = "it" if above == folder else above
            raise WritingError(errno.ENOTDIR, f"{owner} {reason}", str(folder))


def make_folder(folder: Path) -> None:
    """Make a folder, and those that it lies in, unless it is there.

    Raises:
        WritingError: it cannot be made.
    """
    refuse_no_place(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)


def write_atomically(path: Path, *pieces: bytes) -> None:
    """Put a whole file at ``path``, or leave what was there; its folder is there.

    Raises:
        WritingError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name[:LONGEST_PREFIX]}.{os.getpid()}.tmp")
    with writing(path):
        try:
            with temporary.open("wb") as file:
                file.writelines(pieces)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make sure that a rename is on the disk, where the system opens folders."""
    if os.name != "posix":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # of file systems that cannot
            raise
    finally:
        os.close(number)


class Manifest(msgspec.Struct, forbid_unknown_fields=True):
    """The files that a verb wrote to a folder, by their path in it.

    ``coming`` are those that a run is moving into place: if it is killed, each file is either what
    ``files`` says or what ``coming`` says, so that the next run knows both for its own.
    """

    title: str = ""  # what they are of
    files: dict[str, str] = {}
    coming: dict[str, str] = {}

    def wrote(self, name: str, sha256: str) -> bool:
        """Return whether a run of the verb wrote this file with this content."""
        return sha256 in {self.files.get(name), self.coming.get(name)}

    def names(self) -> set[str]:
        """Return the paths of the files that a run may have written."""
        return self.files.keys() | self.coming.keys()

    def refuse_other_places(self, path: Path) -> None:
        """Refuse a manifest that was read from ``path`` and names a file outside its folder."""
        for name in self.names():
            if not _stays_inside(name):
                raise InputError(path, f"it names {name!r}, which is no file below its folder")


def manifest_path(folder: Path, verb: str) -> Path:
    """Return where the manifest of a verb lies in a folder."""
    return folder / f".{verb.replace(' ', '-')}-files.json"


def read_manifest(folder: Path, verb: str) -> Manifest:
    """Return the manifest of a verb in a folder; an empty one where there is none.

    Raises:
        RefusedError: it is damaged, so that nobody knows which files are whose.
    """
    path = manifest_path(folder, verb)
    if not os.path.lexists(path):
        return Manifest()
    try:
        manifest = decode_json(read_bytes(path), Manifest, path)
        manifest.refuse_other_places(path)
    except InputError as error:
        raise RefusedError(
            f"{error}; nothing else says which files of {folder} are yours: move these elsewhere, "
            "and remove the folder"
        ) from error
    return manifest


def _stays_inside(name: str) -> bool:
    """Return whether a path is a plain one below the folder that it is relative to."""
    parts = name.split("/")
    return "\0" not in name and "\\" not in name and not {"", ".", ".."} & set(parts)


def refuse_foreign_files(folder: Path, verb: str, names: Iterable[str]) -> None:
    """Refuse to replace files that no former run of a verb wrote, or that were changed since.

    Args:
        folder: where they are to be written.
        verb: that writes them.
        names: their paths in the folder, with ``/`` between the parts.

    Raises:
        RefusedError: a file of the user's is in the way; it is named.
    """
    manifest = read_manifest(folder, verb)
    for name in sorted(names):
        _refuse_foreign(folder, verb, name, manifest)


def _refuse_foreign(folder: Path, verb: str, name: str, manifest: Manifest) -> None:
    """Refuse to replace a file that is the user's."""
    path = folder / name
    for above in list(path.relative_to(folder).parents)[-2::-1]:
        if os.path.lexists(folder / above) and _kind(folder / above) != "folder":
            raise RefusedError(_in_the_way(folder / above, verb))
    kind = _kind(path)
    if kind == "nothing":
        return
    if kind != "file" or name not in manifest.names():
        raise RefusedError(_in_the_way(path, verb))
    if not manifest.wrote(name, sha256_of(path)):
        raise RefusedError(
            f"{path} was changed since `{verb}` wrote it: keep it elsewhere, or remove it, and "
            "try again"
        )


def _kind(path: Path) -> str:
    """Return what lies at a path; a link is a link, wherever it leads."""
    try:
        mode = path.lstat().st_mode
    except (OSError, ValueError):  # too long a name, or one with a zero byte, has nothing either
        return "nothing"
    if stat.S_ISLNK(mode):
        return "link"
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"


def _in_the_way(path: Path, verb: str) -> str:
    words = {"folder": "a folder", "link": "a link", "file": "a file"}
    kind = words.get(_kind(path), "something else")
    return (
        f"{path} is in the way: it is {kind} that `{verb}` did not write; move it, or name "
        "another place"
    )


def adopt_files(folder: Path, verb: str, names: Iterable[str]) -> None:
    """Count files as written by a verb, as they are now: a version without manifests wrote them.

    Args:
        folder: where they are.
        verb: that wrote them.
        names: their paths in the folder; what is not there, or no file, is left out.
    """
    if not manifest_path(folder, verb).exists():
        inside = [name for name in names if _stays_inside(name)]
        files = {n: sha256_of(folder / n) for n in inside if _kind(folder / n) == "file"}
        _write_manifest(folder, verb, Manifest(files=files))


@contextlib.contextmanager
def replaced_files(
    folder: Path, verb: str, *, title: str = "", adds: bool = False, but: Collection[str] = ()
) -> Iterator[Path]:
    """Replace the files that a verb wrote to a folder by those that are written in this context.

    The new ones are written to an empty folder, which is given. If all goes well they are moved
    into ``folder``, and what former runs wrote and this one does not is removed. On an error
    everything stays as it was.

    Args:
        folder: where the files shall be; made if need be.
        verb: whose files are replaced.
        title: what they are of, for the manifest.
        adds: leave the files of former runs that are not made again.
        but: paths of files that go all the same unless they are made again.

    Raises:
        RefusedError: a file of the user's is in the way, or one was changed since; all stays.
        WritingError: the files cannot be written.
    """
    with scratch_folder(folder, verb) as new:
        with _told_of(folder, new):
            yield new
        with writing(folder), filelock.FileLock(manifest_path(folder, verb).with_suffix(".lock")):
            former = read_manifest(folder, verb).names()
            _move(new, folder, verb, title, kept=former - {*but} if adds else set())


@contextlib.contextmanager
def scratch_folder(folder: Path, verb: str) -> Iterator[Path]:
    """Give an empty folder in ``folder``, which is made if need be; it is gone afterwards.

    Raises:
        WritingError: it cannot be made.
    """
    made = _make_folders(folder)
    _clear(folder, verb)
    with writing(folder):
        new = Path(tempfile.mkdtemp(prefix=_scratch_prefix(verb), dir=folder))
    try:
        yield new
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        for each in made:
            with contextlib.suppress(OSError):  # not empty
                each.rmdir()
        raise
    shutil.rmtree(new, ignore_errors=True)


def _scratch_prefix(verb: str) -> str:
    return f".{verb.replace(' ', '-')}-new-"


def _make_folders(folder: Path) -> list[Path]:
    """Make a folder and return those that were not there, the deepest first."""
    missing = [each for each in (folder, *folder.parents) if not os.path.lexists(each)]
    make_folder(folder)
    return missing


def _clear(folder: Path, verb: str) -> None:
    """Remove what runs that were killed long ago left unfinished."""
    for path in stale_scratch(folder, verb):
        with contextlib.suppress(OSError):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def stale_scratch(folder: Path, verb: str) -> Iterator[Path]:
    """Yield what runs that were killed long ago left unfinished: folders, and hidden files."""
    for path in (*folder.glob(f"{_scratch_prefix(verb)}*"), *folder.glob("..*.tmp")):
        with contextlib.suppress(OSError):
            if not path.is_symlink() and time.time() - path.stat().st_mtime > STALE_SECONDS:
                yield path


@contextlib.contextmanager
def _told_of(folder: Path, new: Path) -> Iterator[None]:
    """Name the final place of a file that cannot be written to the folder of new ones."""
    try:
        yield
    except WritingError as error:
        raise WritingError.at(_final(error, folder, new), error) from error
    except OSError as error:
        name = str(error.filename or "")
        if not name.startswith(str(new)) and error.errno not in FULL:
            raise
        raise WritingError.at(_final(error, folder, new), error) from error


def _final(error: OSError, folder: Path, new: Path) -> Path:
    """Return where a file would have been moved to in the end."""
    path = Path(str(error.filename or new))
    return folder / path.relative_to(new) if path.is_relative_to(new) else path


def _move(new: Path, folder: Path, verb: str, title: str, kept: AbstractSet[str]) -> None:
    """Put the new files in place of those of former runs; killed at any moment, all are known.

    Of those that are not made again only the ones in ``kept`` stay.
    """
    coming = {
        path.relative_to(new).as_posix(): sha256_of(path)
        for path in sorted(new.rglob("*"))
        if path.is_file()
    }
    manifest = read_manifest(folder, verb)
    stale = {n: folder / n for n in sorted(manifest.names() - coming.keys() - kept)}
    same = {n for n in coming.keys() - manifest.names() if _holds(folder, n, coming[n])}
    for name in sorted((coming.keys() - same) | stale.keys()):
        _refuse_foreign(folder, verb, name, manifest)
    ours = {name: sha256 for name, sha256 in coming.items() if name not in same}
    known = dict(manifest.files)
    if manifest.coming:  # of a run that was killed: what became of each of its files?
        known |= {n: s for n, s in manifest.coming.items() if _holds(folder, n, s)}
    _write_manifest(folder, verb, Manifest(manifest.title, known, ours))
    for name in ours:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (new / name).replace(folder / name)
    for path in stale.values():
        path.unlink(missing_ok=True)
        _remove_empty_folders(path.parent, folder)
    left = {name: sha256 for name, sha256 in known.items() if name in kept}
    _write_manifest(folder, verb, Manifest(title, left | ours))


def _holds(folder: Path, name: str, sha256: str) -> bool:
    """Return whether a file of this content is there already: nothing is lost by leaving it."""
    return _kind(folder / name) == "file" and sha256_of(folder / name) == sha256


def _remove_empty_folders(path: Path, folder: Path) -> None:
    """Remove folders that have become empty, from ``path`` up to below ``folder``."""
    with contextlib.suppress(OSError):
        while path != folder:
            path.rmdir()
            path = path.parent


def _write_manifest(folder: Path, verb: str, manifest: Manifest) -> None:
    text = msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=1)
    write_atomically(manifest_path(folder, verb), text + b"\n")
