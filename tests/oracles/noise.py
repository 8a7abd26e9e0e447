"""Label noise in plain loops: lists in, lists out, no torch."""

import hashlib
import struct


def corrupt(label, table, u, v):
    """Walk along each example's row: ``u`` says whether, ``v`` which of the other classes."""
    given = []
    for y, whether, which in zip(label, u, v, strict=True):
        if whether >= 1 - table[y][y]:
            given.append(y)
            continue
        others = [k for k in range(len(table)) if k != y and table[y][k] > 0]
        goal = which * sum(table[y][k] for k in others)
        walked = 0.0
        for k in others:
            walked += table[y][k]
            if goal < walked:
                break
        given.append(k)
    return given


def label_sha256(label):
    """The hash of the labels as little-endian 64-bit integers, packed one by one."""
    return hashlib.sha256(b"".join(struct.pack("<q", y) for y in label)).hexdigest()
