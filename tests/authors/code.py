"""Functions and classes of a repository, picked out of its files and run without its imports."""

import ast
import math
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

Names = dict[str, Any]


class Clone(NamedTuple):
    """A repository on this machine, at the commit that is checked out."""

    folder: Path
    name: str  # owner/name

    @property
    def commit(self) -> str:
        """The first digits of the commit's hash."""
        return self._git("rev-parse", "--short=7", "HEAD").strip()

    def _git(self, *args: str) -> str:
        bare = [self.folder / "repo" / ".git", self.folder / "repo", self.folder / ".git"]
        place = next(path for path in bare if (path / "HEAD").exists())
        command = ["git", f"--git-dir={place}", *args]
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout

    def names(self, path: str, stubs: Mapping[str, Any]) -> Names:
        """Return the functions, classes and constants of files, with their imports left out.

        Where a condition at the top chooses among functions, it asks the stubs. Where two files
        have the same name, it is the last one's; a file's own names are under its path, too.

        Args:
            path: of a file, or of several with blanks between them.
            stubs: what they take from elsewhere, by name.
        """
        kept = (ast.FunctionDef, ast.ClassDef, ast.Assign)
        space: Names = {"torch": torch, "nn": nn, "F": F, "np": np, "math": math, **stubs}
        space |= {"Variable": lambda tensor: tensor, "device": "cpu"}
        for each in path.split():
            for node in ast.parse(self._git("show", f"HEAD:{each}")).body:
                if isinstance(node, kept) or _chooses_functions(node):
                    try:
                        exec(compile(ast.Module([node], []), each, "exec"), space)  # noqa: S102
                    except (NameError, AttributeError, TypeError, NotImplementedError):
                        continue  # of a module that is left out
            space[each] = dict(space)
        return space


def _chooses_functions(node: ast.stmt) -> bool:
    inner = ast.walk(node) if isinstance(node, ast.If) else ()
    return any(isinstance(each, ast.FunctionDef) for each in inner)


def clone(folder: Path, name: str) -> Clone | None:
    """Return the clone of a repository in a folder of clones, if it is there."""
    own = folder / name.replace("/", "+")
    return Clone(own, name) if own.is_dir() else None
