"""What a tracker's own library reads back is what the CSV files say."""

import importlib.util
import json
import math
import socket
import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import schema
from benchmarks.errors import RefusedError
from benchmarks.store import Parts, derive, write_part
from benchmarks.trackers import TrackerName, export
from tests.report import folders
from tests.store.test_store import plan, record

SWEEP = folders.Sweep(
    methods=("cross_entropy", "gce(q=0.5)"), noises=folders.NOISES[:2], seeds=2, planned=8
)
CELLS, EPOCHS = 8, 6
EXACT = {"mlflow": 1e-9, "wandb": 1e-9, "tensorboard": 1e-6}  # which keeps float32


def needs(name):
    absent = importlib.util.find_spec(name) is None
    return pytest.mark.skipif(absent, reason=f"{name} is not installed")


BY_LIBRARY = [pytest.param(name, marks=needs(name)) for name in EXACT]


class Run:
    """What a library reads: parameters as texts, and the numbers by name and epoch."""

    def __init__(self, parameters, numbers, *, failed):
        self.parameters, self.numbers, self.failed = parameters, numbers, failed


def tensorboard_runs(place):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: PLC0415  an extra
    from tensorboard.plugins.hparams import metadata  # noqa: PLC0415  an extra
    from tensorboard.plugins.hparams.api_pb2 import Status  # noqa: PLC0415  an extra

    for path in sorted(place.glob("*/events.out.tfevents.*")):
        found = EventAccumulator(str(path.parent)).Reload()
        tags = found.Tags()["scalars"]
        about = found.summary_metadata

        def content(tag, about=about):
            return about[tag].plugin_data.content

        start = metadata.parse_session_start_info_plugin_data(
            content(metadata.SESSION_START_INFO_TAG)
        )
        end = metadata.parse_session_end_info_plugin_data(content(metadata.SESSION_END_INFO_TAG))
        known = {n: getattr(v, v.WhichOneof("kind")) for n, v in start.hparams.items()}
        numbers = {(tag, one.step): one.value for tag in tags for one in found.Scalars(tag)}
        assert start.group_name == path.parent.name
        yield path.parent.name, Run(known, numbers, failed=end.status == Status.STATUS_FAILURE)


def mlflow_runs(place):
    from mlflow import MlflowClient  # noqa: PLC0415  an extra

    client = MlflowClient(tracking_uri=f"sqlite:///{place / 'mlflow.db'}")
    (experiment,) = (e for e in client.search_experiments() if e.name != "Default")
    assert experiment.name == "s"
    for run in client.search_runs([experiment.experiment_id]):
        key, numbers = run.info.run_id, {}
        for name in run.data.metrics:
            for one in client.get_metric_history(key, name):
                numbers[name, one.step] = one.value
        tags = {n: v for n, v in run.data.tags.items() if not n.startswith("mlflow.")}
        failed = run.info.status == "FAILED"
        yield run.info.run_name, Run(run.data.params | tags, numbers, failed=failed)


def records(path):
    """The records of an offline file: blocks of 32 KiB of chunks, as in a log of LevelDB."""
    from wandb.proto.wandb_internal_pb2 import Record  # noqa: PLC0415  an extra

    data, place, parts = path.read_bytes(), 7, b""  # behind the header of the file
    while place + 7 <= len(data):
        if (left := 2**15 - place % 2**15) < 7:
            place += left
        length = int.from_bytes(data[place + 4 : place + 6], "little")
        parts += data[place + 7 : place + 7 + length]
        if data[place + 6] in {1, 4}:  # whole, or its last chunk
            yield Record.FromString(parts)
            parts = b""
        place += 7 + length


def wandb_runs(place):
    for path in sorted(place.glob("wandb/offline-run-*/run-*.wandb")):
        known, numbers, code = {}, {}, None
        for one in records(path):
            kind = one.WhichOneof("record_type")
            if kind == "run":
                assert (one.run.project, one.run.display_name) == ("s", one.run.run_id)
                known |= {i.key: json.loads(i.value_json) for i in one.run.config.update}
                name = one.run.run_id
            elif kind == "history":
                row = {"/".join(i.nested_key) or i.key: i.value_json for i in one.history.item}
                step = one.history.step.num
                numbers |= {(n, step): json.loads(v) for n, v in row.items() if n[0] != "_"}
            elif kind == "summary":
                for i in one.summary.update:
                    summed = "/".join(i.nested_key) or i.key
                    if not summed.startswith(("_", "epoch/")):
                        numbers[summed, EPOCHS] = json.loads(i.value_json)
            elif kind == "exit":
                code = one.exit.exit_code
        yield name, Run(known, numbers, failed=code != 0)


READ = {"mlflow": mlflow_runs, "wandb": wandb_runs, "tensorboard": tensorboard_runs}


def read(name, place):
    runs = list(READ[name](place))
    assert len(dict(runs)) == len(runs)  # a run for each cell, and no second one
    return dict(runs)


def expected(folder):
    """The numbers of each cell by name and epoch, straight from the CSV files."""
    numbers = {}
    for row in pd.read_csv(folder / "results.csv").to_dict("records"):
        own = numbers.setdefault(row["cell_id"], {})
        for name in ("epoch", "noise_rate_realised", *schema.METRICS):
            own[f"{row['selection']}/{name}", EPOCHS] = row[name]
    for row in pd.read_csv(folder / "curves.csv").to_dict("records"):
        for name in ("lr", "train_loss", "val_acc", *schema.EPOCH_METRICS):
            numbers[row["cell_id"]][f"epoch/{name}", row["epoch"]] = row[name]
    for row in pd.read_csv(folder / "detection.csv").to_dict("records"):
        for name in ("auroc", "ap", "missed"):
            numbers[row["cell_id"]][f"detection/{name}_{row['score']}", EPOCHS] = row[name]
    for row in pd.read_csv(folder / "costs.csv").to_dict("records"):
        for name in ("train_seconds", "eval_seconds", "peak_memory_mb", "forward_passes"):
            numbers[row["cell_id"]][f"cost/{name}", EPOCHS] = row[name]
    return {
        cell: {key: value for key, value in own.items() if not math.isnan(value)}
        for cell, own in numbers.items()
    }


@pytest.fixture
def folder(tmp_path):
    return folders.stamp(folders.write(tmp_path / "out", SWEEP))


@pytest.mark.parametrize("name", BY_LIBRARY)
def test_a_library_reads_back_what_the_tables_say_and_twice_is_once(name, folder, tmp_path):
    place = tmp_path / "store"
    assert export(folder, name, place)[:3] == (CELLS, 0, 0)
    assert export(folder, name, place)[:3] == (0, 0, CELLS)
    runs, wanted = read(name, place), expected(folder)
    assert runs.keys() == wanted.keys()
    for cell, run in runs.items():
        assert run.numbers == pytest.approx(wanted[cell], rel=EXACT[name])
    about = pd.read_csv(folder / "results.csv").drop_duplicates("cell_id").set_index("cell_id")
    (gce, *_) = about.index[about["method"] == "gce(q=0.5)"]
    known = {key: str(value) for key, value in runs[gce].parameters.items()}
    assert {"method": "gce(q=0.5)", "method.q": "0.5", "torch": "2.14.1"}.items() <= known.items()
    assert known["noise"] == about.loc[gce, "noise"]
    assert float(known["seed"]) == about.loc[gce, "seed"]
    assert not {"host", "a", "b"} & {*known, *known.values()}  # of the machines that trained


@pytest.mark.parametrize("name", BY_LIBRARY)
def test_what_is_new_is_added_and_what_changed_is_replaced(name, folder, tmp_path):
    place, more = tmp_path / "store", tmp_path / "more"
    export(folder, name, place)
    results = pd.read_csv(folder / "results.csv")
    changed, gone = results["cell_id"].iloc[0], results["cell_id"].iloc[-1]
    results.loc[results["cell_id"] == changed, "acc"] = 0.125
    results[results["cell_id"] != gone].to_csv(folder / "results.csv", index=False)
    other = folders.Sweep(methods=("elr",), noises=("clean",), seeds=2, planned=2)
    folders.stamp(folders.write(more, other))
    assert export(folder, name, place)[:3] == (0, 1, CELLS - 2)
    assert export(more, name, place)[:3] == (2, 0, 0)
    runs = read(name, place)
    assert len(runs) == CELLS + 2  # what is no more among the results stays
    assert runs[changed].numbers["last/acc", EPOCHS] == 0.125
    assert export(folder, name, place)[:3] == (0, 0, CELLS - 1)


@pytest.mark.parametrize("name", BY_LIBRARY)
def test_cells_of_an_unfinished_sweep_are_exported_and_one_that_failed_is_marked(name, tmp_path):
    out, place = tmp_path / "out", tmp_path / "store"
    out.mkdir()
    plan(out, "1", "2", "3")
    write_part(out, [record("1")])
    write_part(out, [record("2", "failed")])
    before = sorted(path.name for path in out.iterdir())
    assert export(out, name, place)[:3] == (2, 0, 0)
    assert sorted(path.name for path in out.iterdir()) == before
    runs = read(name, place)
    assert {cell: run.failed for cell, run in runs.items()} == {"1": False, "2": True}
    assert runs["2"].parameters["reason"] == "it broke"
    assert not any(key[0].startswith(("last/", "epoch/")) for key in runs["2"].numbers)
    write_part(out, [record("2")])
    derive(out, Parts(out))
    assert export(out, name, place)[:3] == (0, 1, 1)
    assert not read(name, place)["2"].failed


@needs("tensorboard")
def test_a_file_of_the_users_in_the_way_is_kept_and_named(folder, tmp_path):
    place = tmp_path / "store"
    export(folder, "tensorboard", place)
    mine = min(place.glob("*/events.*"))
    mine.write_bytes(b"mine")
    results = pd.read_csv(folder / "results.csv").assign(acc=0.5)
    results.to_csv(folder / "results.csv", index=False)
    with pytest.raises(RefusedError, match="was changed since `export` wrote it"):
        export(folder, "tensorboard", place)
    assert mine.read_bytes() == b"mine"


@pytest.mark.parametrize("name", BY_LIBRARY)
def test_no_other_machine_is_asked_for_anything(name, folder, tmp_path, monkeypatch):
    asked = []
    connect = socket.socket.connect

    def noting(self, address):
        if isinstance(address, tuple) and address[0] not in {"127.0.0.1", "::1"}:
            asked.append(address)
        return connect(self, address)

    def looking_up(host, *_, **__):
        asked.append(host)
        raise socket.gaierror(f"{host} is not looked up in a test")

    monkeypatch.setattr(socket.socket, "connect", noting)
    monkeypatch.setattr(socket, "getaddrinfo", looking_up)
    export(folder, name, tmp_path / "store")
    assert asked == []


@pytest.mark.parametrize("name", EXACT)
def test_a_library_that_is_missing_is_told_with_its_extra(name: TrackerName, folder, monkeypatch):
    for known in [one for one in sys.modules if one.startswith(f"{name}.")]:
        monkeypatch.delitem(sys.modules, known)
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, f"benchmarks.trackers.{name}", raising=False)
    with pytest.raises(RefusedError, match=rf"--to {name} needs .*bench\[{name}\]"):
        export(folder, name, Path(folder / "store"))
