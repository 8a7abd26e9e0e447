"""Training what a session misses, by any launcher."""

from benchmarks.launch.request import Request
from benchmarks.launch.run import LAUNCHERS, train
from benchmarks.launch.session import prepare
from benchmarks.launch.worker import train_pack
from tests.cells import CPU


def test_another_launcher_is_a_function_in_the_table(monkeypatch, tmp_path):
    started = []

    def in_this_process(job, packs, workers, tell):
        started.append(workers)
        for pack in packs:
            specs = [cell.specs() for cell in pack.cells]
            for outcome in train_pack(job, specs, pack.width, CPU):
                tell(outcome)

    monkeypatch.setitem(LAUNCHERS, "here", in_this_process)
    request = Request(
        methods=["cross_entropy"],
        noises=["clean"],
        recipes=["small(epochs=2)"],
        seeds=[0, 1],
        out=tmp_path,
        workers=3,
    )
    session = prepare(request)
    parts = train(session, launcher="here")
    assert started == [3]
    assert parts.done() == {cell.id for cell in session.plan.cells}
    assert (tmp_path / "results.csv").is_file()
    assert prepare(request).missing() == []
