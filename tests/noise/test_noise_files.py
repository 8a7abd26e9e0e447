"""Noise from a user's file: what is accepted, what is refused, and what an edit does."""

import csv
import io
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.datasets import DATASETS
from benchmarks.engine import loop
from benchmarks.engine.data import load_cell_data
from benchmarks.engine.record import PackSetup, train_and_record
from benchmarks.errors import RefusedError
from benchmarks.launch import run, session
from benchmarks.launch.request import Request
from benchmarks.launch.worker import finish_pack, train_pack
from benchmarks.noise import NOISES, Images, LabelSpace, realised
from benchmarks.noise.field_files import digest
from benchmarks.sweep import Cell, Suite, label_space, published_index

N, C = 300, 5
TRUE = np.arange(N) * 3 % C
GIVEN = (TRUE + (np.arange(N) % 4 == 0)) % C
CPU = torch.device("cpu")


def labels(path, seeds=(0,), size=N, classes=(), index=None):
    """Check a file as a sweep does, then draw as a cell does, with its images at hand."""
    noise = NOISES.build(f"labels(file={str(path)!r})")
    space = LabelSpace(C, size, {}, classes=classes)
    noise.check(space, seeds)
    position = torch.arange(size) if index is None else torch.tensor(index)
    images = Images(torch.zeros(size, 1, 1, 1), position, Path(), lambda _name: torch.empty(0))
    space = space._replace(images=images)
    given = noise.corrupt(torch.from_numpy(TRUE), space, "toy", seeds[0])
    assert torch.equal(given.transition, realised(torch.from_numpy(TRUE), given.label, C))
    return given.label.tolist()


def npz(**arrays):
    block = io.BytesIO()
    np.savez(block, **arrays)
    return block.getvalue()


def npy(array, **options):
    block = io.BytesIO()
    np.save(block, array, **options)
    return block.getvalue()


NAMES = ("cat", "dog", "no finding", "a, b", "deer")
INDEX = [7 * i + 2 for i in range(N)]
SHUFFLED = np.random.default_rng(0).permutation(N).tolist()


def table(*columns, rows=range(N), quoting=csv.QUOTE_MINIMAL, **more):
    """A CSV with some of the columns that are known, and others that are none of ours."""
    every = {"position": range(N), "index": INDEX, "true": TRUE, "given": GIVEN, "label": GIVEN}
    every |= {"name": [f"{i}.png" for i in range(N)], "classes": [NAMES[y] for y in GIVEN]}
    every |= {"note": ["either 3, 8, or 5" if i % 50 == 0 else "ok" for i in range(N)]} | more
    block = io.StringIO()
    writer = csv.writer(block, quoting=quoting, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([every[c][i] for c in columns] for i in rows)
    return block.getvalue().encode()


def text_of(values):
    return "\n".join(map(str, values)).encode()


def saved(**options):
    """What numpy's savetxt writes."""
    block = io.BytesIO()
    np.savetxt(block, GIVEN, **options)
    return block.getvalue()


ACCEPTED = {
    "float.npy": npy(GIVEN.astype(np.float32)),
    "byte.npy": npy(GIVEN.astype(np.uint8)),
    "big.npy": npy(GIVEN.astype(">i4")),
    "names.npy": npy(np.array([NAMES[y] for y in GIVEN])),
    "alone.npz": npz(anything=GIVEN),
    "named.npz": npz(given=GIVEN, worse=TRUE),
    "label.npz": npz(label=GIVEN, worse=TRUE),
    "checked.npz": npz(given=GIVEN, true=TRUE),
    "shuffled.npz": npz(given=GIVEN[SHUFFLED], position=np.array(SHUFFLED)),
    "comment.txt": b"# our labels\n" + text_of(GIVEN),
    "batches.txt": b"#first\n" + text_of(GIVEN[:9]) + b"\n# second\n" + text_of(GIVEN[9:]),
    "names.txt": text_of(f'"{NAMES[y]}"' if "," in NAMES[y] else NAMES[y] for y in GIVEN),
    "savetxt.txt": saved(),
    "quoted.txt": text_of(f'"{y}"' for y in GIVEN),
    "comment.csv": b"# whose labels, and when\n" + table("position", "given"),
    "row.csv": ",".join(map(str, GIVEN)).encode(),
    "blanks.txt": " ".join(map(str, GIVEN)).encode(),
    "excel.csv": b"\xef\xbb\xbf" + table("given").replace(b"\n", b"\r\n"),
    "names.csv": table("name", "given", "position"),
    "all.csv": table("position", "true", "given"),
    "notes.csv": table("position", "note", "given"),
    "quoted.csv": table("position", "note", "given", quoting=csv.QUOTE_ALL),
    "blanks.csv": table("position", "note", "given", quoting=csv.QUOTE_ALL).replace(b'",', b'", '),
    "lines.csv": table("note", "given", note=["a\n3, b" for _ in range(N)]),
    "label.csv": table("name", "label"),
    "both.csv": table("label", "given"),
    "pandas.csv": table("", "given", **{"": range(N)}),
    "class names.csv": table("name", "given", given=[NAMES[y] for y in GIVEN]),
    "mixed.csv": table("given", given=[NAMES[y] if i % 2 else y for i, y in enumerate(GIVEN)]),
    "wholes.csv": table("given", given=[f"{y}.0" for y in GIVEN]),
    "shuffled.csv": table("given", "position", "true", rows=SHUFFLED),
    "index.csv": table("index", "given", "true", rows=SHUFFLED),
    "places.csv": table("index", "given", "position", rows=SHUFFLED),
    "CAPITALS.NPY": npy(GIVEN),
    "array.csv": npy(GIVEN),
    "text.npy": table("position", "given"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_labels_are_read_from_every_form(tmp_path, name):
    (tmp_path / name).write_bytes(ACCEPTED[name])
    assert labels(tmp_path / name, classes=NAMES, index=INDEX) == GIVEN.tolist()


OTHER = np.where(np.arange(N) == 7, (GIVEN + 1) % C, GIVEN)
REFUSED = {
    "empty.npy": (b"", "is empty"),
    "empty.csv": (b"", "has no labels"),
    "comments.txt": (b"# nothing\n", "has no labels"),
    "header.csv": (b"position,given\n", "has no rows"),
    "cut.npy": (npy(GIVEN)[:-9], "claims an array of 2,400 bytes"),
    "cut.npz": (npz(given=GIVEN, true=TRUE)[:-60], "is damaged"),
    "flag.npy": (npy(GIVEN > 2), "labels are numbers or names, not of the type bool"),
    "date.npy": (
        npy(GIVEN.astype("M8[s]")),
        "not of the type datetime",
    ),
    "pickle.npy": (npy(GIVEN.astype(object), allow_pickle=True), "Python objects"),
    "photo.csv": (b"\x89PNG\xff\xfe", "line 1: text must be UTF-8"),
    "wide.csv": (
        table("given").decode().encode("utf-16"),
        "line 1: text must be UTF-8, and this is UTF-16",
    ),
    "excel.xlsx": (b"PK\x03\x04\x14\0\xf3", "is a zip archive, as Excel's files are; save its"),
    "several.npz": (npz(worse=GIVEN, clean=TRUE), "called given or label, .* has worse, clean$"),
    "none.npz": (npz(), "called given or label, .* has none$"),
    "true.npz": (npz(true=TRUE), "called given or label, .* has true$"),
    "short.npy": (npy(GIVEN[:-1]), r"300 labels are needed, one for each image; it has 299$"),
    "column.npy": (npy(GIVEN[:, None]), r"300 labels are needed, .* has the shape \(300, 1\)$"),
    "number.npy": (npy(np.array(3)), r"300 labels are needed, .* has the shape \(\)$"),
    "shapes.npz": (npz(given=GIVEN, true=TRUE[:7]), "array true: 300 labels are needed"),
    "nan.npy": (npy(np.where(GIVEN == 3, np.nan, 0)), "row 1: nan is no class; classes are whole"),
    "infinite.npy": (npy(np.where(GIVEN > 3, np.inf, 0)), "row 3: inf is no class"),
    "half.npy": (npy(GIVEN / 2), "row 0: 0.5 is no class"),
    "low.npy": (npy(GIVEN - 1), "row 5: -1 is no class; .* from 0 to 4"),
    "high.npy": (npy(GIVEN + 1), "row 3: 5 is no class; .*; these are counted from 1, it seems"),
    "high.csv": (table("given", given=GIVEN + 1), "'5' is no class; .*; these are counted from 1"),
    "higher.npy": (npy(GIVEN + 2), "is no class; classes are .* such as 'cat'$"),
    "headed.csv": (
        table("class", **{"class": GIVEN}),
        "it has 301, the first of them 'class'; a header that is known is given or label",
    ),
    "nan.csv": (table("given", given=["nan"] * N), "line 2, column given: 'nan' is no class"),
    "blank.csv": (table("name", "given", given=["1", ""] * N), "line 3, column given: '' is no"),
    "half.csv": (table("given", given=["3.7"] * N), "line 2, column given: '3.7' is no class"),
    "long.csv": (table("given", given=["9" * 5000] * N), "line 2, column given: '999"),
    "typo.csv": (table("given", given=["dgo"] * N), "'dgo' is no class; did you mean 'dog'"),
    "case.txt": (text_of(["Dog"] * N), "line 1: 'Dog' is no class; did you mean 'dog'"),
    "foreign.txt": (
        text_of(["xyz"] * N),
        "are whole numbers from 0 to 4, or names such as",
    ),
    "comma.csv": (table("note", "given").replace(b'"', b""), "line 2: a row of 4 where the header"),
    "open.csv": (table("note", "given").replace(b'5",', b"5,"), "line [0-9]+: is no CSV"),
    "twice.csv": (table("given", "note", "given"), "names the column 'given' twice"),
    "other.csv": (table("position", "name"), "line 1: a table needs a header with a column"),
    "semicolon.csv": (
        table("position", "given").replace(b",", b";"),
        "and commas between columns; its first line is 'position;given'",
    ),
    "both.csv": (
        table("label", "given", label=OTHER),
        "line 9, column label: the columns given and",
    ),
    "unnamed.csv": (
        table("", "given", **{"": SHUFFLED}),
        "column '' counts from 0 to 299 in",
    ),
    "rownames.csv": (
        table("", "given", **{"": [i + 1 for i in SHUFFLED]}),
        "column '' counts from 1 to 300 in another order than the rows; call it position",
    ),
    "files.csv": (
        table("image", "given", image=[f"train/img_{i:05d}.png" for i in SHUFFLED]),
        "column 'image' counts from 0 to 299 in another order",
    ),
    "id.npz": (npz(given=GIVEN, id=np.array(SHUFFLED)), "column 'id' counts from 0 to 299 in"),
    "unlabelled.csv": (
        table("given", given=["-1"] * N),
        "line 2, column given: '-1' is no class; classes are whole numbers",
    ),
    "hole.csv": (
        table("position", "given", position=[*range(N - 1), 5]),
        "line 301, column position: 5 stands there twice, and 299 is missing",
    ),
    "beyond.csv": (
        table("position", "given", position=range(1, N + 1)),
        "line 301, column position: 300 is of no training image, and 0 is missing; these are cou",
    ),
    "place.csv": (
        table("position", "given", position=["x", *range(1, N)]),
        "line 2, column position: 'x' is no whole number from 0 on",
    ),
    "place.npz": (npz(given=GIVEN, position=np.full(N, np.nan)), "array position: nan is no whole"),
    "index.csv": (
        table("index", "given", index=range(N)),
        "column index: [0-9]+ is of no",
    ),
    "crossed.csv": (
        table("index", "given", "position", index=INDEX[::-1]),
        "line 2, column index: the image at position 0 has the index 2, not 2095",
    ),
    "order.csv": (
        table("true", "given", rows=SHUFFLED),
        r"order of toy, the column true of .* differs from its labels at \d+ of 300 images",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_labels_that_are_none_are_refused_in_one_sentence(tmp_path, name):
    content, words = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"^Labels\.file(:| must) (.* )?" + words) as caught:
        labels(tmp_path / name, classes=NAMES, index=INDEX)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value).replace(str(tmp_path), "")) < 250
    assert str(tmp_path / name) in str(caught.value)


ONE_BASED = ("1", "2", "3", "4", "5")


@pytest.mark.parametrize("suffix", ["csv", "txt"])
def test_names_that_are_numbers_are_told_from_numbers_or_refused(tmp_path, suffix):
    """With all five, only one reading fits: 0 is no name and 5 is no number of a class."""
    path = tmp_path / f"x.{suffix}"
    head = b"given\n" if suffix == "csv" else b""
    path.write_bytes(head + text_of(GIVEN + 1))
    assert labels(path, classes=ONE_BASED) == GIVEN.tolist()
    path.write_bytes(head + text_of(GIVEN))
    assert labels(path, classes=ONE_BASED) == GIVEN.tolist()
    for either in (GIVEN % 3 + 1, np.where(GIVEN == 2, 5, GIVEN)):  # might be both; is neither
        path.write_bytes(head + text_of(either))
        with pytest.raises(ValueError, match=r"is the name of class . and the number of class .,"):
            labels(path, classes=ONE_BASED)
    path.write_bytes(head + text_of(["0", *GIVEN[1:]]))
    assert labels(path, classes=("0", "1", "2", "3", "4")) == [0, *GIVEN[1:]]


def test_the_type_of_an_array_says_whether_names_or_numbers_are_meant(tmp_path):
    few = GIVEN % 3 + 1
    np.save(tmp_path / "numbers.npy", few)
    assert labels(tmp_path / "numbers.npy", classes=ONE_BASED) == few.tolist()
    np.save(tmp_path / "names.npy", few.astype(str))
    assert labels(tmp_path / "names.npy", classes=ONE_BASED) == (few - 1).tolist()


def test_two_classes_of_one_name_have_no_name(tmp_path):
    (tmp_path / "x.csv").write_bytes(table("given", given=["a"] * N))
    with pytest.raises(ValueError, match="'a' is no class"):
        labels(tmp_path / "x.csv", classes=("a", "a", "b", "c", "d"))


def matrix(path):
    noise, space = NOISES.build(f"matrix(file={str(path)!r})"), LabelSpace(C, N, {})
    noise.check(space, [0])
    return noise.matrix(space).tolist()


T = np.full((C, C), 0.05) + 0.75 * np.eye(C)
ROWS = "\n".join(", ".join(map(str, row)) for row in T.tolist())
MATRICES = {
    "T.npy": npy(T),
    "T.npz": npz(anything=T),
    "commas.csv": ROWS.encode(),
    "blanks.txt": b"# rows are true classes\n" + ROWS.replace(",", "").encode(),
    "quoted.csv": "\n".join(",".join(f'"{x}"' for x in row) for row in T.tolist()).encode(),
}


@pytest.mark.parametrize("name", MATRICES)
def test_a_matrix_is_read_from_every_form(tmp_path, name):
    (tmp_path / name).write_bytes(MATRICES[name])
    assert np.allclose(matrix(tmp_path / name), T, atol=1e-15)


NO_MATRICES = {
    "nan.npy": (npy(np.full((C, C), np.nan)), "rows of probabilities that sum to 1, row 0"),
    "text.npy": (npy(T.astype(str)), "numbers are needed, not an array of the type <U"),
    "several.npz": (npz(a=T, b=T), "one array is needed, and it has 2"),
    "vector.npy": (npy(T[0]), r"5 x 5 numbers for this dataset, .* has the shape \(5,\)"),
    "nan.csv": (ROWS.replace("0.8", "nan").encode(), "line 1: 'nan' is no number"),
    "control.csv": (("\x1d" + ROWS[1:]).encode(), r"line 1: '.+' is no number"),
    "half.csv": (ROWS.replace("0.8", "0.3").encode(), "row 0 of .* sums to 0.5"),
    "negative.npy": (npy(T + 0.5 * np.eye(C) - 0.5 * np.eye(C)[0]), "row 1 .*, and no probab"),
    "ragged.csv": (ROWS.encode()[:-6], "line 5: a row of 4 numbers where the first has 5"),
    "header.csv": (b"cat,dog\n" + ROWS.encode(), "line 1: 'cat' is no number; leave out names"),
    "numbers.csv": (b"0,1,2,3,4\n" + ROWS.encode(), r"shape \(6, 5\); its first row counts"),
    "pandas.npy": (npy(np.c_[np.arange(C), T]), r"shape \(5, 6\); its first column counts"),
    "columns.npy": (npy((T / 2 + np.eye(C)[0] / 2).T), "row 0 of .*; its columns do, so transpose"),
    "long.csv": (b"9" * 5000, "line 1: '999"),
    "semicolon.csv": (ROWS.replace(",", ";").encode(), "line 1: '0.8[0-9]*;' is no number; comm"),
    "empty.csv": (b"", r"has the shape \(0,\)"),
}


@pytest.mark.parametrize("name", NO_MATRICES)
def test_a_matrix_that_is_none_is_refused(tmp_path, name):
    content, words = NO_MATRICES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"^Matrix\.file(:| must) (.* )?" + words):
        matrix(tmp_path / name)


@pytest.mark.parametrize("spec", ["labels(file=%r)", "matrix(file=%r)", "pmd(rate=0.2, eta=%r)"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, spec):
    os.mkfifo(tmp_path / "pipe.npy")
    huge = b"{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000000,), }"
    (tmp_path / "huge.npy").write_bytes(b"\x93NUMPY\x01\x00" + bytes([len(huge), 0]) + huge)
    words = {"pipe.npy": "this is a pipe", "": "a directory", "huge.npy": "claims", "no": "No such"}
    for name, said in words.items():
        noise = NOISES.build(spec % str(tmp_path / name))
        with pytest.raises(ValueError, match=rf"^\w+\.\w+: .*{said}"):
            noise.check(LabelSpace(C, N, {}), [0])
        if name != "huge.npy":
            with pytest.raises(ValueError, match=rf"^\w+\.\w+: .*{said}"):
                digest(tmp_path / name, "Labels.file")


# ----------------------------------------------------------------- a sweep, a cell, and its file


def digits(seed):
    label = DATASETS.build("digits").load(Path(), seed)[0].label.numpy()
    return (label + (np.arange(len(label)) % 3 == 0)) % 10


@pytest.fixture
def files(tmp_path):
    """Labels for the seeds 0 and 1; a name with characters that mean something to a shell."""
    folder = tmp_path / "rate=0.3, [a] *"
    folder.mkdir()
    for seed in (0, 1):
        np.save(folder / f"labels-{seed}.npy", digits(seed))
    return folder


def spec(folder):
    return f"labels(file={str(folder / 'labels-{seed}.npy')!r})"


def cell(folder, seed=0):
    parts = {"dataset": "digits", "noise": spec(folder), "method": "cross_entropy", "model": "mlp"}
    parts |= {"recipe": "small(epochs=2)", "seed": seed, "precision": "float32"}
    return Cell.build(parts)


def test_a_file_is_checked_for_every_seed_before_anything_is_trained(files):
    suite = Suite.read("default").override({"noise": [spec(files)], "seed": [0, 1]})
    assert len(list(suite.cells("float32"))) == 12
    np.save(files / "labels-1.npy", digits(1)[:-1])
    with pytest.raises(RefusedError, match=r"labels-1.npy: 1078 labels are needed"):
        suite.cells("float32")
    (files / "labels-1.npy").unlink()
    with pytest.raises(RefusedError, match=r"labels-1.npy: cannot be read: No such"):
        suite.cells("float32")


def test_a_file_that_the_images_contradict_is_refused_before_anything_is_trained(files):
    """An index or a true label, where the images are there to be held against."""
    train, _ = DATASETS.build("digits").load(Path(), 0)
    index, true = published_index(train), train.label
    columns = {"position": np.arange(len(true)), "index": index, "true": true, "given": digits(0)}
    pd.DataFrame(columns).to_csv(files / "labels.csv", index=False)
    asked = {"noises": [f"labels(file={str(files / 'labels.csv')!r})"], "seeds": [0, 1]}
    assert len(request(files, **asked).missing()) == 2
    for name, words in {
        "index": r"labels.csv, line 2, column index: the image at position 0 has the index",
        "true": "the column true of .*labels.csv differs from its labels at",
    }.items():
        pd.DataFrame({**columns, name: columns[name].flip(0)}).to_csv(files / "labels.csv")
        with pytest.raises(RefusedError, match=words):
            request(files, **asked)


def test_each_seed_has_the_labels_of_its_own_file(files):
    for seed in (0, 1):
        one = cell(files, seed)
        given = one.noise.corrupt(
            torch.from_numpy(digits(seed)), label_space(one.dataset), "digits", seed
        )
        assert given.label.tolist() == digits(seed).tolist()


def test_the_file_of_one_seed_is_no_part_of_the_cell_of_another(files):
    before = [cell(files, seed).id for seed in (0, 1)]
    np.save(files / "labels-1.npy", digits(1)[::-1])
    np.save(files / "labels-2.npy", digits(2))
    after = [cell(files, seed).id for seed in (0, 1)]
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_what_is_in_a_file_is_the_identity_and_not_where_it_lies(files, monkeypatch):
    """A relative name means the folder in which the run was started."""
    ids = []
    for place in ("one", "two"):
        shutil.copytree(files, files / place / "x")
        monkeypatch.chdir(files / place)
        ids.append(replace(cell(files), noise=NOISES.build("labels(file='x/labels-0.npy')")).id)
    assert ids[0] == ids[1]


def request(folder, **changes):
    asked = {"noises": [spec(folder)], "methods": ["cross_entropy"], "seeds": [0], "workers": 1}
    asked |= {"recipes": ["small(epochs=2)"], "out": folder / "out", "device": "cpu"}
    return session.prepare(Request(**asked | changes))


def here(job, packs, _workers, tell):
    """Train packs in this process."""
    for pack in packs:
        records = train_pack(job, [one.specs() for one in pack.cells], pack.width, CPU)
        for summary in finish_pack(job, records):
            tell(summary)


def train(prepared):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(run.LAUNCHERS, "local", here)
        run.train(prepared)
    return (prepared.folder / "results.csv").read_text()


def test_an_edited_file_trains_its_cells_again_and_drops_the_old_rows(files):
    first = train(request(files))
    assert request(files).missing() == []
    np.save(files / "labels-0.npy", digits(0)[::-1])
    again = request(files)
    assert [one.id for one in again.missing()] == [cell(files).id]
    second = train(again)
    assert request(files).missing() == []
    assert first.count("\n") == second.count("\n") > 1
    assert cell(files).id in second
    assert cell(files).id not in first


def test_cells_whose_file_is_gone_are_named_and_left_alone(files):
    rows = train(request(files))
    (files / "labels-0.npy").unlink()
    other = request(files, noises=["clean"])
    (line,) = (line for line in other.notes() if "cannot be built" in line)
    assert "holds 1 cell that cannot be built now" in line
    assert "labels-0.npy" in line
    assert set(rows.splitlines()) < set(train(other).splitlines())


def test_a_result_is_kept_under_the_file_it_came_from_even_if_that_is_edited_meanwhile(
    files, monkeypatch
):
    one, honest = cell(files), loop.train
    before, hashed = one.id, load_cell_data(one, files, CPU).noise_sha256

    def edit(team, *rest):
        np.save(files / "labels-0.npy", digits(0)[::-1])
        return honest(team, *rest)

    monkeypatch.setattr("benchmarks.engine.record.train", edit)
    (record,) = train_and_record([one], PackSetup(files, CPU, keep_all=True))
    assert record.cell_id == before != cell(files).id
    assert record.meta.facts.noise_sha256 == hashed
