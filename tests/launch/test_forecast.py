"""How long a run will take: as probed, else as its finished cells took."""

from dataclasses import replace

import pytest

from benchmarks.engine.record import PackSetup, train_and_record
from benchmarks.launch.forecast import time_left
from benchmarks.launch.probe import probe
from benchmarks.launch.request import Request
from benchmarks.launch.session import prepare
from benchmarks.planning import probe as planning_probe
from benchmarks.planning.throughput import Throughput, work_of
from benchmarks.store import write_part
from tests.cells import CPU, NOWHERE


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(planning_probe, "ENOUGH_SECONDS", 0.0)


def test_probing_measures_every_kind_once_at_every_width_and_the_plan_uses_it(tmp_path):
    request = Request(
        out=tmp_path / "never_run",
        methods=("cross_entropy", "co_teaching"),
        noises=("clean", "symmetric(rate=0.4)"),
        seeds=(0, 1),
    )
    probed = list(probe(request))
    widths = ["one by one", "packs of 4", "packs of 16", "packs of 32"]
    assert [(cell.method.networks, width) for cell, width, _ in probed] == [
        (networks, width) for networks in (1, 2) for width in widths
    ]
    assert all(cost.train > 0 and cost.evaluate > 0 for _, _, cost in probed)
    session = prepare(replace(request, workers=2))
    assert "as fast as probe measured" in time_left(session)
    for (cell, _, cost), width in zip(probed, 2 * planning_probe.WIDTHS, strict=True):
        assert Throughput.read().entries[work_of(cell, CPU)].widths[width] == cost
    assert "unknown" in time_left(prepare(replace(request, methods=("gce",))))


def test_finished_cells_predict_the_others(tmp_path):
    request = Request(methods=("cross_entropy",), noises=("clean",), seeds=(0, 1), workers=1)
    request = replace(request, out=tmp_path)
    first, second = prepare(request).plan.cells
    (record,) = train_and_record([first], PackSetup(NOWHERE, CPU, keep_all=False))
    costs = record.meta["costs"] | {"train_seconds": 30.0, "eval_seconds": 10.0}
    stamped = record.meta | {"costs": costs, "stamp": {}}
    (tmp_path / "parts").mkdir()
    write_part(tmp_path, [record._replace(meta=stamped)])
    session = prepare(request)
    assert session.missing() == [second]
    passes = first.recipe.epochs * round(0.9 * 1078)
    seconds = 40 / passes * first.recipe.epochs * 1078
    assert time_left(session) == f"about {seconds:.0f} s, as fast as the finished cells"
