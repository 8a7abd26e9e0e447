"""The readers of everything from outside, each with a valid file and the ways to damage it.

To add a reader, write a function that makes a folder with a valid file and returns a ``Reader``,
and name it in ``READERS``: CI and the soak do the rest. A reader that takes part must raise nothing
but an ``InputError``, a ``RefusedError`` or, for a field of a noise, a ``ValueError``, each of one
line, whatever the file holds.
"""

import contextlib
import functools
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import msgspec
import numpy as np
import torch
from PIL import Image

from benchmarks import report
from benchmarks.datasets import DATASETS
from benchmarks.embedding import cache
from benchmarks.engine import checkpoint
from benchmarks.engine.checkpoint import Checkpoints, path_of
from benchmarks.engine.record import PackSetup, train_cells
from benchmarks.inputs.images import read_picture
from benchmarks.launch.worker import Job, train_pack
from benchmarks.noise import NOISES, Images, LabelSpace
from benchmarks.outputs import (
    manifest_path,
    read_manifest,
    refuse_foreign_files,
    replaced_files,
)
from benchmarks.planning import throughput
from benchmarks.planning.options import TrainingOptions
from benchmarks.planning.plan import make_plan
from benchmarks.regress import timings
from benchmarks.regress.baseline import VERB, Baseline, accept, opened
from benchmarks.regress.comparison import judge
from benchmarks.regress.formats import junit, markdown
from benchmarks.regress.speed import judge as judge_speed
from benchmarks.report import history
from benchmarks.report.analysis import Analysis
from benchmarks.report.data import load
from benchmarks.report.own_labels import first_suspects
from benchmarks.store import Parts, derive, read_plan, write_collected, write_part
from benchmarks.store.slurm_queue import Queue, Sent
from benchmarks.store.status import look
from benchmarks.store.status_text import describe, page
from benchmarks.store.tables import finished_rows
from benchmarks.store.trainers import PackInTraining, Trainer
from benchmarks.suites import FOLDER
from benchmarks.suspects.corrections import relabel
from benchmarks.sweep import Suite
from tests.cells import CPU, NOWHERE, build
from tests.fuzz import damage
from tests.report import folders
from tests.store.test_store import collected, plan, record

N, C = 40, 4
TRUE = np.arange(N) % C
GIVEN = np.where(np.arange(N) % 5 == 0, (TRUE + 1) % C, TRUE)
NAMES = ("cat", "dog", "a, b", "7")


@dataclass(frozen=True)
class Reader:
    """A reader of one file.

    Attributes:
        path: the file, which mutants replace.
        mutant: returns a damaged file whose container is whole and has right checksums.
        read: reads the file as a verb does, and uses what it has read; what is left out and said
            instead of being refused is returned, or printed to stderr.
        decoders: the functions that see a file one after another; the log counts how many did.
        value_errors: that a field of a noise says by a ``ValueError`` what is wrong with its file.
    """

    path: Path
    mutant: Callable[[Random], bytes]
    read: Callable[[], object]
    decoders: tuple[str, ...]
    value_errors: bool = False


# --------------------------------------------------------------------------------- labels


def _labels(path, content, mutant, decoders):
    path.write_bytes(content)
    noise = NOISES.build(f"labels(file={str(path)!r})")
    space = LabelSpace(C, N, {}, classes=NAMES)
    images = Images(torch.zeros(N, 1, 1, 1), torch.arange(N) * 3, NOWHERE, lambda _: None)

    def read():
        noise.check(space, [0])
        given = noise.corrupt(torch.from_numpy(TRUE), space._replace(images=images), "toy", 0)
        assert given.label.shape == (N,)
        assert 0 <= given.label.min() <= given.label.max() < C

    door, last = "benchmarks.noise.label_file.", "benchmarks.noise.files."
    decoders = (*(door + name for name in decoders), last + "given_labels", last + "order")
    return Reader(path, mutant, read, decoders, value_errors=True)


def label_csv(folder):
    rows = [("position", "index", "name", "note", "true", "given")]
    notes = ("ok", "either 1, 2, or 3", 'a "b"', "two\nlines")
    rows += [
        (i, 3 * i, f"{i}.png", notes[i % 4], TRUE[i], NAMES[g] if i % 2 else g)
        for i, g in enumerate(GIVEN.tolist())
    ]
    rows = [[str(field) for field in row] for row in rows]
    decoders = ("text_of", "table_of", "_from_table")
    mutant = functools.partial(damage.table, rows)
    return _labels(folder / "labels.csv", damage.as_csv(rows), mutant, decoders)


def label_text(folder):
    rows = [[NAMES[g] if i % 2 else str(g)] for i, g in enumerate(GIVEN.tolist())]
    decoders = ("text_of", "_from_list")
    mutant = functools.partial(damage.table, rows)
    return _labels(folder / "labels.txt", damage.as_csv(rows), mutant, decoders)


def label_npy(folder):
    def mutant(random):
        return damage.npy(damage.array(GIVEN, random), random)

    decoders = ("arrays_of", "_from_arrays")
    return _labels(folder / "labels.npy", damage.npy(GIVEN), mutant, decoders)


def label_npz(folder):
    arrays = {"given": GIVEN, "true": TRUE, "position": np.arange(N), "index": np.arange(N) * 3}

    def mutant(random):
        return _npz(arrays, random)

    content = damage.sealed([(f"{n}.npy", damage.npy(a)) for n, a in arrays.items()])
    decoders = ("arrays_of", "_from_arrays")
    return _labels(folder / "labels.npz", content, mutant, decoders)


def _npz(arrays, random):
    """Return an archive in which one array is another, or one member is."""
    chosen = random.choice(list(arrays))
    files = []
    for name, values in arrays.items():
        one = damage.array(values, random) if name == chosen else values
        files.append((f"{name}.npy", damage.npy(one, random if name == chosen else None)))
    return damage.sealed(damage.members(files, random) if random.random() < 0.4 else files, random)


def own_arrays(folder):
    path = folder / "data.npz"
    image = (np.arange(N * 20) % 251).astype(np.uint8).reshape(N, 5, 4)
    arrays = {"image": image, "label": GIVEN, "clean_label": TRUE, "classes": np.array(NAMES)}
    arrays["side"] = np.full((N, len(NAMES)), 1 / len(NAMES), np.float32)
    content = damage.sealed([(f"{n}.npy", damage.npy(a)) for n, a in arrays.items()])
    path.write_bytes(content)
    dataset = DATASETS.build(f"arrays(file={str(path)!r}, test=0.2)")

    def read():
        for split in dataset.load(NOWHERE, 0):
            assert split.image.shape == (len(split.label), *dataset.shape)
            given = _given(split)
            assert 0 <= given.min() <= given.max() < dataset.num_classes
            if split.side is not None:
                assert (split.side.sum(1) - 1).abs().max() < 1e-5

    door, inner = "benchmarks.datasets.arrays.", ("_shape", "_probabilities", "_channels_first")
    decoders = (*(door + name for name in ("open_arrays", "coded", *inner)),)
    return Reader(path, lambda random: _npz(arrays, random), read, decoders)


def _given(split):
    """Return the labels of a file, which are all that it has where no column is of clean ones."""
    return split.label if split.given is None else split.given


def _pictures(folder):
    for number in range(12):
        pixels = np.full((6 + number % 3, 7, 3), 20 * number, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return [["path", "label", "clean_label"]] + [
        [f"{number}.png", NAMES[number % 3], NAMES[number // 2 % 3]] for number in range(12)
    ]


def own_table(folder):
    path, rows = folder / "labels.csv", _pictures(folder)
    path.write_bytes(damage.as_csv(rows))
    dataset = DATASETS.build(f"table(file={str(path)!r}, test=0.3, size=4)")

    def read():
        assert dataset.num_classes >= 2
        assert all(_given(dataset.load(folder / "data", 0)[0]) >= 0)

    door = "benchmarks.datasets.image_files."
    decoders = (door + "read_table", door + "_table", door + "coded", door + "decoded")
    return Reader(path, functools.partial(damage.table, rows), read, decoders)


def own_picture(folder):
    _pictures(folder)
    path = folder / "5.png"
    whole = path.read_bytes()

    def mutant(random):
        other = io.BytesIO()
        image = Image.open(io.BytesIO(whole)).resize((random.randint(1, 40), random.randint(1, 9)))
        mode = random.choice(["RGB", "L", "P", "1", "CMYK", "RGBA"])
        kind = "TIFF" if mode == "CMYK" else random.choice(["PNG", "TIFF"])
        image.convert(mode).save(other, kind)
        return other.getvalue()

    def read():
        assert read_picture(path, 4, "squash").pixel.shape == (3, 4, 4)

    door = "benchmarks.inputs.images."
    return Reader(path, mutant, read, (door + "read_bytes", door + "_in_colour"))


def matrix(folder):
    path = folder / "T.csv"
    rows = [[f"{x}" for x in row] for row in (np.full((C, C), 0.05) + 0.8 * np.eye(C)).tolist()]
    path.write_bytes(damage.as_csv(rows))
    noise, space = NOISES.build(f"matrix(file={str(path)!r})"), LabelSpace(C, N, {})

    def read():
        noise.check(space, [0])
        assert torch.allclose(noise.matrix(space).sum(1), torch.ones(C, dtype=torch.float64))

    decoders = ("benchmarks.noise.field_files._parsed", "benchmarks.noise.field_files._rows")
    mutant = functools.partial(damage.table, rows)
    return Reader(path, mutant, read, decoders, value_errors=True)


def probabilities(folder):
    path = folder / "eta.npy"
    eta = np.full((N, C), 0.1) + 0.6 * np.eye(C)[TRUE]
    path.write_bytes(damage.npy(eta))
    noise, space = NOISES.build(f"pmd(rate=0.2, eta={str(path)!r})"), LabelSpace(C, N, {})

    def read():
        noise.check(space, [0])
        noise.corrupt(torch.from_numpy(TRUE), space, "toy", 0)

    def mutant(random):
        return damage.npy(damage.array(eta, random), random)

    decoders = ("benchmarks.noise.field_files._parsed", "benchmarks.noise.field_files.arrays_of")
    return Reader(path, mutant, read, decoders, value_errors=True)


# --------------------------------------------------------------------------------- requests


def suite(folder):
    path = folder / "mine.toml"
    text = (FOLDER / "default.toml").read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    whole = {key: list(getattr(Suite.read("default"), key)) for key in _AXES}
    whole["profile"] = "default"
    whole["question"] = {"reference": "gce", "candidates": ["elr"], "margin": {"acc": 0.01}}

    def read():
        suite = Suite.read(str(path))
        suite.asked()
        if len(suite.seed) * len(suite.method) * len(suite.noise) < 5_000:
            assert all(cell.seed >= 0 for cell in suite.cells("float32"))

    def mutant(random):
        return damage.as_toml(damage.tree(whole, random))

    decoders = ("benchmarks.sweep.read_bytes", "benchmarks.sweep.decode_toml")
    decoders += ("benchmarks.inputs.records.msgspec.convert", "benchmarks.sweep.refuse_odd")
    return Reader(path, mutant, read, decoders)


_AXES = ("dataset", "noise", "method", "model", "recipe", "seed")


def rates(folder):
    path = folder / "throughput.json"
    work = {"widths": {"1": [3e-5, 1e-5], "16": [1e-5, 1e-5]}, "cannot": {"64": "out of memory"}}
    name = throughput.work_of(build(), CPU)
    path.write_bytes(damage.as_json({name: work}))

    def read():
        before, throughput.cache_file = throughput.cache_file, lambda: path
        try:
            known = throughput.Throughput.read()
            assert 1 <= known.best_width(build(), CPU) <= 2**20
            assert (known.seconds(build(), CPU, 16) or 0) >= 0
        finally:
            throughput.cache_file = before

    def mutant(random):
        return damage.as_json(damage.tree({name: work}, random))

    decoders = ("benchmarks.planning.throughput.read_bytes", "benchmarks.inputs.records._misfit")
    decoders += ("benchmarks.planning.throughput.SecondsPerImage.of_cell",)
    return Reader(path, mutant, read, decoders)


# --------------------------------------------------------------------------------- results


def plan_json(folder):
    plan(folder, "1", "2")
    write_part(folder, [record("1"), record("2", "failed")])
    path = folder / "plan.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    del whole["cells_sha256"]  # an earlier plan has none, and with one every edit of a cell is told

    def read():
        read_plan(folder)
        describe(folder)
        derive(folder, Parts(folder))

    door = "benchmarks.store.plan_file."
    decoders = (door + "decode_json", door + "_check", "benchmarks.store.status.Parts")
    return Reader(path, _edited(whole), read, decoders)


def trainer(folder):
    """What a pool of workers says it trains; left out by a note where it is damaged."""
    plan(folder, "1", "2")
    packs = (PackInTraining(("1", "2"), 0.5),)
    told = msgspec.json.encode(Trainer("node", 7, 2, 1e9, 2e9, packs))
    path = folder / "running" / "node-7.json"
    return _seen_by_status(folder, path, told, "benchmarks.store.trainers.decode_json")


def slurm_queue(folder):
    """The list of what was handed to Slurm, likewise."""
    plan(folder, "1", "2")
    told = msgspec.json.encode(Queue((Sent("7_0", ("1",)), Sent("7_1", ("2",))), 2))
    path = folder / "slurm" / "queue.json"
    return _seen_by_status(folder, path, told, "benchmarks.store.slurm_queue.decode_json")


def _seen_by_status(folder, path, told, door):
    path.parent.mkdir()
    path.write_bytes(told)

    def read():
        state, _ = look(folder)
        msgspec.json.encode(state)
        page(state)
        return "".join(state.notes)

    return Reader(path, _edited(json.loads(told)), read, (door,))


def part(folder):
    plan(folder, "1", "2", "3", seeds=(0, 1, 0))
    path = write_part(folder, [record("1"), record("2", seed=1), record("3", "failed")])
    return _part(folder, path)


def recomputed(folder):
    plan(folder, "1", "2", seeds=(0, 1))
    pack = [record("1"), record("2", seed=1)]
    first = write_part(folder, pack)
    bins = {"bins": pack[0].arrays["bins"], "detection": pack[0].arrays["detection"]}
    write_collected(first, [collected(one, **bins) for one in pack])
    return _part(folder, folder / "collected" / first.name, collected=True)


def begun(folder):
    """A checkpoint: whatever it holds, its pack is trained, from there or from the beginning."""
    cell = build(model="mlp(first=4, second=4)", recipe="small(epochs=2, batch=1000)")
    kept = Checkpoints(folder, 0.0)

    def killed(epochs):
        if epochs > 1:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        train_cells([cell], PackSetup(NOWHERE, CPU, keep_all=True, beat=killed, checkpoints=kept))
    path = path_of(folder, [cell.id])
    with np.load(path) as archive:
        members = dict(archive)
    meta = json.loads(members.pop("meta").tobytes())
    job = Job(folder, NOWHERE, "cpu", keep_all=True, commit="")

    def read():
        checkpoint.begun(folder)
        (trained,) = train_pack(job, [cell.specs()], 1, CPU)
        assert trained.meta.status != "failed", trained.meta.trace

    door = "benchmarks.engine.checkpoint."
    last = "benchmarks.engine.one_by_one.refuse_others"
    return Reader(
        path, _rewritten(meta, members), read, (door + "read_arrays", door + "_remembered", last)
    )


def _part(folder, path, collected=False):
    with np.load(path) as archive:
        tables = {name: archive[name] for name in archive.files}
    meta = json.loads(tables.pop("meta").tobytes())

    def read():
        parts = Parts(folder)
        list(parts.records(parts.meta))
        derive(folder, parts)
        describe(folder)
        return "".join(parts.damage())

    door = "benchmarks.store.part_file."
    last = "check_collected" if collected else "check_values"
    decoders = (*(door + name for name in ("_members", "_tables", "_array")), door + last)
    return Reader(path, _rewritten(meta, tables, _fields), read, decoders)


def _edited(whole):
    """Return what makes a JSON file in which a value is changed, renamed or gone."""
    return lambda random: damage.as_json(damage.tree(whole, random))


def _rewritten(meta, arrays, change=None):
    """Return what makes an archive whose meta, arrays or members are changed.

    Args:
        meta: the content of its member of that name.
        arrays: its others.
        change: what is done to one of these besides.
    """

    def mutant(random):
        facts, own = meta, dict(arrays)
        kind = random.randrange(3)
        if kind == 0:
            facts = damage.tree(meta, random)
        elif kind == 1 and change:
            name = random.choice(list(own))
            own[name] = change(own[name], random)
        text = damage.as_json(facts)
        files = [("meta.npy", damage.npy(np.frombuffer(text, np.uint8)))]
        files += [
            (f"{n}.npy", damage.npy(a, random if kind == 1 else None)) for n, a in own.items()
        ]
        return damage.sealed(damage.members(files, random) if kind == 2 else files, random)

    return mutant


def _fields(table, random):
    """Return a structured array with one of its fields changed, renamed or gone."""
    columns = {name: table[name] for name in table.dtype.names}
    name = random.choice(list(columns))
    change = random.randrange(4)
    if change == 0:
        del columns[name]
    elif change == 1:
        columns[f"{name}x"] = columns.pop(name)
    else:
        columns[name] = damage.array(columns[name], random)
    size = max((len(c) for c in columns.values() if c.ndim), default=0)
    columns = {n: c for n, c in columns.items() if c.ndim and len(c) == size}
    fields = [(n, c.dtype, c.shape[1:]) for n, c in columns.items()]
    changed = np.zeros(size, fields)
    for n, column in columns.items():
        changed[n] = column
    return changed


def finished(folder):
    """A packed table, of whose finished cells none may be lost."""
    sweep = folders.Sweep(methods=("elr",), noises=folders.NOISES[:1], seeds=2)
    folders.write(folder, sweep)
    path = folder / "results.csv.gz"
    rows = [line.split("\t") for line in _tabbed(folder / "results.csv")]
    (folder / "results.csv").unlink()
    path.write_bytes(gzip.compress(damage.as_csv(rows), mtime=0))

    def mutant(random):
        return gzip.compress(damage.table(rows, random), 1, mtime=0)

    def read():
        assert all(isinstance(cell, str) for cell in finished_rows(folder))

    door = "benchmarks.store.tables."
    return Reader(path, mutant, read, (door + "content_of", door + "text_of", door + "csv.reader"))


def manifest(folder):
    """The list of the files that a verb wrote."""
    with replaced_files(folder, "audit") as new:
        for name in ("table.csv", "gone.csv"):
            (new / name).write_text(name, encoding="utf-8")
    path = manifest_path(folder, "audit")
    whole = json.loads(path.read_text(encoding="utf-8"))
    whole["coming"] = {"table.csv": whole["files"]["gone.csv"]}

    def read():
        refuse_foreign_files(folder, "audit", ["table.csv", "new.csv"])

    door = "benchmarks.outputs."
    decoders = (door + "decode_json", door + "Manifest.refuse_other_places", door + "sha256_of")
    return Reader(path, _edited(whole), read, decoders)


def report_digest(folder):
    """What is kept of a report, which is drawn anew where it cannot be read."""
    with replaced_files(folder, "report", title="of it") as new:
        (new / "report.md").write_text("drawn", encoding="utf-8")
    path = folder / report._DIGEST
    whole = {"digest": "of it", "ranking": "first", "answer": "the first"}
    path.write_bytes(damage.as_json(whole))

    def read():
        report._recall(folder, "of it")

    door = "benchmarks.report."
    return Reader(path, _edited(whole), read, (door + "decode_json", door + "Report"))


def former_digest(folder):
    """What a version without manifests kept of a report: its files, by their paths."""
    (folder / "report.md").write_text("drawn", encoding="utf-8")
    (folder.parent / "outside.md").write_text("of the user", encoding="utf-8")
    path = folder / report._FORMER_DIGEST
    whole = {"digest": "of it", "outputs": ["report.md", "../outside.md", "figures/one.png"]}
    path.write_bytes(damage.as_json(whole))

    def read():
        manifest_path(folder, "report").unlink(missing_ok=True)
        report._adopt_former(folder)
        names = read_manifest(folder, "report").names()
        assert names <= {"report.md", path.name}

    door = "benchmarks.report."
    return Reader(path, _edited(whole), read, (door + "decode_json", door + "adopt_files"))


def features(folder):
    """What a folder of feature vectors says that it holds."""
    vectors = np.arange(12, dtype=np.float32).reshape(4, 3)
    data = damage.sealed([("train.npy", damage.npy(vectors))])
    (folder / cache.VECTORS).write_bytes(data)
    path = folder / cache.ABOUT
    about = cache.About("digits", "random_conv", 3, hashlib.sha256(data).hexdigest())
    path.write_bytes(msgspec.json.encode(about))

    def read():
        if (known := cache.read_about(folder)) is not None:
            assert cache.read_vectors(folder, known)["train"].shape == (4, 3)

    door = "benchmarks.embedding.cache."
    decoders = (door + "decode_json", door + "read_vectors", door + "read_arrays")
    return Reader(path, _edited(json.loads(path.read_bytes())), read, decoders)


def results_csv(folder):
    sweep = folders.Sweep(methods=("cross_entropy", "elr"), noises=folders.NOISES[:2], seeds=2)
    folders.write(folder, sweep)
    return _tables(folder, "results.csv")


def bins_csv(folder):
    sweep = folders.Sweep(methods=("cross_entropy", "elr"), noises=folders.NOISES[:2], seeds=2)
    folders.write(folder, sweep)
    return _tables(folder, "bins.csv")


def confusion_csv(folder):
    sweep = folders.Sweep(("elr",), folders.NOISES[1:3], seeds=2, classes=3)
    folders.write(folder, sweep)
    reader = _tables(folder, "confusion.csv")
    return replace(reader, decoders=("benchmarks.report.data.fault_of_lists", *reader.decoders))


def _tables(folder, name):
    path = folder / name

    def read():
        run = load(folder)
        if zlib.crc32(path.read_bytes()) % 8 == 0:  # it is slow
            Analysis(run)

    return _table(path, read, "benchmarks.report.data.Run")


def _table(path, read, last):
    rows = [line.split("\t") for line in _tabbed(path)]
    mutant = functools.partial(damage.table, rows)
    door = "benchmarks.report.data."
    decoders = (
        door + "checked_table",
        door + "_refuse_text_and_infinity",
        door + "_with_names",
        last,
    )
    return Reader(path, mutant, read, decoders)


def judged_csv(folder):
    sweep = folders.Sweep(methods=("cross_entropy", "elr"), noises=folders.NOISES[:2], seeds=3)
    for side in ("base", "new"):
        folders.write(folder / side, sweep)
    path, base = folder / "new" / "results.csv", Baseline("base", folder / "base")

    def read():
        judgement = judge(folder / "new", base)
        return "".join([*judgement.lines(), markdown(judgement), junit(judgement)]) and None

    return _table(path, read, "benchmarks.regress.comparison.judgement")


def baseline_json(folder):
    sweep = folders.Sweep(methods=("elr",), noises=folders.NOISES[:1], seeds=2, planned=2)
    folders.write(folder / "run", sweep)
    accept(folder / "run", folder / "base", "it was", [1])
    manifest_path(folder / "base", VERB).unlink()
    path = folder / "base" / "baseline.json"
    whole = json.loads(path.read_text(encoding="utf-8"))

    def read():
        with opened(str(folder / "base"), folder / "run") as base:
            assert isinstance(base.reserve, tuple)

    door = "benchmarks.regress.baseline."
    return Reader(path, _edited(whole), read, (door + "decode_json", door + "Baseline"))


def benchmarks_json(folder):
    path = folder / "speed.json"
    stats = {"min": 0.01, "median": 0.011, "mean": 0.012, "rounds": 20}
    one = {"name": "test_a", "fullname": "tests/test_a.py::test_a", "stats": stats}
    one |= {"extra_info": {"calibration": {"min": 0.001, "median": 0.001}}}
    cpu = {"brand_raw": "Blue 1", "count": 2, "flags": ["avx"]}
    two = one | {"name": "test_b", "options": {"timer": "process_time"}}
    whole = {"machine_info": {"node": "a", "cpu": cpu}, "benchmarks": [one, two]}
    path.write_bytes(damage.as_json(whole))

    def read():
        run = timings.read(path)
        judgement = judge_speed([run] * 4, [run])
        return "".join([*judgement.lines(), markdown(judgement), junit(judgement)]) and None

    door = "benchmarks.regress.timings."
    return Reader(path, _edited(whole), read, (door + "decode_json", door + "_usable"))


def history_csv(folder):
    path = folder / "history.csv"
    rows = [list(history.COLUMNS)]
    for day in range(1, 13):
        time = f"2026-01-{day:02}T00:00:00+00:00"
        rows.append([time, "s elr acc", f"r{day}", "c", "s", "elr", "acc", f"0.{day}", "2", "5"])
    path.write_bytes(damage.as_csv(rows))

    def read():
        own = history.of_suite(history.read(path), "s")
        assert all(change.metric in history.TRACKED for change in history.changes(own))

    door = "benchmarks.report.history."
    decoders = (door + "read_table", door + "_fault", door + "change_points")
    return Reader(path, functools.partial(damage.table, rows), read, decoders)


def _tabbed(path):
    import pandas as pd  # noqa: PLC0415  the engine's readers do without

    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    return ["\t".join(table.columns), *("\t".join(row) for row in table.to_numpy())]


def reviewed(folder):
    cell = build(recipe="small(epochs=2)")
    make_plan(folder, "audit", [cell], TrainingOptions(CPU, 1)).write(folder)
    train = DATASETS.build("digits").load(NOWHERE, 0)[0]
    given = cell.noise.corrupt(train.label, _digits(), "digits", 0).label.tolist()
    rows = [["rank", "cell_id", "position", "index", "given", "corrected", "remark"]]
    rows += [
        list(map(str, (i, cell.id, i, train.position[i].item(), given[i], (given[i] + i) % 10, "")))
        for i in range(12)
    ]
    path = folder / "reviewed.csv"
    path.write_bytes(damage.as_csv(rows))

    def read():
        relabel(folder, path, NOWHERE, str(folder / "out" / "labels.npy"))

    door = "benchmarks.suspects.corrections."
    decoders = (door + "read_table", door + "_Reader.corrected", door + "_correct", door + "_write")
    return Reader(path, functools.partial(damage.table, rows), read, decoders)


def audited(folder):
    path = folder / "suspects.csv"
    names = ("dataset", "rank", "index", "given_name", "predicted_name")
    rows = [",".join(names), *(f"pets,{k},{k + 7},cat,dog" for k in range(1, 20))]
    path.write_text("\n".join(rows) + "\n")
    (folder / "index.md").write_text("![sheet](sheet.png)\n")

    def read():
        sheet, table = first_suspects(folder, "pets")
        assert sheet is None
        assert table is None or len(table.text) <= len(rows)

    door = "benchmarks.report.own_labels."
    decoders = (door + "read_table", door + "read_text", door + "unmarked")
    return Reader(path, functools.partial(damage.table, rows), read, decoders)


# ------------------------------------------------------------------------------- vectors


def _features(path, mutant, decoders):
    dataset = DATASETS.build(f"features(file={str(path)!r}, test=0.25)")

    def read():
        train, test = dataset.load(NOWHERE, 0)
        assert len(train.image) + len(test.image) == len(train.label) + len(test.label)
        assert train.image.isfinite().all()

    door = "benchmarks.datasets."
    decoders = (*decoders, door + "arrays._refuse_names", door + "arrays.coded")
    return Reader(path, mutant, read, decoders)


VECTORS = {"feature": np.arange(3.0 * N).reshape(N, 3), "label": GIVEN, "clean_label": TRUE}


def features_npz(folder):
    path = folder / "features.npz"
    files = [(f"{name}.npy", damage.npy(values)) for name, values in VECTORS.items()]
    path.write_bytes(damage.sealed(files))
    mutant = functools.partial(_npz, VECTORS)
    return _features(path, mutant, ("benchmarks.datasets.features.open_arrays",))


def features_safetensors(folder):
    from safetensors.numpy import save  # noqa: PLC0415  an extra

    path, content = folder / "features.safetensors", save(VECTORS)
    path.write_bytes(content)
    size = int.from_bytes(content[:8], "little")
    header, rest = json.loads(content[8 : 8 + size]), content[8 + size :]

    def mutant(random):
        changed = json.loads(json.dumps(header))
        one = changed[random.choice(list(VECTORS))]
        key = random.choice(list(one))
        values = {
            "dtype": ["F32", "BF16", "F8_E4M3", "I64", "U8", "BOOL", "O", 7, None],
            "shape": [[N], [N, 3], [0, 3], [2**62, 4], [-1], [], "x", None],
            "data_offsets": [[0, 8 * N], [8, 0], [2**63, 2**64], [0], [-8, 8], None],
        }
        one[key] = random.choice(values[key])
        text = json.dumps(changed).encode()
        return len(text).to_bytes(8, "little") + text + rest

    return _features(path, mutant, ("benchmarks.datasets.features.read_safetensors",))


def embedded(folder):
    dataset = DATASETS.build(
        "embedded(dataset='digits', backbone='random_conv(patches=2, size=2)')"
    )
    dataset.fetch(folder)
    path = dataset.folder(folder) / "about.json"
    whole = json.loads(path.read_text(encoding="utf-8"))

    def read():
        train, _ = dataset.load(folder, 0)
        assert train.image.shape == (1078, 2, 1, 1)

    door = "benchmarks.embedding.cache."
    return Reader(path, _edited(whole), read, (door + "decode_json", door + "sha256_of"))


def _digits():
    from benchmarks.sweep import label_space  # noqa: PLC0415

    return label_space(DATASETS.build("digits"))


READERS = {
    "labels, CSV": label_csv,
    "labels, text": label_text,
    "labels, .npy": label_npy,
    "labels, .npz": label_npz,
    "arrays of one's own": own_arrays,
    "table of pictures": own_table,
    "picture": own_picture,
    "matrix": matrix,
    "probabilities": probabilities,
    "suite": suite,
    "measured rates": rates,
    "plan.json": plan_json,
    "running": trainer,
    "queue.json": slurm_queue,
    "part": part,
    "recomputed numbers": recomputed,
    "checkpoint": begun,
    "results.csv.gz, finished": finished,
    "manifest": manifest,
    "report digest": report_digest,
    "former report digest": former_digest,
    "features": features,
    "results.csv": results_csv,
    "bins.csv": bins_csv,
    "confusion.csv": confusion_csv,
    "results.csv, judged": judged_csv,
    "baseline.json": baseline_json,
    "benchmarks, JSON": benchmarks_json,
    "history.csv": history_csv,
    "reviewed table": reviewed,
    "suspects of a report": audited,
    "features, .npz": features_npz,
    "features, .safetensors": features_safetensors,
    "embedded vectors": embedded,
}
