"""What is said of a command line that the parser of options refuses."""

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Literal, get_args, get_origin

from cyclopts import (
    CoercionError,
    ConsumeMultipleError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)
from cyclopts.argument import Argument

from benchmarks.commands import program_name, quoted
from benchmarks.errors import folded, suggestion

HOLDERS = ("method", "model", "dataset", "noise", "recipe")
"""The axes whose entries have fields; the last one that has a field of a name counts."""
NOUNS: dict[object, str] = {
    float: "a number",
    bool: "true or false",
    dt.timedelta: "a time such as 30m, 8h or 2d",
}


def fault_of(error: CycloptsError) -> str:
    """Return in one sentence what is wrong with the arguments of a verb.

    >>> print(fault_of(CycloptsError('Command "plan" parameter --seeds is odd. Got 0.')))
    --seeds is odd; got 0
    """
    said = ""
    match error:
        case UnusedCliTokensError():
            said = _surplus(error)
        case UnknownOptionError():
            said = _unknown_option(error)
        case UnknownCommandError():
            said = _unknown_verb(error)
        case ConsumeMultipleError():
            few = error.actual_count < error.min_required
            said = f"{error.keyword} {'needs at least' if few else 'takes at most'} one value"
        case MissingArgumentError():
            said = _missing(error)
        case RepeatArgumentError(token=token):
            switch = "" if token.value else ", or with its opposite"
            said = f"{token.keyword} is given twice{switch}; leave one of them out"
        case CoercionError():
            said = _misfit(error)
    return said or _in_its_own_words(error)


def _in_its_own_words(error: CycloptsError) -> str:
    """Return the parser's text as one sentence."""
    text = re.sub(r'^(Command ".*?" parameter|Parameter) ', "", " ".join(str(error).split()))
    first, *others = re.split(r"\.\s+(?=[A-Z])", text.removesuffix("."))
    joined = "; ".join([first, *(each[0].lower() + each[1:] for each in others)])
    return joined[0].lower() + joined[1:]


def _surplus(error: UnusedCliTokensError) -> str:
    """Say what a verb takes, and what of it an option gives already."""
    unused = ", ".join(map(repr, error.unused_tokens or ()))
    given = {token.partition("=")[0] for token in error.root_input_tokens or ()}
    named = [each.name for each in _arguments(error) if each.index is not None]
    already = "".join(f"; {name} is given already" for name in named if name in given)
    return f"{unused} is more than {_verb(error)} takes: {_form(error)}{already}"


def _missing(error: MissingArgumentError) -> str:
    """Say which option has no value, or what a verb needs."""
    if error.keyword or not error.argument:
        return f"{error.keyword} needs a value" if error.keyword else ""
    name = error.argument.name
    needed = name if error.argument.index is None else _noun(name)
    return f"{_verb(error)} needs {needed}: {_form(error)}"


def _verb(error: CycloptsError) -> str:
    """Return the verb of a command line, ``data get``."""
    return " ".join(error.command_chain or ())


def _arguments(error: CycloptsError) -> Iterable[Argument]:
    """Return the arguments of the verb that was called."""
    return error.app.assemble_argument_collection() if error.app else ()


def _form(error: CycloptsError) -> str:
    """Return what a verb takes, as a command line: ``run_all.py relabel FOLDER ... --out OUT``."""
    words = [program_name(), _verb(error)]
    for argument in _arguments(error):
        noun = _noun(argument.name)
        if argument.index is not None:
            words.append(noun if argument.required else f"[{noun}]")
        elif argument.required:
            words.append(f"{argument.name} {noun}")
    return " ".join([*words, "[OPTIONS]"])


def _noun(option: str) -> str:
    return option.lstrip("-").upper()


def _unknown_option(error: UnknownOptionError) -> str:
    """Say which option, or which field of a spec, was meant."""
    option = (error.token.keyword or error.token.value).partition("=")[0]
    name = folded(option.lstrip("-"))
    known = [name for each in error.argument_collection for name in each.names]
    known += (*error.app.help_flags, *error.app.version_flags) if error.app else ()
    if option in known:
        return f"{option} takes no value"
    options = {folded(name.lstrip("-")): name for name in known}
    if near := get_close_matches(name, options, n=1):
        return f"unknown option {option}; did you mean {options[near[0]]}?"
    fields = dict(_fields()) if "--datasets" in options.values() and option[:2] == "--" else {}
    if near := get_close_matches(name, fields, n=1):
        return f"unknown option {option}; fields are set in specs, as in {fields[near[0]]}"
    return f"unknown option {option}; {program_name()} {_verb(error)} --help lists those there are"


def _fields() -> Iterator[tuple[str, str]]:
    """Yield each field that a spec sets, and the option with such a spec."""
    from benchmarks.sweep import REGISTRIES

    for kind in HOLDERS:
        for name, entry in reversed(list(REGISTRIES[kind].items())):
            for field in entry.fields():
                yield field.key, f"--{kind}s {quoted(f'{name}({field.key}=…)')}"


def _unknown_verb(error: UnknownCommandError) -> str:
    """Say which verbs there are."""
    token = (error.unused_tokens or [""])[0]
    verbs = [name for name in error.app or () if not name.startswith("-")]
    hint = suggestion(token, verbs) or ";"
    return f"{_verb(error)} has no verb {token!r}{hint} known: {', '.join(verbs)}"


def _misfit(error: CoercionError) -> str:
    """Say what an option takes, "" if its type says nothing."""
    if not error.token or not error.argument:
        return ""
    choices: tuple[str, ...] = ()
    if get_origin(error.target_type) is Literal:
        choices = get_args(error.target_type)
    noun = f"one of {', '.join(choices)}" if choices else NOUNS.get(error.target_type, "")
    name = error.token.keyword or _noun(error.argument.name)
    value = error.token.value
    return f"{name} must be {noun}, got {value!r}{suggestion(value, choices)}" if noun else ""
