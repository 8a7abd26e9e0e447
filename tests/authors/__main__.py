"""Compare methods with their authors' code, and write what differs most."""

import csv
import sys
import warnings
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from benchmarks.catalogue.passport import COMPARED, code_digest
from methods import METHODS
from tests.authors.code import clone
from tests.authors.comparisons import COMPARISONS, compare


def main(folder: str, *only: str) -> int:
    """Compare all methods whose repositories are in a folder, or some, and keep the other rows."""
    warnings.simplefilter("ignore")  # of code that is old
    torch.set_default_dtype(torch.float64)
    torch.Tensor.cuda = lambda self, *_args, **_more: self  # type: ignore[method-assign,assignment]
    np.argsort = lambda tensor: torch.as_tensor(tensor).argsort()  # as the authors' numpy did
    with COMPARED.open(encoding="utf-8", newline="") as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    for each in COMPARISONS:
        name, place = METHODS.explicit(each.spec)[0], clone(Path(folder), each.repository)
        if (only and name not in only) or place is None:
            continue
        found = compare(each, place.names(each.path, each.stubs))
        print(f"{each.spec}: {found.value:.1e} {found.gradient:.1e}")
        rows[name] = {
            "method": name,
            "spec": each.spec,
            "repository": each.repository,
            "commit": place.commit,
            "path": each.path,
            "visits": str(found.visits),
            "value": f"{found.value:.1e}",
            "gradient": f"{found.gradient:.1e}",
            "date": datetime.now(UTC).date().isoformat(),
            "code_sha256": code_digest(name),
        }
    with COMPARED.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(next(iter(rows.values()))), lineterminator="\n")
        table.writeheader()
        table.writerows(rows[name] for name in METHODS if name in rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
