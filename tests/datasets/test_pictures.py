"""Pictures of one's own: folders and tables of them, decoded once."""

import os
import signal

import numpy as np
import pytest
from PIL import Image

from benchmarks.datasets import DATASETS, content, decoded
from benchmarks.inputs import InputError
from benchmarks.inputs.images import read_picture
from benchmarks.noise import NOISES
from benchmarks.sweep import Cell, Suite, corrupted
from tests.cells import build

CLASSES = ("cat", "dog", "eel")
PARTS = ("train", "test")
SHADE = {"cat": 40, "dog": 120, "eel": 220}


def picture(path, kind, number):
    """A picture whose shade says its class, of a size and kind of file of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = 9 + number % 5, 8 + number % 7
    pixels = np.full((height, width, 3), SHADE[kind], np.uint8)
    pixels[0, 0] = number
    Image.fromarray(pixels).save(path, **({"quality": 100} if path.suffix == ".jpg" else {}))


@pytest.fixture
def pets(tmp_path):
    """A folder for each of three classes with eight pictures each, of different sizes."""
    for kind in CLASSES:
        for number in range(8):
            ending = "jpg" if number % 3 == 0 else "png"
            picture(tmp_path / "pets" / kind / f"{number}.{ending}", kind, number)
    (tmp_path / "pets" / "notes.txt").write_text("not a picture")
    (tmp_path / "pets" / ".hidden").mkdir()
    return tmp_path / "pets"


def folder(path, **more):
    options = {"path": str(path), "test": 0.25, "size": 6} | more
    return f"folder({', '.join(f'{key}={value!r}' for key, value in options.items())})"


def table(path, lines, header="path,label", **more):
    path.write_text("\n".join([header, *lines]) + "\n")
    options = {"file": str(path), "test": 0.25, "size": 6} | more
    return f"table({', '.join(f'{key}={value!r}' for key, value in options.items())})"


def test_a_folder_for_each_class_is_a_dataset(pets, tmp_path):
    dataset = DATASETS.build(folder(pets))
    assert (dataset.classes, dataset.sizes, dataset.shape) == (CLASSES, (18, 6), (3, 6, 6))
    assert dataset.truth == "unknown"
    train, test = dataset.load(tmp_path, 0)
    assert test.label.bincount().tolist() == [2, 2, 2]
    for split in (train, test):
        shades = [SHADE[CLASSES[label]] for label in split.label]
        assert np.abs(split.image[:, 0, -1, -1].numpy() - np.array(shades)).max() <= 3  # JPEG
    assert DATASETS.spec(dataset) == "folder(path='pets', test=0.25, size=6)"


def test_folders_named_train_and_test_are_the_split(tmp_path):
    for part, count in (("train", 4), ("test", 2)):
        for kind in CLASSES:
            for number in range(count):
                picture(tmp_path / "in" / part / kind / f"{number}.png", kind, number)
    dataset = DATASETS.build(folder(tmp_path / "in", test=0.0))
    assert (dataset.classes, dataset.sizes) == (CLASSES, (12, 6))
    train, test = dataset.load(tmp_path, 0)
    assert train.position.tolist() == list(range(12))
    assert test.image[-1, 0, -1, -1] == SHADE["eel"]


def test_a_table_has_clean_labels_a_split_and_columns_of_several_annotators(pets, tmp_path):
    names = [str(file.relative_to(pets)) for file in sorted(pets.rglob("*.*g"))]
    lines = [
        ",".join((name, "dog" if place == 2 else name[:3], "cat", name[:3], PARTS[place % 4 == 0]))
        for place, name in enumerate(names)
    ]
    header = "path,first,second,clean_label,split"
    spec = table(pets / "t.csv", lines, header, label="first", test=0.0)
    dataset = DATASETS.build(spec)
    assert (dataset.sizes, dataset.truth) == ((18, 6), "known")
    train, _ = dataset.load(tmp_path, 0)
    given = corrupted(dataset, NOISES.build("given"), 0, train, tmp_path).label
    assert (given != train.label).sum() == 1
    other = DATASETS.build(table(pets / "t.csv", lines, header, label="second", test=0.0))
    assert other.load(tmp_path, 0)[0].given.tolist() == [0] * 18


def test_pictures_are_decoded_once_and_again_when_one_is_written_to(pets, tmp_path, monkeypatch):
    spec = folder(pets)
    first = DATASETS.build(spec).load(tmp_path, 0)[0].image.clone()
    monkeypatch.setattr(decoded, "read_pictures", None)
    assert DATASETS.build(spec).load(tmp_path, 0)[0].image.equal(first)
    monkeypatch.undo()
    picture(pets / "cat" / "1.png", "eel", 1)
    os.utime(pets / "cat" / "1.png", (1, 1))
    assert not DATASETS.build(spec).load(tmp_path, 0)[0].image.equal(first)
    assert not list((tmp_path / "decoded").glob("*.new"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a copy of this process is killed")
def test_a_killed_decoding_is_gone_on_with(pets, tmp_path, monkeypatch):
    whole = DATASETS.build(folder(pets)).load(tmp_path / "other", 0)[0].image.clone()
    monkeypatch.setattr(decoded, "TOGETHER", 4)
    monkeypatch.setattr(decoded, "NOTED", 2)
    real, read, this = decoded.read_pictures, [], os.getpid()

    def deadly(root, paths, size, fit):
        read.extend(paths)
        if os.getpid() != this and len(read) == 16:  # the first 8 are noted
            os.kill(os.getpid(), signal.SIGKILL)
        return real(root, paths, size, fit)

    monkeypatch.setattr(decoded, "read_pictures", deadly)
    if not (child := os.fork()):
        DATASETS.build(folder(pets)).load(tmp_path, 0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    content.forget()
    again = DATASETS.build(folder(pets))
    assert again.load(tmp_path, 0)[0].image.equal(whole)
    assert len(read) == 16
    (made,) = (tmp_path / "decoded").glob("*/")
    assert {path.name for path in made.iterdir()} == {"about.json", "images.npy"}


def test_a_cell_is_the_bytes_of_its_pictures_and_their_labels(pets, tmp_path):
    def data(spec):
        content.forget()
        return content.content(DATASETS.build(spec), tmp_path)

    spec = folder(pets)
    before = data(spec)
    DATASETS.build(spec).fetch(tmp_path)
    assert data(spec) == before
    assert data(folder(pets.rename(tmp_path / "moved"))) == before
    (tmp_path / "moved/cat/1.png").rename(tmp_path / "moved/dog/a1.png")
    assert data(folder(tmp_path / "moved")) != before
    cell = build(dataset=folder(tmp_path / "moved"), noise="given", model="convnet")
    assert Cell.build(cell.specs()) == cell
    assert cell.id == cell.within(tmp_path).id


def test_many_pictures_are_decoded_by_several_processes_to_the_same_bytes(
    pets, tmp_path, monkeypatch
):
    alone = DATASETS.build(folder(pets)).load(tmp_path, 0)[0].image.clone()
    monkeypatch.setattr(decoded, "FEW", 3)
    monkeypatch.setattr(decoded, "TOGETHER", 5)
    assert DATASETS.build(folder(pets)).load(tmp_path / "other", 0)[0].image.equal(alone)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "I;16", "CMYK"])
def test_pictures_of_any_mode_are_in_colour(tmp_path, mode):
    grey = np.full((10, 20), 0x8000, np.uint16) if mode == "I;16" else None
    image = Image.fromarray(grey) if mode == "I;16" else Image.new("L", (20, 10), 255).convert(mode)
    image.save(tmp_path / "x.tif")
    pixel = read_picture(tmp_path / "x.tif", 4, "crop").pixel
    assert (pixel == (128 if mode == "I;16" else 255)).all()


def test_a_picture_is_cut_or_squashed_to_a_square_and_turned_upright(tmp_path):
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[:, 2:6] = 200
    image = Image.fromarray(pixels)
    image.save(tmp_path / "x.png")
    assert (read_picture(tmp_path / "x.png", 4, "crop").pixel == 200).all()
    squashed = read_picture(tmp_path / "x.png", 8, "squash").pixel[0]
    assert (squashed[:, [0, 7]] < 50).all()
    turned = Image.Exif()
    turned[0x0112] = 6
    image.save(tmp_path / "y.png", exif=turned)
    upright = read_picture(tmp_path / "y.png", 8, "squash").pixel[0]
    assert (upright[[0, 7]] < 50).all()


def lines_of(pets):
    return [f"{file.relative_to(pets)},{file.parent.name}" for file in sorted(pets.rglob("*.*g"))]


BAD = {
    "line 3: cat/0.jpg is named in line 2": lambda lines: [lines[0], lines[0], *lines[1:]],
    "line 2: ../a.png leads out of": lambda lines: ["../a.png,cat", *lines],
    "line 2: /etc/passwd leads out of": lambda lines: ["/etc/passwd,cat", *lines],
    "line 2: there is no file none.png": lambda lines: ["none.png,cat", *lines],
    "line 2: there is no file 999": lambda lines: [f"{'9' * 300}.png,cat", *lines],
    "line 2: has no label": lambda lines: [lines[0].replace(",cat", ","), *lines[1:]],
    "line 2: has no path": lambda lines: [",cat", *lines],
    "7 faults: .*; and 2 more": lambda lines: [*(f"{i}.png,cat" for i in range(7)), *lines],
}


@pytest.mark.parametrize("said", BAD)
def test_a_table_that_cannot_be_right_is_refused_before_anything_starts(pets, said):
    spec = table(pets / "t.csv", BAD[said](lines_of(pets)), test=0.1)
    suite = Suite.read("default").override({"dataset": [spec], "noise": ["given"]})
    with pytest.raises(InputError, match=said):
        list(suite.cells("float32"))


def test_a_clean_label_that_is_missing_is_called_so(pets):
    lines = [f"{line},cat" for line in lines_of(pets)]
    lines[0] = lines[0].removesuffix("cat")
    spec = table(pets / "t.csv", lines, "path,label,clean_label", test=0.1)
    with pytest.raises(InputError, match="line 2: has no clean_label; all rows have one"):
        DATASETS.build(spec).labelled()


def test_pictures_that_cannot_be_decoded_are_named_and_nothing_is_kept(pets, tmp_path):
    for number in range(1, 3):
        (pets / "dog" / f"{number}.png").write_bytes(b"no picture")
    whole = (pets / "eel" / "1.png").read_bytes()
    (pets / "eel" / "1.png").write_bytes(whole[:60])
    with pytest.raises(InputError) as refused:
        DATASETS.build(folder(pets)).fetch(tmp_path)
    assert "3 faults: dog/1.png: is no picture of a known format; dog/2.png" in str(refused.value)
    assert "eel/1.png: is damaged" in str(refused.value)
    assert not [path for path in (tmp_path / "decoded").iterdir() if path.suffix != ".lock"]


def test_folders_that_cannot_be_right_are_refused(pets, tmp_path):
    (pets / "fox").mkdir()
    for spec, said in (
        (folder(pets), "1 fault: fox: the folder has no picture"),
        (folder(tmp_path / "none"), "a folder of pictures is needed, and there is none"),
        (folder(pets / "cat"), "a folder for each class is needed"),
        (folder(pets.parent / "pets", test=0.0), "no picture|nothing says which pictures test"),
    ):
        with pytest.raises(InputError, match=said):
            _ = DATASETS.build(spec).sizes
