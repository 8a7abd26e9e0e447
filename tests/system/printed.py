"""The commands that pages and verbs print: found in their text, and tried as far as they can go."""

import ast
import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    *("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "methods/HOOKS.md"),
    *("results/README.md", "results/reference/README.md"),
)
OURS = (
    r"(?:python (?:\S*/)?run_all\.py(?= |$)|(?<![\w/.])run_all\.py(?= )|noisy-label-bench(?= \S))"
)
OTHERS = r"make |python -m |pre-commit "


def of_page(text):
    """Return the commands in the fenced blocks and the code spans of a page of Markdown."""
    fences = re.findall(r"^```(?:bash|sh|console)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for fence in fences for line in fence.splitlines()]
    rest = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    spans = [re.sub(r"\s+", " ", span) for span in re.findall(r"`([^`]+)`", rest)]
    return [
        c for line in (*lines, *spans) for c in of_line(line) if re.match(f"{OURS}|{OTHERS}", c)
    ]


def of_workflow(text):
    """Return our commands in the steps of a workflow, each on a line or folded."""
    folded = re.sub(r"(?<=\S)\n {10,}(?=\S)", " ", text).replace("run: >- ", "run: ")
    return re.findall(r"^ +- run: (python run_all\.py .*)$", folded, re.MULTILINE)


def of_line(line):
    """Return the commands of a line of a shell, without its comment."""
    words = shlex.split(line, comments=True) if "#" in line else None
    text = shlex.join(words) if words is not None else line.strip()
    return [part.strip() for part in re.split(r" (?:&&|'&&') ", text)]


def of_output(text):
    """Return our commands in what a verb prints: each goes to a quote's or its line's end."""
    ticked = re.findall(rf"`({OURS}[^`]*)`", text)
    plain = re.findall(rf"{OURS}[^`\n]*", re.sub(r"`[^`]*`", "", text))
    return [command.strip() for command in (*ticked, *plain)]


def sites():
    """Return where our code makes commands that it prints: file and function."""
    found = set()
    for path in ROOT.glob("benchmarks/**/*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                name = f"{path.relative_to(ROOT)}:{function.name}"
                found |= {name for node in function.body if _prints(node)}
    return found


def _prints(node):
    docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return not docstring and any(_command(child) for child in ast.walk(node))


def _command(node):
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.search(OURS, node.value) is not None
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "command_line"
