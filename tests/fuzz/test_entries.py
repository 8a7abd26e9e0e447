"""Whatever reads a file from outside has an entry in ``READERS``, or is named here, and why."""

import ast
from pathlib import Path

import benchmarks
from tests.fuzz import readers

ROOT = Path(benchmarks.__path__[0])
READS = {
    *("read_bytes", "read_text", "read_arrays", "read_table", "read_columns", "read_csv"),
    *("arrays_of", "text_of", "table_of", "decode_json", "decode_toml", "loads", "decompress"),
    *("ZipFile", "fromfile", "genfromtxt", "loadtxt", "fromstring"),
}
"""Functions that read a file, or decode what was read."""
OF_LIBRARIES = {"np.load", "torch.load", "json.load", "pickle.load", "Image.open", "gzip.open"}
OF_LIBRARIES |= {"msgspec.json.decode", "tarfile.open"}
EXEMPT = {
    **dict.fromkeys(
        (
            *("benchmarks.catalogue.derived", "benchmarks.catalogue.passport"),
            *("benchmarks.cli.app", "benchmarks.listing"),
            *("benchmarks.profiles.configurations", "benchmarks.profiles.search"),
        ),
        "files of ours, which are installed with the code",
    ),
    **dict.fromkeys(
        ("benchmarks.free_memory", "benchmarks.launch.environment"), "what the system says"
    ),
    "benchmarks.launch.slots": "what a parent sends to its worker",
    "benchmarks.report.browser": "what was just drawn",
    **dict.fromkeys(
        ("benchmarks.plugins", "benchmarks.plugin_digest"), "code, which is run and not decoded"
    ),
    **dict.fromkeys(
        ("benchmarks.launch.ray", "benchmarks.store.merging"), "bytes of parts, copied as they are"
    ),
    "benchmarks.store.parts": "it reads through part_file, which has entries",
    "benchmarks.regress.recording": "it reads through report.history, which has one",
    "benchmarks.datasets.decoded": "typed fields of its own; it has pictures read by an entry",
    "benchmarks.embedding.weights": "weights, which torch decodes and runs no code of",
    "benchmarks.noise.human": "a download whose SHA-256 is compared before it is decoded",
}
"""The modules that read and have no entry, and why."""


def name_of(path):
    """Return the name of a module of ours by its file."""
    name = ".".join(("benchmarks", *path.relative_to(ROOT).with_suffix("").parts))
    return name.removesuffix(".__init__")


MODULES = {name_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def reads(path):
    """Tell whether a module calls a function that reads."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return any(call in OF_LIBRARIES or call.rpartition(".")[2] in READS for call in calls)


def with_an_entry():
    """Return the modules of which a decoder is named in the entries."""
    tree = ast.parse(Path(readers.__file__).read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    doors = [f"{t}." for t in texts if isinstance(t, str) and t.startswith("benchmarks.")]
    named = [[name for name in MODULES if door.startswith(f"{name}.")] for door in doors]
    return {max(names, key=len) for names in named}


def test_every_module_that_reads_a_file_has_an_entry_or_a_reason():
    door = "benchmarks.inputs"
    found = {name for name, path in MODULES.items() if not name.startswith(door) and reads(path)}
    assert len(found) > 30
    assert found - with_an_entry() == EXEMPT.keys()
