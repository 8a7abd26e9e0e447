"""The verb ``probe``: measure this machine."""

from benchmarks.errors import Exit
from benchmarks.launch.request import DEFAULT, Request


def probe(request: Request = DEFAULT) -> Exit:
    """Measure how fast this machine trains, for `plan` to predict and `run` to choose packs.

    Args:
        request: What to measure: each method on each dataset and model that a run would train.
    """
    from benchmarks.data_files import fetch_files
    from benchmarks.datasets import data_root
    from benchmarks.launch.session import options_of, requested
    from benchmarks.planning.probe import probe as measure
    from benchmarks.planning.throughput import cache_file

    wanted, root = requested(request), data_root(request.data)
    device, cells = wanted.device, wanted.cells
    flags = options_of(request, device).flags_at_start()
    fetch_files(cells, root)
    for cell, driver, cost in measure(cells, root, device, flags):
        keys = cell.keys()
        took = cost if isinstance(cost, str) else f"{cost.of_cell(cell):.2f} s a cell"
        print(f"{keys['dataset']} {keys['model']} {keys['method']}  {driver}: {took}")
    print(f"kept in {cache_file()}")
    return Exit.DONE
