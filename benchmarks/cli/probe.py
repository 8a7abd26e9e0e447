"""The verb ``probe``: measure this machine."""

from benchmarks.errors import Exit
from benchmarks.launch.request import DEFAULT, Request


def probe(request: Request = DEFAULT) -> Exit:
    """Measure how fast this machine trains, for `plan` to predict and `run` to choose packs.

    Args:
        request: What to measure: each method on each dataset and model that a run would train.
    """
    from benchmarks.launch.probe import probe as measure
    from benchmarks.planning.throughput import cache_file

    for cell, driver, cost in measure(request):
        keys, took = cell.keys(), cost.of_cell(cell)
        print(f"{keys['dataset']} {keys['model']} {keys['method']}  {driver}: {took:.2f} s a cell")
    print(f"kept in {cache_file()}")
    return Exit.DONE
