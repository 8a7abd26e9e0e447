"""Named dataclasses of one kind, and the spec strings that build them."""

import ast
import inspect
import keyword
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields, replace
from typing import Any, Generic, TypeVar

from methods.bounds import Bounded, Field, FilePath, file_name, suggestion
from methods.spelling import meant

T = TypeVar("T", bound=Bounded)


LISTED, SHOWN = 12, 4
"""A refusal lists so many names; of more, some, or none where one of them is near."""


LONGEST = 200
"""Characters of a text that a refusal shows."""


class Registry(Mapping[str, type[T]], Generic[T]):
    """A catalogue in which ``elr(beta=0.9)`` names exactly one object.

    The spec string is an entry's only identity: CLI argument, TOML value, CSV value, test id.

    >>> from methods import METHODS
    >>> METHODS.spec(METHODS.build("elr(weight=3.0, beta=0.9)"))  # defaults are dropped
    'elr(beta=0.9)'
    >>> METHODS.full(METHODS.build("elr(beta=0.9)"))  # nothing is dropped
    'elr(beta=0.9, weight=3.0)'
    """

    def __init__(
        self,
        kind: str,
        base: type[T],
        canonical: Callable[[T], T] | None = None,
        /,
        **entries: type[T],
    ) -> None:
        self.kind = kind
        self._base = base
        self._canonical = canonical
        self._entries: dict[str, type[T]] = {}
        self._origins: dict[str, str] = {}
        self._built: dict[str, T] = {}  # of a sweep's thousands of cells few differ
        self._written: dict[tuple[Callable[[T], str], T], str] = {}
        for name, entry in entries.items():
            self.register(name, entry)

    def register(self, name: str, entry: type[T]) -> None:
        """Add an entry.

        Raises:
            ValueError: no spec could state the name, it is taken, the entry already has one, or it
                is not a frozen dataclass of this kind whose fields specs can set.
        """
        if not _can_be_stated(name):
            raise ValueError(
                f"the name of a {self.kind} must be an identifier that is no word of Python, such "
                f"as 'my_{self.kind}', got {name!r}"
            )
        if not isinstance(entry, type) or not issubclass(entry, self._base):
            raise ValueError(  # noqa: TRY004  as whatever else is wrong with an entry
                f"the {self.kind} {name!r} must be a subclass of {self._base.__name__}, got {entry}"
            )
        if fault := entry.fault():
            raise ValueError(f"{entry.__name__}{fault}")
        if name in self._entries:
            raise ValueError(f"the {self.kind} name {name!r} is taken by {self._entries[name]}")
        if entry in self._entries.values():
            raise ValueError(f"{entry} is already a {self.kind} under another name")
        self._entries[name] = entry
        self._origins[name] = _running_file()
        self._forget()

    def origin(self, name: str) -> str:
        """Return the file that was being run when an entry was registered."""
        return self._origins[name]

    def withdraw(self, name: str) -> None:
        """Take an entry out again."""
        del self._entries[name]
        self._forget()

    def __getitem__(self, name: str) -> type[T]:
        self._known(self.kind, name, tuple(self._entries))
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        """Tell whether there is an entry of a name; an unknown one is no error here."""
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def build(self, spec: str) -> T:
        """Return the object that ``name`` or ``name(field=literal, ...)`` describes.

        Raises:
            ValueError: the text is not a spec, the name or a field is unknown, a field is missing,
                or a value has another type or is out of range.
        """
        if spec in self._built:
            return self._built[spec]
        built = self._entry(*self.explicit(spec))
        self._built[spec] = self._canonical(built) if self._canonical else built
        return self._built[spec]

    def _entry(self, name: str, values: Mapping[str, Any]) -> T:
        """Return the entry of a name, with these values of its fields."""
        entry = self[name]
        names = {field.key: field.name for field in entry.fields()}
        for key in values:
            self._known(f"{name} parameter", key, tuple(names))
        for field in fields(entry):
            if field.default is MISSING and field.name not in values:
                raise ValueError(f"{self.kind} {name!r} needs {field.name}: {name}({field.name}=…)")
        return entry(**{names[key]: value for key, value in values.items()})

    def explicit(self, spec: str) -> tuple[str, dict[str, Any]]:
        """Return the name in a spec and the fields that it sets, as written.

        Raises:
            ValueError: the text is not a spec.
        """
        try:
            node = ast.parse(spec.strip(), mode="eval").body
            if isinstance(node, ast.Name):
                return node.id, {}
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
                pairs = {k.arg: ast.literal_eval(k.value) for k in node.keywords if k.arg}
                if len(pairs) == len(node.keywords) and not any(map(_unwritable, pairs.values())):
                    return node.func.id, pairs
        except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
            pass
        long = len(spec) > LONGEST
        shown, hint = (f"{spec[:LONGEST]}…", "") if long else (spec, meant(spec, self, self._entry))
        raise ValueError(f"a {self.kind} is name or name(field=literal, ...), got {shown!r}{hint}")

    def name(self, obj: T) -> str:
        """Return the name under which the type of ``obj`` is registered."""
        return next(name for name, entry in self._entries.items() if entry is type(obj))

    def version(self, obj: T) -> int | str:
        """Return the version of ``obj``, with those of entries that its fields name, if raised."""
        named = [
            (self._of(field), getattr(obj, field.name)) for field in obj.fields() if field.spec
        ]
        versions = [registry.version(registry.build(spec)) for registry, spec in named]
        raised = [version for version in versions if version != 1]
        return "+".join(map(str, [obj.version, *raised])) if raised else obj.version

    def spec(self, obj: T) -> str:
        """Return the shortest spec of ``obj``, in which files have no folders.

        It builds ``obj`` unless it has a field that is a path with folders: the inverse of
        :meth:`build`.
        """
        return self._write(obj, lambda changed, _silent: changed, self.spec, file_name)

    def full(self, obj: T) -> str:
        """Return the spec with every field spelled out, so a changed default is a changed text."""
        return self._write(obj, lambda _changed, _silent: True, self.full, file_name)

    def exact(self, obj: T) -> str:
        """Return the full spec without fields that were ``Added`` later and change nothing.

        Paths are as they were given, so that it builds ``obj``.
        """
        return self._write(obj, _is_kept, self.exact, str)

    def named(self, obj: T) -> str:
        """Return the exact spec, in which files have no folders."""
        return self._write(obj, _is_kept, self.named, file_name)

    def identity(self, obj: T) -> str:
        """Return the exact spec without the paths: what the :meth:`files` hold stands for them."""
        return self._write(obj, _is_kept, self.identity, lambda _path: "")

    def files(self, obj: T) -> Iterator[tuple[str, FilePath, str]]:
        """Yield the field, ``Labels.file``, its mark and its path, of each file that ``obj`` names.

        Those of entries that its fields name are among them.
        """
        for field in obj.fields():
            value = getattr(obj, field.name)
            if field.spec:
                registry = self._of(field)
                yield from registry.files(registry.build(value))
            elif field.file and value:
                yield f"{type(obj).__name__}.{field.key}", field.file, value

    def moved(self, obj: T, path: Callable[[str, FilePath], str]) -> T:
        """Return ``obj`` with other paths of its own files."""
        changes = {}
        for field in obj.fields():
            if field.file and (text := getattr(obj, field.name)):
                changes[field.name] = path(text, field.file)
        return replace(obj, **changes) if changes else obj

    def _write(
        self,
        obj: T,
        keep: Callable[[bool, bool], bool],
        write: Callable[[T], str],
        path: Callable[[str], str],
    ) -> str:
        """Return the spec with the fields to keep; specs inside it are written by ``write``.

        ``keep`` is told whether a field differs from its default, and whether it was added later
        with a default that changes nothing; ``path`` returns what is written of a path.
        """
        if (write, obj) not in self._written:
            defaults, shown = {field.name: field.default for field in fields(obj)}, []
            for field in obj.fields():
                value, default = getattr(obj, field.name), defaults[field.name]
                silent = field.added is not None and default == field.added.neutral
                if keep(value != default, silent):
                    value = self._named(field, value, write) if field.spec else value
                    value = path(value) if field.file else value
                    shown.append(f"{field.key}={value!r}")
            name = self.name(obj)
            self._written[write, obj] = f"{name}({', '.join(shown)})" if shown else name
        return self._written[write, obj]

    def _of(self, field: Field) -> "Registry[Any]":
        """Return the catalogue of the entries that a field names."""
        if field.spec is None or field.spec.registry is None:
            return self
        registry: Registry[Any] = field.spec.registry()
        return registry

    def _named(self, field: Field, spec: str, write: Callable[[T], str]) -> str:
        """Return how the method ``write`` writes the entry that a field names."""
        registry = self._of(field)
        text: str = getattr(registry, write.__name__)(registry.build(spec))
        return text

    def _forget(self) -> None:
        """Forget what was built, as a spec may mean another entry now."""
        self._built.clear()
        self._written.clear()

    def _known(self, kind: str, name: str, names: tuple[str, ...]) -> None:
        if name in names:
            return
        hint, listed = suggestion(name, names), sorted(names) or ["none"]
        if len(listed) > LISTED:
            some = f"; known: {', '.join(listed[:SHOWN])} and {len(listed) - SHOWN} more"
            told = hint or some
        else:
            told = f"{hint or ';'} known: {', '.join(listed)}"
        raise ValueError(f"unknown {kind} {name[:LONGEST]!r}{told}")


def _is_kept(changed: bool, silent: bool) -> bool:
    """Tell whether a field is part of what an entry is."""
    return changed or not silent


def _can_be_stated(name: object) -> bool:
    """Tell whether a spec, which is parsed as Python is, can state a name."""
    if not isinstance(name, str) or keyword.iskeyword(name) or not name.isidentifier():
        return False
    return unicodedata.normalize("NFKC", name) == name  # the parser reads it so


def _unwritable(value: object) -> bool:
    r"""Tell what no file of results could hold.

    That is a whole number of hundreds of digits, of which Python refuses to write some, and a text
    with half a letter, as from ``\\ud800``.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "ignore").decode() != value
    return isinstance(value, int) and value.bit_length() > 1024


def _running_file() -> str:
    """Return the file whose own statements, not those of a function, are being run."""
    frame = inspect.currentframe()
    while frame and frame.f_code.co_name != "<module>":
        frame = frame.f_back
    return frame.f_code.co_filename if frame else ""
