"""What may come after a run: a method of one's own, other data, labels of one's own."""

from pathlib import Path

from benchmarks.commands import command_line, repeated_options

EXAMPLE = Path(__file__).parents[1] / "examples" / "my_method.py"
PART = "fashion_mnist(train=2000, test=1000)"
LABELS = ("noise", "digits", "symmetric(rate=0.4)", "--out", "labels")


def next_steps(data: Path | None) -> list[str]:
    """Return three lines, each with a command that works as it is printed.

    Args:
        data: the folder of image files, where one was named.
    """
    here = Path.cwd()
    other = ("--datasets", PART, *repeated_options(data, ()), "--out", "results/other_data")
    example = EXAMPLE.relative_to(here) if EXAMPLE.is_relative_to(here) else EXAMPLE
    return [
        f"own method, in a copy of this example: {command_line('check', '--plugin', example)}",
        f"other data: {command_line(*other)}",
        f"own labels, in a file like these: {command_line('data', *LABELS)}",
    ]
