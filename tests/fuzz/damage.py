"""Damage to files, field by field in a container that is sealed again, and byte by byte.

Everything comes from a ``random.Random``, so that a mutant is known by its number.
"""

import copy
import csv
import io
import json
import warnings
import zipfile

import numpy as np


class Raw(str):
    """Text that stands in a JSON or TOML file as it is, for what their writers do not write."""

    __slots__ = ()


ODD = (
    *(None, True, False, 0, -1, 1, 2, 7, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**25),
    *(0.5, -0.0, 3.0, 1e-320, 1e308, Raw("1e400"), Raw("NaN"), Raw("-Infinity")),
    *(Raw("9" * 5_000), Raw("[" * 3_000 + "]" * 3_000), Raw('{"a": ' * 3_000 + "1" + "}" * 3_000)),
    *("", " ", "x", "1", "0.5", "nan", "None", "true", "../../up", "/dev/zero", "a,b", '"', "'"),
    *("\0", "\n", "\u2028", "\ud800", "é", "猫", "x" * 70_000, "{seed}", "$x$", "<b>", "=1+1"),
    *([], {}, [[]], [None], [1, 2], {"a": 1}, {"": {}}),
)
"""Values that somebody would not expect somewhere."""
WORDS = (
    *("", "0", "1", "2", "9", "-1", "3.0", "3.7", "1e3", "1e400", "nan", "inf", "0x1", "1_0", "٣"),
    *("9" * 5_000, "x" * 140_000, "cat", "dog", "a, b", 'a "b"', "two\nlines", "\0", "é", " ", "#"),
    *("c000000000000", "symmetric(rate=0.4)", "elr(", "done", "None", "2026-01-01T00:00:00+00:00"),
)
"""Likewise for fields of a CSV."""
BYTES = (b"\0", b"\xff", b"\n", b'"', b",", b"[", b"9" * 30, b"PK\x01\x02", b"\x93NUMPY", b"\r")
TYPES = (
    *("<f2", "<f4", ">f8", "<i1", "<u8", ">i4", "?", "<U3", "S4", "<c16", "<M8[s]", "V8", "O"),
    "i4,f8",
)
SHAPES = ("(-1,)", "(True,)", "(100000000000000,)", "(4, -4)", "()", "(2,) * 70", "'x'", "(1e9,)")
HEADERS = ("'|O'", "'<U0'", "'<f8'", "[('a', '|O')]", "'V0'", "('<f8', (9,))", "'nonsense'", "{}")


# --------------------------------------------------------------------------------- trees


def tree(value, random):
    """Return a copy of a tree of dicts and lists with a few of its nodes changed."""
    changed = [copy.deepcopy(value)]
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        places = list(_places(changed))
        if not places:
            break
        owner, key = random.choice(places)
        random.choice((_drop, _replace, _replace, _replace, _rename, _copy, _exchange, _nudge))(
            owner, key, random, places
        )
    return changed[0] if changed else None


def _places(owner):
    """Yield every container and key in a tree."""
    for key in owner if isinstance(owner, dict) else range(len(owner)):
        yield owner, key
        if isinstance(owner[key], dict | list):
            yield from _places(owner[key])


def _drop(owner, key, _random, _places):
    del owner[key]


def _replace(owner, key, random, _places):
    owner[key] = copy.deepcopy(random.choice(ODD))


def _rename(owner, key, random, _places):
    if isinstance(owner, dict):
        value = owner.pop(key)
        owner[random.choice((f"{key}x", key[1:], key.upper(), "", "x" * 99))] = value
    else:
        random.shuffle(owner)


def _copy(owner, key, random, _places):
    value = copy.deepcopy(owner[key])
    if isinstance(owner, dict):
        owner[f"{key}{random.randrange(9)}"] = value
    else:
        owner[key:key] = [value] * random.choice((1, 1, 300))


def _exchange(owner, key, random, places):
    """Put a copy of another node here."""
    other, there = random.choice(places)
    if there in other if isinstance(other, dict) else there < len(other):
        owner[key] = copy.deepcopy(other[there])


def _nudge(owner, key, random, _places):
    value = owner[key]
    if isinstance(value, bool | None):
        owner[key] = not value
    elif isinstance(value, int | float):
        owner[key] = random.choice((-value, value + 1, value * 10**9, value / 2, str(value)))
    elif isinstance(value, str):
        place = random.randrange(len(value) + 1)
        middle = random.choice(("", " ", "'", "(", ",", "\n", "é", "0", value))
        owner[key] = value[:place] + middle + value[place + random.randrange(2) :]
    else:
        owner[key] = random.choice(([value], {"a": value}, list(value)))


def as_json(value):
    """Return JSON, with the raw texts in it."""
    return _written(value).encode("utf-8", "surrogatepass")


def as_toml(value):
    """Return a table of lists and texts as TOML."""
    if not isinstance(value, dict):
        return as_json(value)
    lines = [f"{_key(key)} = {_toml(one)}\n" for key, one in value.items()]
    return "".join(lines).encode("utf-8", "surrogatepass")


def _key(key):
    return key if key.isidentifier() and key.isascii() else json.dumps(key)


def _toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return '""' if value is None else _written(value)


def _written(value):
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)}: {_written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    return json.dumps(value, ensure_ascii="\ud800" in value if isinstance(value, str) else True)


# --------------------------------------------------------------------------------- tables


def table(rows, random):
    """Return a CSV of these rows, the first a header, with some fields, rows or columns changed."""
    rows = [list(row) for row in rows]
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        random.choice((_field, _field, _field, _row, _column, _order))(rows, random)
    return as_csv(rows, random)


def as_csv(rows, random=None):
    """Return a CSV, now and then in another dialect."""
    odd = random is not None and random.random() < 0.15
    block = io.StringIO()
    writer = csv.writer(
        block,
        delimiter=random.choice(",;\t") if odd else ",",
        quoting=random.choice((csv.QUOTE_ALL, csv.QUOTE_MINIMAL)) if odd else csv.QUOTE_MINIMAL,
        lineterminator=random.choice(("\n", "\r\n", "\r", "\n\n")) if odd else "\n",
    )
    writer.writerows(rows)
    encoding = random.choice(("utf-8-sig", "utf-16", "latin1")) if odd else "utf-8"
    return block.getvalue().encode(encoding, "replace")


def _field(rows, random):
    row = random.choice(rows[1:] or rows)
    if row:
        other = random.choice(random.choice(rows) or [""])
        row[random.randrange(len(row))] = random.choice((*WORDS, other))


def _row(rows, random):
    place = random.randrange(len(rows))
    change = random.randrange(5)
    if change == 0 and len(rows) > 1:
        del rows[place]
    elif change == 1:
        rows.insert(place, list(rows[place]))
    elif change == 2:
        rows[place] = rows[place][:-1]
    elif change == 3:
        rows[place].append(random.choice(WORDS))
    else:
        del rows[random.choice((0, 1, 2)) :]
        rows.append([""])


def _column(rows, random):
    width = len(rows[0])
    if not width:
        return
    place = random.randrange(width)
    change, word = random.randrange(6), random.choice(WORDS)
    if change == 4:
        rows[0][place] = random.choice((f"{rows[0][place]} ", rows[0][place].upper(), word, ""))
        return
    for row in (row for row in rows if len(row) == width):
        if change == 0:
            del row[place]
        elif change == 1:
            row.insert(place, row[place])
        elif change == 2 and row is not rows[0]:
            row[place] = word
        elif change == 3 and row is not rows[0]:
            row[place] = f"{row[place]}.0"
        elif change == 5:
            row[place], row[-1] = row[-1], row[place]


def _order(rows, random):
    body = rows[1:]
    random.shuffle(body)
    rows[1:] = body


# --------------------------------------------------------------------------------- arrays


def array(values, random):
    """Return an array like this one, of another type, shape or with other numbers in it."""
    values = np.array(values)
    change = random.randrange(4)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if change == 0:
            kind = random.choice(TYPES)
            try:
                return values.astype(kind)
            except (TypeError, ValueError):
                return np.zeros(values.shape, kind)
        if change == 1:
            return random.choice((
                values[..., None], values[:-1], values.T, values.reshape(-1), values[:0],
                np.concatenate([values, values]), values.reshape(-1)[:1].reshape(()),
                np.asfortranarray(values),
            ) if values.ndim else (values[None],))  # fmt: skip
        flat = values.reshape(-1).copy()
        if not flat.size or flat.dtype.kind not in "iuf":
            return values
        numbers = (np.nan, np.inf, -1, 0, 0.5, 2**15, 2.0**70, len(flat), 5)
        if change == 2 and flat.dtype.kind != "f" and random.random() < 0.5:
            flat = flat.astype(np.float64)
        number = np.array(random.choice(numbers)).astype(flat.dtype)
        flat[random.randrange(flat.size) :: random.choice((1, flat.size))] = number
        return flat.reshape(values.shape)


def npy(values, random=None):
    """Return the ``.npy`` file of an array, now and then with a header that lies."""
    block = io.BytesIO()
    np.save(block, values, allow_pickle=values.dtype.hasobject)
    data = block.getvalue()
    if random is None or random.random() < 0.7:
        return data
    length = int.from_bytes(data[8:10], "little")
    head = data[10 : 10 + length].decode("latin1")
    change = random.randrange(4)
    if change == 0:
        head = head[: head.index("'shape'")] + f"'shape': {random.choice(SHAPES)}, }}"
    elif change == 1:
        end = head.index("'fortran_order'")
        head = f"{{'descr': {random.choice(HEADERS)}, {head[end:]}"
    elif change == 2:
        head = random.choice(("-" * 900 + "1", "(" * 900, "{" * 300, "'", "", "\0", "{}"))
    else:
        head = damaged(head.encode("latin1"), random).decode("latin1")
    version = random.choice((b"\x01\x00",) * 5 + (b"\x02\x00", b"\x03\x00", b"\x09\x09"))
    body = head.encode("latin1")[: 2**16 - 1] + b"\n"
    size = len(body).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + size + body + data[10 + length :]


def sealed(members, random=None):
    """Return an archive of these files, with right checksums."""
    block = io.BytesIO()
    odd = random is not None and random.random() < 0.1
    methods = (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of names that are there twice
        with zipfile.ZipFile(block, "w", random.choice(methods) if odd else 0) as archive:
            for name, content in members:
                archive.writestr(zipfile.ZipInfo(name), content, archive.compression)
    return block.getvalue()


def members(files, random):
    """Return files of an archive, some renamed, doubled, gone, or with other bytes."""
    files = list(files)
    place = random.randrange(len(files))
    name, content = files[place]
    change = random.randrange(5)
    if change == 0:
        del files[place]
    elif change == 1:
        files.append(files[place])
    elif change == 2:
        other = random.choice(
            (f"{name}x", name.removesuffix(".npy"), "", "a/b", "../up.npy", "x.y")
        )
        files[place] = (other, content)
    elif change == 3:
        files[place] = (name, damaged(content, random))
    else:
        other = random.randrange(len(files))
        files[place], files[other] = (name, files[other][1]), (files[other][0], content)
    return files


# --------------------------------------------------------------------------------- bytes


def damaged(data, random):
    """Return bytes with a few changed, gone, doubled or between them."""
    data = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 5))):
        place = random.randrange(len(data) + 1)
        span = random.choice((1, 1, 2, 8, 100, len(data)))
        change = random.randrange(6)
        if change == 0 and place < len(data):
            data[place] ^= 1 << random.randrange(8)
        elif change == 1:
            data[place : place + span] = random.randbytes(min(span, len(data) - place))
        elif change == 2:
            del data[place : place + span]
        elif change == 3:
            data[place:place] = data[place : place + span]
        elif change == 4:
            data[place:place] = random.choice(BYTES)
        else:
            del data[place:]
    return bytes(data)
