"""Tags of a TIFF's first page, which is the one that is decoded; without a decoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

_CLASSIC = (b'II*\0', b'MM\0*')
_BIG = (b'II+\0', b'MM\0+')
"""BigTIFF, whose places in the file have 64 bits."""
_ORIENTATION = 274
_SIZES = {1: 1, 3: 2}
"""Bytes of a value by its type: BYTE and SHORT; of others as many as there is room for."""


class Tag(NamedTuple):
    """
    A tag of one value.

    :param at: where its entry begins in the file: code, type, count and value.
    """

    code: int
    value: int
    at: int


def is_tiff(data: bytes) -> bool:
    """Whether a file begins as a TIFF or a BigTIFF does."""
    return data.startswith(_CLASSIC + _BIG)


def first_page(data: bytes) -> Iterator[Tag]:
    """Tags of a TIFF as far as there are, in the file's order."""
    order = _order(data)

    def number(begin: int, length: int) -> int:
        return int.from_bytes(data[begin : begin + length], order)

    is_big = data.startswith(_BIG)
    room, count_room = (8, 8) if is_big else (4, 2)
    page = number(8 if is_big else 4, room)
    length = 4 + 2 * room
    begin = page + count_room
    end = min(begin + length * number(page, count_room), len(data) - length + 1)
    for at in range(begin, end, length):
        size = _SIZES.get(number(at + 2, 2), room)
        yield Tag(number(at, 2), number(at + 4 + room, size), at)


def untagged(data: bytes) -> bytes:
    """The file, if it is a TIFF without the orientation that its first page asks for."""
    if not is_tiff(data):
        return data
    order, room = _order(data), 8 if data.startswith(_BIG) else 4
    # One SHORT, 1: the first row is at the top, the first column at the left.
    numbers = (3).to_bytes(2, order), (1).to_bytes(room, order), (1).to_bytes(2, order)
    entry = b''.join(numbers).ljust(2 + 2 * room, b'\0')
    changed = bytearray(data)
    for tag in first_page(data):
        if tag.code == _ORIENTATION:
            changed[tag.at + 2 : tag.at + 2 + len(entry)] = entry
    return bytes(changed)


def _order(data: bytes) -> Literal['little', 'big']:
    return 'little' if data[0] == 0x49 else 'big'
