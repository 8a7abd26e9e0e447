"""The verb ``compare``: set two results folders side by side."""

from pathlib import Path
from typing import Literal

from benchmarks.errors import Exit, RefusedError
from benchmarks.launch.request import Specs


def compare(  # noqa: PLR0913  options of a command
    first: Path,
    second: Path,
    *,
    pair: Literal["cell", "method"] = "cell",
    noises_a: Specs = None,
    noises_b: Specs = None,
    markdown: Path | None = None,
    csv: Path | None = None,
) -> Exit:
    """Set two results folders side by side, cell by cell, with paired tests of every change.

    Cells are paired by dataset, noise, model, recipe, method and seed at their last epochs; those
    without a partner are named. Each method has a test over all its settings and one in each. Exit
    codes: 0 compared, whatever came out; 2 the noisy labels of a pair or the metric definitions
    differ, or nothing is in common; 5 a folder has no results.

    Args:
        first: The results folder A.
        second: The results folder B; differences are B less A.
        pair: cell, the same cells of two runs; method, cells that agree in all but the noise, which
            is what changed, as before and after an audit of the labels.
        noises_a: With --pair method, the noises of A to compare, where it has several.
        noises_b: Likewise of B; the first of A is paired with the first of B, and so on.
        markdown: Write the table to this file too.
        csv: Write the numbers behind it to this file.
    """
    from benchmarks.outputs import refuse_foreign_files, replaced_files
    from benchmarks.report.compare import compare as compare_folders
    from benchmarks.report.pairing import NoiseChange
    from benchmarks.store import Parts

    if pair != "method" and (noises_a or noises_b):
        side = "a" if noises_a else "b"
        raise RefusedError(f"--noises-{side} says which noise became which: add --pair method")
    files = [path for path in (markdown, csv) if path]
    if len({path.resolve() for path in files}) < len(files):
        raise RefusedError(f"--markdown and --csv need a file each, got {csv} for both")
    for path in files:
        refuse_foreign_files(path.parent, "compare", [path.name])
    change = NoiseChange(noises_a or (), noises_b or ()) if pair == "method" else None
    comparison = compare_folders(first, second, change)
    for path in files:
        with replaced_files(path.parent, "compare", adds=True) as new:
            if path is markdown:
                text = comparison.markdown()
                (new / path.name).write_text(text, encoding="utf-8", newline="\n")
            else:
                comparison.numbers.to_csv(
                    new / path.name, index=False, lineterminator="\n", float_format="%.12g"
                )
    print(f"A {first}\nB {second}\n\n{comparison.plain()}")
    for line in [*Parts(first).damage(), *Parts(second).damage()]:
        print(line)
    return Exit.DONE
