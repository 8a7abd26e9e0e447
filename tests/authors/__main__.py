"""Compare methods with their authors' code, and write what differs most."""

import csv
import sys
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.catalogue.passport import COMPARED, code_digest
from methods import METHODS
from tests.authors.code import clone
from tests.authors.comparisons import COMPARISONS, Comparison, compare
from tests.authors.decoupling import DECOUPLING
from tests.authors.over_epochs import OVER_EPOCHS
from tests.authors.promix import PROMIX
from tests.authors.selecting import SELECTING
from tests.authors.trained import TRAININGS

ARGSORT = np.argsort


def _argsort(values: Any, *args: Any, **more: Any) -> Any:
    """Return a tensor for a tensor, as the authors' numpy did."""
    return values.argsort() if isinstance(values, torch.Tensor) else ARGSORT(values, *args, **more)


def main(folder: str, *only: str) -> int:
    """Compare all methods whose repositories are in a folder, or some, and keep the other rows."""
    warnings.simplefilter("ignore")  # of code that is old
    torch.set_default_dtype(torch.float64)
    torch.Tensor.cuda = lambda self, *_args, **_more: self  # type: ignore[method-assign,assignment]
    np.argsort = _argsort
    with COMPARED.open(encoding="utf-8", newline="") as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    for each in (*COMPARISONS, *TRAININGS, *OVER_EPOCHS, *SELECTING, DECOUPLING, PROMIX):
        name, place = METHODS.explicit(each.spec)[0], clone(Path(folder), each.repository)
        if (only and name not in only) or place is None:
            continue
        names = place.names(each.path, each.stubs)
        if isinstance(each, Comparison):
            found = compare(each, names)
        else:
            found = each.measure(each.spec, names)
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
