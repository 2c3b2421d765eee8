"""
Bounds on what reading a pickle takes, whatever it says.

Python's unpickler makes room for what a pickle declares before it looks for it: nine bytes with
the memo's entry number 100,000,000 take 1.5 GB. Here a pickle is walked through beforehand, opcode
by opcode, without being run.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from pathlib import Path

LARGEST_FILE = 64 * 2**20
"""Bytes: MANO's right hand has 4 MB."""
MOST_OPCODES = 1_000_000
"""Each can make an object of a hundred bytes; an array takes some ten of them, however large."""
MOST_TUPLES = 10_000
"""Of those that hold something: an array takes some five. Python finds the hash of one by going
through all that are in it, one in the other, and would die of hundreds of thousands."""
MOST_IN_TUPLE = 20_000
"""With all that is in the tuples in it, as often as they are. Of one that holds another one twice,
which holds a third one twice, and so on, the hash would take for ever after thirty of them."""
MOST_USED = 1_000_000
"""Things that go into dicts, sets and calls, with all that is in those that are tuples: the hash
of one that is a key many times is found as often, and a call copies what it is given."""
LARGEST_NUMBER = 2**64
"""Larger ones can be chosen to have one hash: a dict of so many takes for ever."""
OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}
_TUPLES = ('TUPLE', 'TUPLE1', 'TUPLE2', 'TUPLE3')
_MEMO_ENTRIES = ('PUT', 'BINPUT', 'LONG_BINPUT')
_MEMO_READERS = ('GET', 'BINGET', 'LONG_BINGET')
_USERS = (
    *('SETITEM', 'SETITEMS', 'DICT', 'ADDITEMS', 'FROZENSET'),
    *('REDUCE', 'BUILD', 'INST', 'OBJ', 'NEWOBJ', 'NEWOBJ_EX'),
)
"""What counts towards :data:`MOST_USED`."""


def bounded_pickle(path: str | Path) -> io.BytesIO:
    """
    Read a file, and make sure that it can be unpickled in memory of its own order of size.

    :returns: its contents, for an unpickler.
    :raises OSError: if it cannot be read.
    :raises pickle.UnpicklingError: if it is too large, declares more than it holds, or has more
        tuples than honest ones do, larger ones, or uses them more often.
    :raises ValueError: if it is damaged otherwise.
    """
    with open(path, 'rb') as file:
        data = file.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise pickle.UnpicklingError(f'it has more than {LARGEST_FILE} bytes')
    _check(data)
    return io.BytesIO(data)


def _check(data: bytes) -> None:
    stream = io.BytesIO(data)
    frame_end = tuples = 0
    sizes = _TupleSizes()
    for count in range(MOST_OPCODES):
        start = stream.tell()
        opcode = OPCODES.get(stream.read(1).decode('latin1'))
        if opcode is None:
            raise pickle.UnpicklingError(f'byte {start} is no opcode')
        number = _argument(opcode, stream)
        if abs(number) > LARGEST_NUMBER:
            raise pickle.UnpicklingError(f'a number of {number.bit_length()} bits, expected 64')
        # The unpickler drops what is left of a frame then, and would read on elsewhere than this.
        if start < frame_end < stream.tell():
            raise pickle.UnpicklingError(f'{opcode.name} reaches over the end of a frame')
        if opcode.name == 'FRAME':
            if start < frame_end or number > len(data) - stream.tell():
                raise pickle.UnpicklingError(f'a frame of {number} bytes, expected fewer')
            frame_end = stream.tell() + number
        # Picklers count the entries.
        if opcode.name in _MEMO_ENTRIES and number > count:
            raise pickle.UnpicklingError(f'memo entry {number}, expected at most {count}')
        tuples += opcode.name in _TUPLES
        if tuples > MOST_TUPLES:
            raise pickle.UnpicklingError(f'it has more than {MOST_TUPLES} tuples')
        sizes.follow(opcode, number)
        if opcode.name == 'STOP':
            return
    raise pickle.UnpicklingError(f'it has more than {MOST_OPCODES} opcodes')


class _TupleSizes:
    """
    The unpickler's stack, with the size of each thing in place of the thing: what a tuple holds in
    all, 1 for everything else.
    """

    def __init__(self) -> None:
        self._stack: list[int | None] = []
        """None for a mark."""
        self._memo: dict[int, int] = {}
        self._used = 0

    def follow(self, opcode: pickletools.OpcodeInfo, number: int) -> None:
        """
        Do what an opcode does.

        :param number: its argument, where that is a number.
        :raises pickle.UnpicklingError: if a tuple holds too much, they are used too often, or
            nothing is left to take.
        """
        name = opcode.name
        if name in _MEMO_ENTRIES or name == 'MEMOIZE':
            # Of a mark nothing can be noted; the unpickler refuses it.
            self._memo[len(self._memo) if name == 'MEMOIZE' else number] = self._top() or 1
            return
        if name in _MEMO_READERS:
            self._stack.append(self._memo.get(number, 1))
            return
        if name == 'DUP':
            self._stack.append(self._top())
            return
        taken = self._take(opcode.stack_before)
        if name in _USERS:
            self._used += sum(taken)
            if self._used > MOST_USED:
                raise pickle.UnpicklingError(
                    f'more than {MOST_USED} things in what its dicts and calls are given'
                )
        for kind in opcode.stack_after:
            size = 1 + sum(taken) if name in _TUPLES else 1
            if size > MOST_IN_TUPLE:
                raise pickle.UnpicklingError(f'a tuple of more than {MOST_IN_TUPLE} things')
            self._stack.append(None if kind is pickletools.markobject else size)

    def _top(self) -> int | None:
        if not self._stack:
            raise pickle.UnpicklingError('it takes something from nothing')
        return self._stack[-1]

    def _take(self, before: list[pickletools.StackObject]) -> list[int]:
        """Sizes of what an opcode takes off, all down to the mark if it takes as many."""
        taken: list[int] = []
        if pickletools.markobject in before:
            while (size := self._pop()) is not None:
                taken.append(size)
            before = before[: before.index(pickletools.markobject)]
        return taken + [self._pop() or 1 for _ in before]

    def _pop(self) -> int | None:
        self._top()
        return self._stack.pop()


def _argument(opcode: pickletools.OpcodeInfo, stream: io.BytesIO) -> int:
    """
    Read past an argument.

    :returns: it where it is a number.
    :raises ValueError: if it says that it is longer than what is left.
    """
    if opcode.name == 'STRING':
        # Python 2's hold any bytes, which pickletools takes for a mistake.
        stream.readline()
        return 0
    argument = None if opcode.arg is None else opcode.arg.reader(stream)
    return argument if isinstance(argument, int) else 0
