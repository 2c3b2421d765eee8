"""
Reading arrays out of pickles that cannot be trusted.

A pickle is a program: loading it calls whatever it names. Here each name stands for a record that
only keeps what it is given; names that are not arrays' business are refused. The arrays are built
afterwards from the records' plain bytes and numbers. Nothing is copied meanwhile, which a pickle
could ask for as often as it likes.
"""

from __future__ import annotations

import math
import pickle
import re
import reprlib
from pathlib import Path
from typing import Any

import numpy as np

from handmesh_model.errors import TopologyError
from handmesh_model.pickle_bounds import bounded_pickle

LARGEST_SIDE = 10_000
"""Rows or columns of a sparse matrix: MANO's has 778, and a huge one, dense, fills the memory."""
MOST_NESTED = 4
"""Chumpy arrays in each other: MANO's are a selection from one. Each makes its numbers anew, as
many as it selects."""


class Record:
    """What a pickled object was made of: the arguments of its construction and its state."""

    arguments: tuple[object, ...]
    state: object

    def __new__(cls, *arguments: object) -> Any:
        """Keep the arguments; nothing is computed from them."""
        record = super().__new__(cls)
        record.arguments = arguments
        record.state = None
        return record

    # It also keeps a pickle that names a class and then sets a state from changing that class.
    def __setstate__(self, state: object) -> None:
        self.state = state


class ArrayRecord(Record):
    """A numpy array: state (version, shape, dtype, Fortran order, bytes)."""


class DtypeRecord(Record):
    """A numpy dtype: arguments (code, ...), state (version, byte order, ...)."""


class SparseRecord(Record):
    """A scipy matrix in CSC or CSR format: state is the dict of its attributes."""


class ColumnsRecord(SparseRecord):
    """CSC."""


class RowsRecord(SparseRecord):
    """CSR."""


class ChumpyRecord(Record):
    """A chumpy array or expression: state is the dict of its attributes."""


class IgnoredRecord(Record):
    """Something that stands beside arrays and says nothing of them: sets, ordered dicts."""

    def __setitem__(self, key: object, value: object) -> None:
        """An entry of a dict, dropped."""


class _Reconstruct(Record):
    """Stands for the functions that make a blank object of a given class."""

    def __new__(cls, *arguments: object) -> Any:
        kind = arguments[0] if arguments else None
        if isinstance(kind, type) and issubclass(kind, Record):
            return kind()
        raise pickle.UnpicklingError('an object of no known class')


class _FromBuffer(Record):
    """Stands for the function by which pickles of protocol 5 make arrays."""

    def __new__(cls, *arguments: object) -> Any:
        if len(arguments) != 4:
            raise pickle.UnpicklingError('an array without contents')
        data, dtype, shape, order = arguments
        if not isinstance(data, bytes | bytearray):
            raise pickle.UnpicklingError('an array whose bytes lie elsewhere')
        array = ArrayRecord()
        array.state = (1, shape, dtype, order == 'F', data)
        return array


class _Encode(Record):
    """Stands for codecs.encode, by which Python 3 writes bytes into old pickles."""

    def __new__(cls, *arguments: object) -> Any:
        if len(arguments) == 2 and isinstance(arguments[0], str) and arguments[1] == 'latin1':
            # Encoded where it is an array's, as the strings of Python 2 are.
            return arguments[0]
        raise pickle.UnpicklingError('bytes in another encoding than latin1')


_STAND_INS: dict[tuple[str, str], type[Record]] = {
    ('numpy', 'ndarray'): ArrayRecord,
    ('numpy', 'dtype'): DtypeRecord,
    ('_codecs', 'encode'): _Encode,
    ('copy_reg', '_reconstructor'): _Reconstruct,
    ('copyreg', '_reconstructor'): _Reconstruct,
    ('__builtin__', 'object'): IgnoredRecord,
    ('builtins', 'object'): IgnoredRecord,
    ('__builtin__', 'set'): IgnoredRecord,
    ('builtins', 'set'): IgnoredRecord,
    ('collections', 'OrderedDict'): IgnoredRecord,
}
for _core in ('numpy.core', 'numpy._core'):
    _STAND_INS[_core + '.multiarray', '_reconstruct'] = _Reconstruct
    _STAND_INS[_core + '.multiarray', 'scalar'] = IgnoredRecord
    _STAND_INS[_core + '.numeric', '_frombuffer'] = _FromBuffer
for _name, _record in (('csc', ColumnsRecord), ('csr', RowsRecord)):
    for _module in (f'scipy.sparse.{_name}', f'scipy.sparse._{_name}'):
        for _kind in ('matrix', 'array'):
            _STAND_INS[_module, f'{_name}_{_kind}'] = _record


class _RecordUnpickler(pickle.Unpickler):
    """Turns every name into its stand-in; imports nothing."""

    def find_class(self, module: str, name: str) -> type[Record]:
        stand_in = _STAND_INS.get((module, name))
        if stand_in is None and module.split('.')[0] == 'chumpy':
            stand_in = ChumpyRecord
        if stand_in is None:
            raise pickle.UnpicklingError(
                f"it asks for '{module}.{name}', expected arrays of numpy, scipy and chumpy only"
            )
        return stand_in


def load_records(path: str | Path) -> Any:
    """
    Read a pickle into plain values and records. Nothing of it is imported or called.

    :returns: what was pickled; see :func:`array_of` for its arrays.
    :raises TopologyError: if the file is missing, damaged, larger than
        :data:`handmesh_model.pickle_bounds.LARGEST_FILE` or declared so, or asks for anything but
        arrays.
    """
    try:
        # latin1 is how the bytes of arrays pickled by Python 2 survive.
        return _RecordUnpickler(bounded_pickle(path), encoding='latin1').load()
    except Exception as error:
        raise TopologyError(f"cannot read '{path}': {error}") from error


def array_of(value: object) -> np.ndarray:
    """
    Build the array that a record stands for.

    :param value: record of a numpy array, a scipy sparse matrix, a chumpy array, or a selection
        from one.
    :returns: a numeric array of its own; sparse matrices become dense.
    :raises ValueError: if the value is something else or contradicts itself.
    """
    try:
        return _array(value)
    except (IndexError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(f'an array that contradicts itself: {error}') from error


def _array(value: object, depth: int = 0) -> np.ndarray:
    """:param depth: chumpy arrays that it is in."""
    if isinstance(value, ArrayRecord):
        return _numpy_array(value)
    if isinstance(value, SparseRecord):
        return _sparse_array(value, depth)
    if isinstance(value, ChumpyRecord):
        return _chumpy_array(value, depth + 1)
    raise ValueError(f'a {type(value).__name__}, expected an array')


def _numpy_array(record: ArrayRecord) -> np.ndarray:
    state = record.state
    if not isinstance(state, tuple) or len(state) != 5:
        raise ValueError('an array without contents')
    _, shape, dtype, fortran, data = state
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f'an array of shape {reprlib.repr(shape)}')
    if isinstance(data, str):
        data = data.encode('latin1')
    if not isinstance(data, bytes | bytearray) or not isinstance(dtype, DtypeRecord):
        raise ValueError('an array of objects, expected numbers')
    kind = _dtype(dtype)
    if len(data) != math.prod(shape) * kind.itemsize:
        raise ValueError(f'{len(data)} bytes for shape {shape} of {kind}')
    array = np.frombuffer(data, kind).reshape(shape, order='F' if fortran else 'C')
    return array.astype(kind.newbyteorder('='))


def _dtype(record: DtypeRecord) -> np.dtype:
    code = record.arguments[0] if record.arguments else None
    if not isinstance(code, str) or not re.fullmatch(r'[fiub][1248]', code):
        raise ValueError(f'dtype {reprlib.repr(code)}, expected numbers')
    state = record.state
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else '='
    return np.dtype(f'{order if order in ("<", ">") else "="}{code}')


def _sparse_array(record: SparseRecord, depth: int) -> np.ndarray:
    state = _attributes(record)
    data, indices, starts = (_array(state.get(k), depth) for k in ('data', 'indices', 'indptr'))
    shape = state.get('_shape', state.get('shape'))
    if not isinstance(shape, tuple) or len(shape) != 2 or not all(type(n) is int for n in shape):
        raise ValueError(f'a sparse matrix of shape {reprlib.repr(shape)}')
    if max(shape) > LARGEST_SIDE:
        raise ValueError(
            f'a sparse matrix of shape {shape}, expected at most {LARGEST_SIDE} a side'
        )
    by_rows = shape if isinstance(record, RowsRecord) else shape[::-1]
    indices, starts = _whole_numbers('indices', indices), _whole_numbers('indptr', starts)
    # Also keeps numpy from repeating a line as often as a damaged file may say.
    counts = np.diff(starts)
    if (
        data.shape != indices.shape
        or starts.shape != (by_rows[0] + 1,)
        or starts[0] != 0
        or starts[-1] != len(indices)
        or (counts < 0).any()
        or (indices < 0).any()
    ):
        raise ValueError('a sparse matrix whose arrays contradict each other')
    dense = np.zeros(by_rows)
    lines = np.repeat(np.arange(by_rows[0]), counts)
    np.add.at(dense, (lines, indices), data)
    return dense if isinstance(record, RowsRecord) else dense.T


def _whole_numbers(name: str, array: np.ndarray) -> np.ndarray:
    """The array as int64, whose differences do not wrap around as those of unsigned ones do."""
    if array.ndim != 1 or array.dtype.kind not in 'iu':
        raise ValueError(
            f"a sparse matrix with '{name}' of shape {array.shape} and dtype {array.dtype}, "
            'expected a row of integers'
        )
    return array.astype(np.int64)


def _chumpy_array(record: ChumpyRecord, depth: int) -> np.ndarray:
    if depth > MOST_NESTED:
        raise ValueError(f'more than {MOST_NESTED} chumpy arrays in each other')
    state = _attributes(record)
    if 'x' in state:
        return _array(state['x'], depth)
    if 'a' in state and 'idxs' in state:
        chosen = _array(state['a'], depth).ravel()[_array(state['idxs'], depth)]
        shape = state.get('preferred_shape')
        return chosen.reshape(shape) if isinstance(shape, tuple) else chosen
    raise ValueError(f'a chumpy expression of {", ".join(map(reprlib.repr, state)) or "nothing"}')


def _attributes(record: Record) -> dict[str, Any]:
    if not isinstance(record.state, dict):
        raise ValueError('an object without attributes')
    return record.state
