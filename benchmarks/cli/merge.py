"""The verb ``merge``: bring results folders of one sweep together."""

from pathlib import Path

from benchmarks.errors import Exit


def merge(*folders: Path, out: Path) -> Exit:
    """Bring the results of several folders together, as of machines that trained a shard each.

    Their numbers must belong together: the same settings, code and data. The folders are only read.

    Args:
        folders: Results folders.
        out: The folder of all results, which is made or added to.
    """
    from benchmarks.store.merging import merge as merge_folders

    print("\n".join(merge_folders(folders, out).lines()))
    return Exit.DONE
