"""The verb ``collect``: compute the metrics of a results folder again."""

from pathlib import Path

from benchmarks.errors import Exit


def collect(folder: Path = Path("results/default")) -> Exit:
    """Compute every metric again from the kept logits, without training; rewrite the CSV files.

    Args:
        folder: The results folder.
    """
    from benchmarks.engine.measure import collect as measure_again

    result = measure_again(folder)
    print(f"{folder}: {result.cells} cells measured again")
    if result.partly:
        print(f"{result.partly} keep only the last epoch's logits: val and oracle are as trained")
    for line in result.damage:
        print(line)
    return Exit.DONE
