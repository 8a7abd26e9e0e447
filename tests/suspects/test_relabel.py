"""A reviewer's table comes back as labels: each text has one reading, or is refused by its line."""

import csv
import functools
import shlex
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.cli.app import main
from benchmarks.datasets import DATASETS
from benchmarks.errors import RefusedError
from benchmarks.models import MODELS
from benchmarks.noise import NOISES
from benchmarks.outputs import manifest_path
from benchmarks.planning.options import TrainingOptions, default_precision
from benchmarks.planning.plan import make_plan
from benchmarks.suspects.audit import AuditOptions, audit
from benchmarks.suspects.class_names import class_of, how_to_write
from benchmarks.suspects.corrections import Relabelled, relabel
from benchmarks.suspects.ranking import CellFilter
from benchmarks.suspects.retraining import next_steps
from benchmarks.sweep import Suite
from tests.cells import CPU, NOWHERE
from tests.suspects.folders import NOISE, cells_of, labels_of, write

CELLS = cells_of((NOISE, "cross_entropy", 0), (NOISE, "cross_entropy", 1))
TOP = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("run"), CELLS)


@pytest.fixture(scope="module")
def lines(folder):
    """The fields of the table of seed 0, its header first."""
    cells = CellFilter(seeds=[0])
    written = audit(folder, NOWHERE, cells, AuditOptions(top=TOP))
    with written.table.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


class Sheet:
    """The table of an audit as a test fills it in and saves it."""

    def __init__(self, lines, folder, tmp_path):
        self.header, *self.rows = [list(line) for line in lines]
        self.folder, self.tmp_path = folder, tmp_path

    def fill(self, row, **values):
        for name, value in values.items():
            self.rows[row][self.header.index(name)] = value
        return self

    def value(self, row, name):
        return self.rows[row][self.header.index(name)]

    def save(self, encoding="utf-8", **form):
        path = self.tmp_path / "reviewed.csv"
        with path.open("w", encoding=encoding, newline="") as file:
            csv.writer(file, **{"lineterminator": "\n", **form}).writerows(
                [self.header, *self.rows]
            )
        return path

    def relabel(self, out="labels-{seed}.npy", **form):
        return relabel(self.folder, self.save(**form), NOWHERE, str(self.tmp_path / out))


@pytest.fixture
def sheet(lines, folder, tmp_path):
    return Sheet(lines, folder, tmp_path)


def told(sheet, **form):
    """The sentence by which the table is refused; nothing was written."""
    with pytest.raises(RefusedError) as refused:
        sheet.relabel(**form)
    assert not list(sheet.tmp_path.glob("*.npy"))
    (sentence,) = str(refused.value).splitlines()
    return sentence


@pytest.mark.parametrize("text", ["3", " 3 ", "3.0", "3.000"])
def test_a_class_is_read_as_spreadsheets_write_it(sheet, text):
    sheet.fill(0, corrected=text).relabel()
    assert np.load(sheet.tmp_path / "labels-0.npy")[int(sheet.value(0, "position"))] == 3


NO_CLASSES = (
    *("03", "+3", "-0", "3.", "3e0", "3,0", "1 000", "\u0663", "\uff13", "\u00b3", "0x3", "3.5"),
    *("nan", "1" * 5000, "10", "eleven", "3 4", "True", "=3"),
)


@pytest.mark.parametrize("text", NO_CLASSES)
def test_a_text_that_is_no_class_is_refused_by_its_line(sheet, text):
    sentence = told(sheet.fill(3, corrected=text))
    assert "reviewed.csv, line 5: corrected must be a class from 0 to 9 or its name" in sentence
    assert repr(text[:40]) in sentence
    assert f"did you mean {text!r}" not in sentence


class Named(DATASETS["digits"]):
    """Digits whose classes have names of the test's own."""


NUMBERED = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "10")
ANIMALS = ("cat", "Hund", "1.5 kg", "\u72d7", "a, b", "$5", "dog", "dog", "owl", " elk ")


@pytest.fixture
def named(monkeypatch):
    def give(names):
        monkeypatch.setattr(Named, "classes", names, raising=False)
        return Named()

    return give


@pytest.mark.parametrize(
    ("names", "text", "label"),
    [
        (NUMBERED, "1", 0),
        (NUMBERED, "3", 2),
        (NUMBERED, "3.0", 2),
        (NUMBERED, "10", 9),
        (("01", "02", "03"), "01", 0),
        (("01", "02", "03"), "1", 0),  # a spreadsheet drops the zero; no class counted from 0
        (ANIMALS, "0", 0),
        (ANIMALS, "cat", 0),
        (ANIMALS, "1.5 kg", 2),
        (ANIMALS, "\u72d7", 3),
        (ANIMALS, "a, b", 4),
        (ANIMALS, "$5", 5),
        (ANIMALS, "7", 7),
        (ANIMALS, "elk", 9),
    ],
)
def test_names_win_over_numbers(named, names, text, label):
    assert class_of(text, named(names)) == label


@pytest.mark.parametrize(
    ("names", "text", "sentence"),
    [
        (NUMBERED, "0", "a number is read as a name), got '0'"),
        (("01", "1", "2"), "1.0", "2 classes have the name '1.0'"),
        (("0", "2", "1"), "3", "a number is read as a name), got '3'"),
        (("cat", "7"), "1", "a number is read as a name), got '1'"),
        (ANIMALS, "dog", "2 classes have the name 'dog'"),
        (ANIMALS, "hund", "did you mean 'Hund'?"),
    ],
)
def test_what_could_be_two_classes_or_none_is_refused(named, names, text, sentence):
    with pytest.raises(ValueError, match="class") as refused:
        class_of(text, named(names))
    assert sentence in str(refused.value)


def test_the_page_says_which_reading_wins(named):
    assert "so that 1 is the class 1, which has the number 0" in how_to_write(named(NUMBERED))
    assert "its number, which is its name" in how_to_write(DATASETS.build("digits"))
    assert "one of cat, Hund" in how_to_write(named(ANIMALS))


@pytest.mark.parametrize(
    "form",
    [{"encoding": "utf-8-sig"}, {"lineterminator": "\r\n"}, {"quoting": csv.QUOTE_ALL}],
)
def test_a_table_as_a_spreadsheet_saves_it_is_read(sheet, form):
    (_, rest) = sheet.fill(0, corrected="3").relabel(**form)
    assert rest[0].noises == {NOISE: str(sheet.tmp_path / "labels-{seed}.npy")}


def test_blank_rows_and_remarks_say_nothing(sheet):
    sheet.fill(0, corrected="3")
    sheet.rows.insert(1, [""] * len(sheet.header))
    sheet.rows.append(["", "checked by hand", *[""] * (len(sheet.header) - 2)])
    ((file,), _) = sheet.relabel()
    assert file.corrected + file.confirmed == 1


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"delimiter": ";"}, "line 1: the columns are parted by semicolons"),
        ({"delimiter": "\t"}, "line 1: the columns are parted by tabs"),
        ({"encoding": "utf-16"}, "line 1: text must be UTF-8"),
    ],
)
def test_a_table_of_another_form_is_told_in_a_sentence(sheet, form, sentence):
    assert sentence in told(sheet.fill(0, corrected="3"), **form)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"cell_id": "4.76118E+71"}, "import that column as text"),
        ({"cell_id": ""}, "has no cell ''"),
        ({"position": "1078"}, "position must be from 0 to 1077, got '1078'"),
        ({"position": "-1"}, "position must be from 0 to 1077, got '-1'"),
        ({"position": "1,02"}, "got '1,02'"),
        ({"position": "9" * 5000}, "position must be from 0 to 1077, got '9999"),
        ({"position": "", "index": ""}, "position must be from 0 to 1077, got nothing"),
        ({"index": "1797"}, "index must be that of a training image of digits, got '1797'"),
        ({"index": "x"}, "index must be that of a training image of digits, got 'x'"),
        ({"given": "11"}, "the table is of other labels"),
        ({"given": ""}, "the table is of other labels"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_by_its_line(sheet, values, sentence):
    said = told(sheet.fill(0, corrected="3").fill(2, corrected="3", **values))
    assert "reviewed.csv, line 4: " in said
    assert sentence in said


def test_a_correction_written_over_the_given_label_is_told(sheet):
    new = str((int(sheet.value(2, "given")) + 1) % 10)
    said = told(sheet.fill(0, corrected="3").fill(2, given=new))
    assert "reviewed.csv, line 4: the label given to image" in said
    assert "or a correction stands in the column given" in said


def test_a_row_that_stands_there_twice_is_named(sheet, capsys):
    sheet.fill(0, corrected="3").rows.append(list(sheet.rows[0]))
    path = sheet.save()
    assert main(["relabel", str(sheet.folder), str(path), "--out", str(path.parent / "l.npy")]) == 0
    said = capsys.readouterr().out
    assert f"1 of 1078 labels corrected, 0 confirmed; said twice in {path}: line {TOP + 2}" in said


def test_rows_are_found_by_the_index_and_held_against_the_position(sheet):
    place = int(sheet.value(0, "position"))
    sheet.fill(0, corrected="3", position="").relabel()
    assert np.load(sheet.tmp_path / "labels-0.npy")[place] == 3
    (sheet.tmp_path / "labels-0.npy").unlink()
    other = sheet.value(1, "position")
    said = told(sheet.fill(0, position=other))
    assert f"is at position {place}, not {other}" in said


def test_contradictions_name_both_lines(sheet):
    sheet.rows.append(list(sheet.rows[0]))
    sheet.fill(0, corrected="3").fill(len(sheet.rows) - 1, corrected="4")
    place = sheet.value(0, "position")
    assert f"line 14: image {place} is corrected to 4 here and to 3 in line 2" in told(sheet)


def test_a_table_without_a_needed_column_or_without_corrections_is_refused(sheet):
    assert "corrects nothing: fill in its column corrected" in told(sheet)
    sheet.header[sheet.header.index("cell_id")] = "id"
    assert "has no column 'cell_id'" in told(sheet)


def test_labels_that_the_noise_does_not_give_any_more_are_not_corrected(tmp_path, lines):
    file = tmp_path / "mine-0.npy"
    given = labels_of(CELLS[0])[1]
    np.save(file, given)
    (cell,) = cells_of((f"labels(file={str(tmp_path / 'mine-{seed}.npy')!r})", "gce", 0))
    folder = write(tmp_path / "run", [cell])
    sheet = Sheet(lines, folder, tmp_path).fill(0, corrected="3")
    for row in range(TOP):
        sheet.fill(row, cell_id=cell.id)
    np.save(file, np.roll(given, 1))
    (sentence,) = {told_of(sheet)}
    assert "does not give the labels any more" in sentence


def told_of(sheet):
    with pytest.raises(RefusedError) as refused:
        sheet.relabel()
    return str(refused.value)


def test_a_file_of_the_users_is_never_replaced(sheet):
    sheet.fill(0, corrected="3")
    mine = sheet.tmp_path / "labels-0.npy"
    mine.write_text("mine")
    assert f"{mine} is in the way" in told_of(sheet)
    assert mine.read_text() == "mine"
    mine.unlink()
    sheet.relabel()
    sheet.fill(0, corrected="4").relabel()  # its own file, unchanged: replaced
    place = int(sheet.value(0, "position"))
    assert np.load(mine)[place] == 4
    np.save(mine, np.zeros(3))
    assert f"{mine} was changed since" in told_of(sheet)
    sheet.relabel(out="other/deep/labels-{seed}.npy")
    assert manifest_path(sheet.tmp_path, "relabel").is_file()
    assert len(np.load(mine)) == 3


def test_a_name_that_does_not_tell_labels_apart_is_refused_with_one_that_does(tmp_path):
    noises = (NOISE, "asymmetric(rate=0.4)")
    cells = cells_of(*((noise, "cross_entropy", seed) for noise in noises for seed in (0, 1)))
    folder = write(tmp_path / "run", cells)
    table = audit(folder, NOWHERE, CellFilter(), AuditOptions(top=TOP)).table
    with table.open(encoding="utf-8", newline="") as file:
        sheet = Sheet(list(csv.reader(file)), folder, tmp_path)
    for row in range(len(sheet.rows)):
        sheet.fill(row, corrected=sheet.value(row, "given"))
    for out in ("labels-{seed}.npy", "labels-{noise}-{seed}.npy"):
        if "{noise}" in out:
            sheet.relabel(out=out)
            break
        said = told(sheet, out=out)
        better = shlex.split(said.partition("--out names")[2])[-1]
        assert better == str(tmp_path / "labels-{seed}-{noise}.npy")
    made = {path.name for path in tmp_path.glob("*.npy")}
    stems = ("symmetric-rate-0.4", "asymmetric-rate-0.4")
    assert made == {f"labels-{stem}-{seed}.npy" for stem in stems for seed in (0, 1)}


def test_the_verb_says_what_it_did_and_refuses_a_name_that_labels_cannot_have(sheet, capsys):
    path = sheet.fill(0, corrected="3").save()
    assert main(["relabel", str(sheet.folder), str(path), "--out", "labels.csv"]) == 2
    assert "--out must end with .npy, got 'labels.csv'" in capsys.readouterr().err
    assert main(["relabel", str(sheet.folder), "nowhere.csv", "--out", "labels.npy"]) == 2
    assert "nowhere.csv: cannot be read" in capsys.readouterr().err


def asked(command):
    """The cells that a printed command trains on CUDA; the files that it names are read."""
    words = iter(shlex.split(command)[2:])
    values, name = {}, ""
    for word in words:
        name = word if word.startswith("--") else name
        values.setdefault(name, [])
        if word != name:
            values[name].append(word)
    axes = {a: values[f"--{a}s"] for a in ("dataset", "noise", "method", "model", "recipe")}
    suite = Suite.read("default").override(axes | {"seed": [int(s) for s in values["--seeds"]]})
    usual = functools.partial(default_precision, torch.device("cuda"))
    return list(suite.cells(*values.get("--precision", [usual])))


def test_one_file_is_enough_where_all_seeds_were_given_the_same_labels(tmp_path):
    given = labels_of(CELLS[0])[1]
    np.save(tmp_path / "mine.npy", given)
    noise = f"labels(file={str(tmp_path / 'mine.npy')!r})"
    cells = cells_of(*((noise, method, s) for method in ("gce", "elr") for s in (0, 1, 2)))
    folder = write(tmp_path / "run", cells)
    written = audit(folder, NOWHERE, CellFilter(methods=["gce"]), AuditOptions(top=3))
    assert shlex.split(written.relabel)[-1] == str(folder / "suspects" / "labels.npy")
    with written.table.open(encoding="utf-8", newline="") as file:
        sheet = Sheet(list(csv.reader(file)), folder, tmp_path)
    assert {sheet.value(row, "seeds") for row in range(3)} == {"0 1 2"}
    ((file,), (done,)) = sheet.fill(0, corrected="7").relabel(out="labels.npy")
    (steps,) = next_steps(folder, [done])
    new = f"labels(file={str(file.path)!r})"
    assert asked(steps.train) == [replace(cell, noise=NOISES.build(new)) for cell in cells]


@pytest.mark.parametrize(("rows", "seeds"), [((0,), [0]), ((0, TOP), [0, 1])])
def test_what_is_trained_again_are_the_audited_cells_of_the_seeds_that_were_corrected(
    tmp_path, rows, seeds
):
    cells = cells_of(*((noise, "gce", seed) for noise in (NOISE, "clean") for seed in (0, 1)))
    folder = write(tmp_path / "run", cells)
    table = audit(folder, NOWHERE, CellFilter(), AuditOptions(top=TOP)).table
    with table.open(encoding="utf-8", newline="") as file:
        sheet = Sheet(list(csv.reader(file)), folder, tmp_path)
    for row in rows:
        sheet.fill(row, corrected="7")
    (steps,) = next_steps(folder, sheet.relabel()[1], ("--plugin", "my plugin.py"))
    new = f"labels(file={str(tmp_path / 'labels-{seed}.npy')!r})"
    assert asked(steps.train) == cells_of(*((new, "gce", seed) for seed in seeds))
    assert "--plugin 'my plugin.py'" in steps.train
    words = ["compare", str(folder), f"{folder}-relabelled", "--pair", "method"]
    assert shlex.split(steps.compare)[2:] == [*words, "--noises-a", NOISE]


@pytest.mark.parametrize(
    "trained",
    [
        {"mlp": "float32", "mnist_convnet": "float32"},
        {"mlp": "bfloat16", "mnist_convnet": "bfloat16"},
        {"mnist_convnet": "bfloat16", "mlp": "float32"},
    ],
)
def test_cells_are_trained_again_in_the_precision_they_had_wherever_that_is(tmp_path, trained):
    cells = [
        cell
        for model, precision in trained.items()
        for cell in cells_of((NOISE, "gce", 0), model=model, precision=precision)
    ]
    make_plan(tmp_path, "audit", cells, TrainingOptions(CPU, 1)).write(tmp_path)
    np.save(tmp_path / "labels.npy", labels_of(cells[0])[1])
    file = str(tmp_path / "labels.npy")
    (steps,) = next_steps(tmp_path, [Relabelled("digits", {NOISE: file}, (0,))])
    again = asked(steps.train)
    assert {MODELS.name(cell.model): cell.precision for cell in again} == trained
