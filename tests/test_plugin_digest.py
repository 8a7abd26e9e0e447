"""A plugin's code is what it imports from its folder, however and in whatever order."""

import pytest

from benchmarks.plugin_digest import plugin_digest

HELPER = "VALUE = 1\n"
IMPORTS = {
    "plainly": ("import helper", "helper.py"),
    "under another name": ("import helper as h", "helper.py"),
    "by from": ("from helper import VALUE", "helper.py"),
    "in a function": ("def f():\n    import helper", "helper.py"),
    "in a branch that fails": (
        "try:\n    import cv2\nexcept ImportError:\n    import helper",
        "helper.py",
    ),
    "relatively": ("from . import helper", "helper.py"),
    "relatively, a name": ("from .helper import VALUE", "helper.py"),
    "by importlib": ("import importlib\nimportlib.import_module('helper')", "helper.py"),
    "by importlib, relatively": ("importlib.import_module('.helper', __package__)", "helper.py"),
    "by its path": ("spec_from_file_location('x', HERE / 'helper.py')", "helper.py"),
    "in a package": ("import pack.deep.helper", "pack/deep/helper.py"),
    "the head of a package": ("from pack.deep import helper", "pack/__init__.py"),
    "through a neighbour": ("import between", "helper.py"),
    "through a package": ("from pack import inner", "pack/sibling.py"),
    "by a star": ("from pack import *", "pack/starred.py"),
}
FILES = {
    "helper.py": HELPER,
    "between.py": "import helper, mine\n",  # and back
    "pack/__init__.py": "__all__ = ['starred']\n",
    "pack/deep/helper.py": HELPER,
    "pack/inner.py": "from .sibling import VALUE\n",
    "pack/sibling.py": HELPER,
    "pack/starred.py": HELPER,
    "unrelated.py": HELPER,
    "benchmarks.py": HELPER,  # hides nothing of ours
}


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(("text", "name"), IMPORTS.values(), ids=IMPORTS)
def test_an_edit_of_a_module_that_is_imported_is_another_plugin(folder, text, name):
    mine = folder / "mine.py"
    mine.write_text(f"from benchmarks import seeds\nimport torch\n{text}\n")
    before = plugin_digest(mine)
    (folder / "unrelated.py").write_text("edited")
    (folder / "benchmarks.py").write_text("edited")
    assert plugin_digest(mine) == before
    (folder / name).write_text(FILES[name] + "# edited\n")
    assert plugin_digest(mine) != before
    (folder / name).write_text(FILES[name])
    assert plugin_digest(mine) == before


def test_the_digest_does_not_depend_on_where_the_folder_lies_or_what_the_plugin_is_called(
    folder, tmp_path_factory
):
    (folder / "mine.py").write_text("import between, pack.inner\n")
    before = plugin_digest(folder / "mine.py")
    (folder / "mine.py").rename(folder / "renamed.py")
    elsewhere = folder.rename(tmp_path_factory.mktemp("other") / "place")
    assert plugin_digest(elsewhere / "renamed.py") == before


@pytest.mark.parametrize("text", ["import helper\ndef f(:", "import helper\n" + "(" * 400])
def test_a_neighbour_that_is_no_python_counts_and_is_not_followed(folder, text):
    (folder / "mine.py").write_text("import between")
    (folder / "between.py").write_text(text)
    before = plugin_digest(folder / "mine.py")
    (folder / "between.py").write_text(text + "#")
    assert plugin_digest(folder / "mine.py") != before
