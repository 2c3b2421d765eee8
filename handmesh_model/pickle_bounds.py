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
_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}
_TUPLES = ('TUPLE', 'TUPLE1', 'TUPLE2', 'TUPLE3')
_MEMO_ENTRIES = ('PUT', 'BINPUT', 'LONG_BINPUT')


def bounded_pickle(path: str | Path) -> io.BytesIO:
    """
    Read a file, and make sure that it can be unpickled in memory of its own order of size.

    :returns: its contents, for an unpickler.
    :raises OSError: if it cannot be read.
    :raises pickle.UnpicklingError: if it is too large, declares more than it holds, or has more
        tuples than honest ones do.
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
    for count in range(MOST_OPCODES):
        start = stream.tell()
        opcode = _OPCODES.get(stream.read(1).decode('latin1'))
        if opcode is None:
            raise pickle.UnpicklingError(f'byte {start} is no opcode')
        number = _argument(opcode, stream)
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
        if opcode.name == 'STOP':
            return
    raise pickle.UnpicklingError(f'it has more than {MOST_OPCODES} opcodes')


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
