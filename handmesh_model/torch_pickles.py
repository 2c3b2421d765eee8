"""
What reading the pickles of ``torch.save`` would take, found out without making anything.

torch's own reader calls nothing but what makes tensors and plain values, but as often, as large
and as deep in each other as a pickle says: some kilobytes can ask for terabytes, or for years.
Here a pickle is followed opcode by opcode, with records in place of what torch would make.
"""

from __future__ import annotations

import math
import pickle
import reprlib
from collections.abc import Callable
from typing import IO, Any

from handmesh_model.pickle_bounds import OPCODES
from handmesh_model.torch_things import Thing, counts, dict_of, extend, grow, tuple_of, update

MOST_OPCODES = 1_000_000
"""Of all pickles of a file: a tensor takes some forty."""
MOST_GIVEN = 1_000_000
"""Things that are given to calls, as often as they are, with all that they hold."""
MOST_SHARING = 8
"""Bytes of all tensors, as a multiple of the file's: several may lie in one storage, and one may
have several names. Whoever converts them makes each anew."""
_NUMBER_BYTES = {
    **dict.fromkeys(('Bool', 'Byte', 'Char'), 1),
    **dict.fromkeys(('Short', 'Half', 'BFloat16'), 2),
    **dict.fromkeys(('Int', 'Float'), 4),
    **dict.fromkeys(('Long', 'Double', 'ComplexFloat'), 8),
    'ComplexDouble': 16,
}
_STORAGES = {f'torch.{kind}Storage': size for kind, size in _NUMBER_BYTES.items()}
_DICTS = ('collections.OrderedDict', 'collections.Counter')
_TENSORS = ('torch._utils._rebuild_tensor', 'torch._utils._rebuild_tensor_v2')
_PARAMETER, _SIZE, _DEVICE = 'torch._utils._rebuild_parameter', 'torch.Size', 'torch.device'
_CALLED = (*_DICTS, *_TENSORS, _PARAMETER, _SIZE, _DEVICE)
_DTYPES = (
    *('torch.bool', 'torch.uint8', 'torch.int8', 'torch.int16', 'torch.int32', 'torch.int64'),
    *('torch.float16', 'torch.bfloat16', 'torch.float32', 'torch.float64'),
    *('torch.complex64', 'torch.complex128'),
)
_NAMES = frozenset((*_STORAGES, *_CALLED, *_DTYPES))
_NUMBERS = ('BININT', 'BININT1', 'BININT2', 'LONG1')
_VALUES = ('NONE', 'NEWFALSE', 'NEWTRUE', 'BINFLOAT')
_EMPTY = {'EMPTY_DICT': 'dict', 'EMPTY_LIST': 'list', 'EMPTY_TUPLE': 'tuple'}
_TUPLES = {'TUPLE1': 1, 'TUPLE2': 2, 'TUPLE3': 3}
_OTHERS = (
    *('PROTO', 'STOP', 'MARK', 'TUPLE', 'APPEND', 'APPENDS', 'SETITEM', 'SETITEMS', 'GLOBAL'),
    *('BINUNICODE', 'SHORT_BINSTRING', 'BINPUT', 'LONG_BINPUT', 'BINGET', 'LONG_BINGET'),
    *('BINPERSID', 'REDUCE', 'BUILD'),
)
_KNOWN = frozenset((*_NUMBERS, *_VALUES, *_EMPTY, *_TUPLES, *_OTHERS))
_STORAGE = ['text', 'name', 'text', 'text', 'number']
"""What describes a storage: 'storage', its class, its key, a device, how many numbers it holds."""


class TorchPickles:
    """
    The pickles of one file, one after the other, held to bounds that they share.

    :param file_bytes: of the file; its storages cannot be larger.
    :param record_bytes: the size of a storage in the file, by its key; None where nothing tells it
        before it is read.
    """

    def __init__(self, file_bytes: int, record_bytes: Callable[[str], int] | None = None) -> None:
        self._file_bytes, self._record_bytes = file_bytes, record_bytes
        self._opcodes = self._given = self._stored = 0
        self._storages: dict[str, Thing] = {}
        self._stack: list[Thing] = []
        self._below: list[list[Thing]] = []
        """What the stack was before each mark."""
        self._memo: dict[int, Thing] = {}

    def follow(self, stream: IO[bytes]) -> Thing:
        """
        Follow one pickle to its end, where the stream then stands.

        :returns: what it comes to.
        :raises pickle.UnpicklingError: if it asks for more than honest files do, or other things.
        :raises EOFError: or LookupError or ValueError, if it is damaged.
        """
        self._stack, self._below, self._memo = [], [], {}
        while True:
            code = stream.read(1)
            if not code:
                raise EOFError('it ends too early')
            self._opcodes += 1
            if self._opcodes > MOST_OPCODES:
                raise pickle.UnpicklingError(f'it has more than {MOST_OPCODES} opcodes')
            opcode = OPCODES.get(code.decode('latin1'))
            if opcode is None or opcode.name not in _KNOWN:
                name = repr(code) if opcode is None else opcode.name
                raise pickle.UnpicklingError(f'opcode {name}, which torch.save does not write')
            argument = None if opcode.arg is None else opcode.arg.reader(stream)
            if opcode.name == 'STOP':
                return self._bounded(self._stack.pop())
            self._do(opcode.name, argument)

    def _bounded(self, contents: Thing) -> Thing:
        if contents.tensor_bytes > MOST_SHARING * self._file_bytes:
            raise pickle.UnpicklingError(
                f'its tensors take {contents.tensor_bytes} bytes, expected at most {MOST_SHARING} '
                f'times the {self._file_bytes} of the file'
            )
        return contents

    def _do(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in _NUMBERS:
            stack.append(Thing('number', argument))
        elif name == 'BINUNICODE':
            stack.append(Thing('text', argument))
        elif name == 'SHORT_BINSTRING':
            stack.append(Thing('text', argument.encode('latin1').decode()))
        elif name in _VALUES:
            stack.append(Thing('value'))
        elif name in _EMPTY:
            stack.append(Thing(_EMPTY[name]))
        elif name == 'MARK':
            self._below.append(stack)
            self._stack = []
        elif name == 'TUPLE' or name in _TUPLES:
            items = self._take(_TUPLES.get(name))
            self._stack.append(tuple_of(items))
        elif name in ('APPEND', 'APPENDS'):
            items = self._take(1 if name == 'APPEND' else None)
            extend(self._stack[-1], items)
        elif name in ('SETITEM', 'SETITEMS'):
            items = self._take(2 if name == 'SETITEM' else None)
            update(self._stack[-1], items)
        elif name in ('BINPUT', 'LONG_BINPUT'):
            self._memo[argument] = stack[-1]
        elif name in ('BINGET', 'LONG_BINGET'):
            stack.append(self._memo[argument])
        elif name != 'PROTO':
            self._make(name, argument)

    def _take(self, count: int | None) -> list[Thing]:
        """The last things of the stack; None for all down to the mark."""
        if count is None:
            items, self._stack = self._stack, self._below.pop()
            return items
        return [self._stack.pop() for _ in range(count)][::-1]

    def _make(self, name: str, argument: str) -> None:
        stack = self._stack
        if name == 'GLOBAL':
            stack.append(_name(argument))
        elif name == 'BINPERSID':
            stack.append(self._storage(stack.pop()))
        elif name == 'REDUCE':
            arguments = stack.pop()
            self._give(arguments)
            stack.append(self._call(stack.pop(), arguments))
        else:
            state = stack.pop()
            self._give(state)
            # The attributes of an ordered dict.
            grow(stack[-1], [state], 'dict')

    def _give(self, thing: Thing) -> None:
        """Count what torch goes through when it calls something."""
        self._given += thing.size
        if self._given > MOST_GIVEN:
            raise pickle.UnpicklingError(f'its calls are given more than {MOST_GIVEN} things')

    def _call(self, function: Thing, arguments: Thing) -> Thing:
        name = function.value
        if function.kind != 'name' or name not in _CALLED or arguments.kind != 'tuple':
            raise pickle.UnpicklingError(f'it calls a {function.kind} with a {arguments.kind}')
        if name in _DICTS:
            return dict_of(name, arguments)
        if name in _TENSORS:
            return self._tensor(arguments.items)
        if name == _DEVICE:
            return Thing('value')
        wanted = 'tensor' if name == _PARAMETER else 'tuple'
        if not arguments.items or arguments.items[0].kind != wanted:
            raise pickle.UnpicklingError(f'it calls {name} without a {wanted}')
        return arguments.items[0]

    def _storage(self, description: Thing) -> Thing:
        kinds = [item.kind for item in description.items]
        # Older formats say at the end what it is a part of: of nothing, since many years.
        if description.kind != 'tuple' or kinds not in (_STORAGE, [*_STORAGE, 'value']):
            raise pickle.UnpicklingError(f'a storage by {", ".join(kinds) or description.kind}')
        is_storage, name, key, _, count = [item.value for item in description.items[:5]]
        if is_storage != 'storage' or name not in _STORAGES or count < 0:
            raise pickle.UnpicklingError(f'{is_storage!r} by {name}, of {count} numbers')
        made = Thing('storage', count, item_bytes=_STORAGES[name])
        known = self._storages.setdefault(key, made)
        if (known.value, known.item_bytes) != (made.value, made.item_bytes):
            raise pickle.UnpicklingError(f'storage {key!r} is described in two ways')
        if known is made:
            self._check_room(key, count * made.item_bytes)
        return known

    def _check_room(self, key: str, size: int) -> None:
        """Make sure that the file has the bytes of a storage."""
        room = self._file_bytes - self._stored
        if self._record_bytes is not None and size:
            room = min(room, self._record_bytes(key))
        if size > room:
            raise pickle.UnpicklingError(
                f'storage {key!r} takes {size} bytes, expected at most the {room} that the file '
                'has for it'
            )
        self._stored += size

    def _tensor(self, arguments: list[Thing]) -> Thing:
        storage, offset, shape, strides = arguments[:4]
        sides, steps = counts(shape), counts(strides)
        if storage.kind != 'storage' or offset.kind != 'number' or len(sides) != len(steps):
            raise pickle.UnpicklingError(f'{self._subject()} contradicts itself')
        count = math.prod(sides)
        last = sum((side - 1) * step for side, step in zip(sides, steps, strict=True))
        if count and not (0 <= offset.value < storage.value - last and count <= storage.value):
            raise pickle.UnpicklingError(
                f'{self._subject()} has shape {reprlib.repr(sides)} and strides '
                f'{reprlib.repr(steps)} from number {offset.value} on, expected no more than the '
                f'{storage.value} numbers that are stored for it'
            )
        return Thing('tensor', tensor_bytes=count * storage.item_bytes)

    def _subject(self) -> str:
        """The tensor that is being made, by its key in the dict that waits for it."""
        waiting = [thing for stack in [*self._below, self._stack] for thing in stack]
        names = [reprlib.repr(thing.value) for thing in waiting if thing.kind == 'text']
        return f'tensor {names[-1]}' if names else 'a tensor'


def _name(argument: str) -> Thing:
    name = argument.replace(' ', '.')
    if name not in _NAMES:
        raise pickle.UnpicklingError(
            f'it asks for {reprlib.repr(name)}, expected tensors and plain values only'
        )
    return Thing('name', name)
