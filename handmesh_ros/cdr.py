"""
Where the fields of a message stand in its bytes.

Messages travel as CDR (OMG CORBA 3.3, part 2, chapter 9.3; version 1 of it in DDS-XTypes): fields
follow each other, a number begins at a multiple of its own size, counted from behind the four
bytes that name the encoding. Places are worked out for one message, with its strings and the
lengths of its sequences, and checked against what rclpy makes of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from rclpy.serialization import serialize_message
from rosidl_parser.definition import (
    AbstractGenericString,
    AbstractNestedType,
    AbstractSequence,
    AbstractWString,
    BasicType,
)

PREFIX = 4
"""Bytes before the data that name the encoding; alignment counts from behind them."""
_LITTLE_ENDIAN = b'\x00\x01'
_DTYPES: dict[str, np.dtype] = {
    'boolean': np.dtype(np.uint8),
    'char': np.dtype(np.uint8),
    'float': np.dtype('<f4'),
    'double': np.dtype('<f8'),
    **{f'int{bits}': np.dtype(f'<i{bits // 8}') for bits in (8, 16, 32, 64)},
    **{f'uint{bits}': np.dtype(f'<u{bits // 8}') for bits in (8, 16, 32, 64)},
}


class WireError(Exception):
    """The bytes do not have the layout that was expected; objects will do."""


class Place(NamedTuple):
    """
    Numbers of one type that follow each other.

    :param start: of the first, in bytes from the message's beginning.
    """

    start: int
    dtype: np.dtype
    length: int

    @property
    def end(self) -> int:
        """Behind the last."""
        return self.start + self.dtype.itemsize * self.length


class Layout:
    """
    Places of all numbers of a message, by paths such as ``hands.0.wrist.covariance``.

    :param message: with the strings and the lengths that count.
    :raises WireError: if the bytes that rclpy makes of it do not agree.
    """

    def __init__(self, message: Any) -> None:
        self.data: bytes = serialize_message(message)
        self._position = 0
        self.places: dict[str, Place] = {}
        if self.data[:2] != _LITTLE_ENDIAN:
            raise WireError(f'the encoding is {self.data[:PREFIX].hex()}, expected 0001....')
        for path, value in self._walk(message, ''):
            place = self.places[path]
            if self.data[place.start : place.end] != value.tobytes():
                raise WireError(f"'{path}' does not stand where it should")

    def span(self, path: str) -> Place:
        """
        All numbers below a path as one place.

        :raises WireError: if there are none, they are of several types, or something lies between.
        """
        if path in self.places:
            return self.places[path]
        parts = [place for name, place in self.places.items() if name.startswith(f'{path}.')]
        if not parts:
            raise WireError(f"the message has no numbers at '{path}'")
        for before, after in pairwise(parts):
            if before.end != after.start or before.dtype != after.dtype:
                raise WireError(f"the numbers at '{path}' are not of one kind, side by side")
        return Place(parts[0].start, parts[0].dtype, sum(place.length for place in parts))

    def _walk(self, message: Any, path: str) -> Iterator[tuple[str, np.ndarray]]:
        for slot, kind in zip(message.__slots__, message.SLOT_TYPES, strict=False):
            name = slot.lstrip('_')
            yield from self._field(getattr(message, name), kind, f'{path}{name}')

    def _field(self, value: Any, kind: Any, path: str) -> Iterator[tuple[str, np.ndarray]]:
        if isinstance(kind, AbstractWString):
            raise WireError(f"'{path}' is a wide string, whose layout is not known here")
        if isinstance(kind, AbstractGenericString):
            self._skip_string(value)
        elif isinstance(kind, AbstractNestedType):
            yield from self._items(value, kind, path)
        elif isinstance(kind, BasicType):
            yield path, self._take(np.array([value]), kind, path)
        else:
            yield from self._walk(value, f'{path}.')

    def _items(self, value: Any, kind: Any, path: str) -> Iterator[tuple[str, np.ndarray]]:
        """An array or a sequence; the latter has its length before it."""
        if isinstance(kind, AbstractSequence):
            self._align(4)
            self._position += 4
        if isinstance(kind.value_type, BasicType):
            if len(value):
                yield path, self._take(np.asarray(value), kind.value_type, path)
        elif len(value) and (slots := _uniform(value[0])):
            table = np.array([[getattr(item, slot) for slot in slots] for item in value])
            yield path, self._take(table, value[0].SLOT_TYPES[0], path)
        else:
            for i, item in enumerate(value):
                yield from self._field(item, kind.value_type, f'{path}.{i}')

    def _take(self, values: np.ndarray, kind: BasicType, path: str) -> np.ndarray:
        dtype = _DTYPES.get(kind.typename)
        if dtype is None:
            raise WireError(f"'{path}' is of type {kind.typename}, whose layout is not known here")
        self._align(dtype.itemsize)
        self.places[path] = Place(PREFIX + self._position, dtype, values.size)
        self._position += dtype.itemsize * values.size
        return values.astype(dtype)

    def _skip_string(self, text: str) -> None:
        self._align(4)
        self._position += 4 + len(text.encode()) + 1

    def _align(self, size: int) -> None:
        self._position = -(-self._position // size) * size


def _uniform(message: Any) -> list[str]:
    """Names of the fields of a message if all are numbers of one type, such as a point's."""
    kinds = message.SLOT_TYPES
    if isinstance(kinds[0], BasicType) and all(kind == kinds[0] for kind in kinds):
        return [slot.lstrip('_') for slot in message.__slots__[: len(kinds)]]
    return []


def _aligned(data: bytes) -> np.ndarray:
    """A copy of a message's bytes, (N,) uint8, in whose memory every number is aligned."""
    # Numbers begin at multiples of their size, counted from behind the prefix, which itself is
    # only half as long as a double.
    memory = np.empty(-(-(PREFIX + len(data)) // 8), np.float64).view(np.uint8)
    copy = memory[PREFIX : PREFIX + len(data)]
    copy[:] = np.frombuffer(data, np.uint8)
    return copy


class Template:
    """
    A serialized message with places to be filled.

    :param message: as for :class:`Layout`.
    :param paths: what is filled, in the order in which :meth:`fill` is given it.
    :param whole: whether these have to be all the numbers there are, so that nothing gets stale.
    :param until: leave out the bytes from there on.
    :raises WireError: if the message has another layout than expected.
    """

    def __init__(
        self, message: Any, paths: Sequence[str], whole: bool = False, until: int | None = None
    ) -> None:
        layout = Layout(message)
        places = [layout.span(path) for path in paths]
        data = _aligned(layout.data[:until])
        self._data = data
        self.views = [data[place.start : place.end].view(place.dtype) for place in places]
        """The numbers at each path, to be written to; flat, and aligned in memory."""
        count = sum(place.length for place in layout.places.values())
        filled = sum(place.length for place in places)
        if whole and filled != count:
            raise WireError(f'the message has {count} numbers, of which {filled} are filled')

    def fill(self, values: Iterable[Any]) -> bytes:
        """
        The message with other numbers in it.

        :param values: an array, or a number, for each path.
        """
        for view, value in zip(self.views, values, strict=True):
            view[:] = value
        return self.to_bytes()

    def to_bytes(self) -> bytes:
        """The message as it stands."""
        return self._data.tobytes()
