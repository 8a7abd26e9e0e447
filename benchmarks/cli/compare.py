"""The verb ``compare``: set two results folders side by side."""

from pathlib import Path

from benchmarks.errors import Exit


def compare(
    first: Path, second: Path, *, markdown: Path | None = None, csv: Path | None = None
) -> Exit:
    """Set two results folders side by side, cell by cell, with paired tests of every change.

    Cells are paired by dataset, noise, model, recipe, method and seed at their last epochs; those
    without a partner are named. Each method has a test over all its settings and one in each. Exit
    codes: 0 compared, whatever came out; 2 the noisy labels of a pair or the metric definitions
    differ, or nothing is in common; 5 a folder has no results.

    Args:
        first: The results folder A.
        second: The results folder B; differences are B less A.
        markdown: Write the table to this file too.
        csv: Write the numbers behind it to this file.
    """
    from benchmarks.report.compare import compare as compare_folders

    comparison = compare_folders(first, second)
    print(f"A {first}\nB {second}\n\n{comparison.plain()}")
    if markdown:
        markdown.write_text(comparison.markdown(), encoding="utf-8", newline="\n")
    if csv:
        comparison.numbers.to_csv(csv, index=False, lineterminator="\n", float_format="%.12g")
    return Exit.DONE
