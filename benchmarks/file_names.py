"""Names of files: those made of specs, such as every system takes, and those that begin with ~."""

import hashlib
import os
import re
from pathlib import Path

from benchmarks.errors import RefusedError

LONGEST = 100
"""The letters of a name before its digest; systems take 255 bytes, suffixes included."""
PLAIN = re.compile(r"[a-z0-9_.=(), ]+", re.ASCII)
"""The letters that a name shows without loss, as specs use the others apart from each other."""


def file_stem(*specs: str) -> str:
    """Return a file's name, without a suffix, for these specs: others have another.

    What the letters of a name cannot show, a minus or a path, say, is told apart by a digest.

    >>> file_stem("symmetric(rate=0.4)", "elr")
    'symmetric-rate-0.4-elr'
    >>> file_stem("label_smoothing(smoothing=-0.4)")
    'label_smoothing-smoothing-0.4-374e0dde'
    """
    text = " ".join(specs)
    stem = re.sub(r"[^\w.]+", "-", text, flags=re.ASCII).strip("-.")
    if PLAIN.fullmatch(text) and len(stem) <= LONGEST:
        return stem
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{stem[:LONGEST].rstrip('-.')}-{digest}".lstrip("-")


def home_expanded(text: str) -> str:
    """Return a path with the folder of its user in place of ``~`` or ``~name`` at its beginning.

    Raises:
        RefusedError: it is not known.
    """
    if not text.startswith("~"):
        return text
    try:
        if os.environ.get("HOME") != "":  # which would be the root of all files
            return str(Path(text).expanduser())
    except RuntimeError:
        pass
    raise RefusedError(
        f"no home folder is known for {text!r}: write the whole path, or ./{text} where ~ is "
        "part of the name"
    )
