"""The one door for everything that comes from outside: a user's files, and ours on the way back.

A file is opened here and nowhere else. It must be a regular one of bounded size; its text, record,
arrays or rows are decoded once, into types that the rest of the program can rely on; and whatever
is wrong with it is one sentence with the file and the place, an :class:`InputError`.
"""

from benchmarks.inputs.arrays import DAMAGES, ArrayFile, arrays_of, open_arrays, read_arrays
from benchmarks.inputs.error import InputError
from benchmarks.inputs.records import TOML_BYTES, decode_json, decode_toml
from benchmarks.inputs.regular import (
    TEXT_BYTES,
    is_regular,
    open_regular,
    read_bytes,
    read_text,
    sha256_of,
    text_of,
)
from benchmarks.inputs.tables import Table, read_table, records_of, table_of
from benchmarks.inputs.tensors import read_safetensors

__all__ = [
    "DAMAGES",
    "TEXT_BYTES",
    "TOML_BYTES",
    "ArrayFile",
    "InputError",
    "Table",
    "arrays_of",
    "decode_json",
    "decode_toml",
    "is_regular",
    "open_arrays",
    "open_regular",
    "read_arrays",
    "read_bytes",
    "read_safetensors",
    "read_table",
    "read_text",
    "records_of",
    "sha256_of",
    "table_of",
    "text_of",
]
