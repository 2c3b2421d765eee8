"""Small pickles that ask for much memory, and honest ones of every kind."""

import pickle
import pickletools
import struct
import subprocess
import sys

import numpy as np
import pytest

from handmesh_model import pickle_bounds
from handmesh_model.errors import TopologyError
from handmesh_model.pickle_bounds import bounded_pickle
from handmesh_model.restricted_pickle import array_of, load_records

MUCH = 100_000_000
FRAME = b'\x80\x04\x95'
DECLARES_MUCH = {
    'memo entry': b'\x80\x02Nr' + struct.pack('<I', MUCH) + b'.',
    'memo entry as text': b'Np%d\n.' % MUCH,
    'first memo entries left out': b'Nq\x05.',
    'bytes': b'\x80\x03B' + struct.pack('<I', MUCH) + b'.',
    'long bytes': b'\x80\x04\x8e' + struct.pack('<Q', 2**40) + b'.',
    'bytearray': b'\x80\x05\x96' + struct.pack('<Q', 2**40) + b'.',
    'text': b'\x80\x02X' + struct.pack('<I', MUCH) + b'.',
    'string': b'T' + struct.pack('<i', MUCH) + b'.',
    'integer': b'\x80\x02\x8b' + struct.pack('<i', MUCH) + b'.',
    'frame': FRAME + struct.pack('<Q', MUCH) + b'N.',
    # The unpickler would drop the frame's last byte and read the next ones as opcodes.
    'opcode across the end of a frame': FRAME + struct.pack('<Q', 2) + b'C\x05Nr\xff\xff\xff.',
    'frame in a frame': FRAME + struct.pack('<Q', 11) + b'\x95' + struct.pack('<Q', 2) + b'N.',
}


@pytest.mark.parametrize('kind', DECLARES_MUCH)
def test_what_declares_more_than_it_holds_is_refused(tmp_path, kind):
    path = tmp_path / 'much.pkl'
    path.write_bytes(DECLARES_MUCH[kind])
    with pytest.raises(TopologyError, match=r'much\.pkl'):
        load_records(path)


def test_refusing_takes_no_memory(tmp_path):
    path = tmp_path / 'much.pkl'
    path.write_bytes(DECLARES_MUCH['memo entry'])
    # Of the child's own memory: what getrusage calls its peak begins with its parent's.
    program = f"""
from handmesh_model.errors import TopologyError
from handmesh_model.restricted_pickle import load_records

def peak():
    with open('/proc/self/status') as status:
        return next(int(line.split()[1]) for line in status if line.startswith('VmHWM:'))

before = peak()
try:
    load_records({str(path)!r})
except TopologyError:
    print(peak() - before)
"""
    told = subprocess.run([sys.executable, '-c', program], capture_output=True, check=True)
    kilobytes = int(told.stdout)
    assert kilobytes < 50_000


def test_bytes_that_are_made_again_and_again_are_not_copied(tmp_path):
    """Forty references to one long string, each to be encoded."""
    size = 2**20
    one = b'(h\x01h\x02tR'
    start = b'\x80\x02c_codecs\nencode\nq\x00X' + struct.pack('<I', size) + b'x' * size
    start += b'q\x01U\x06latin1q\x02(h\x00'
    path = tmp_path / 'again.pkl'
    path.write_bytes(start + b'h\x00'.join([one] * 40) + b't.')
    made = load_records(path)[-40:]
    assert len(made) == 40
    assert len({id(value) for value in made}) == 1


@pytest.mark.parametrize('name', ['LARGEST_FILE', 'MOST_OPCODES'])
def test_bounds_hold(tmp_path, monkeypatch, name):
    path = tmp_path / 'long.pkl'
    path.write_bytes(pickle.dumps(list(range(1000)), protocol=0))
    bounded_pickle(path)
    monkeypatch.setattr(pickle_bounds, name, 500)
    with pytest.raises(TopologyError, match='more than 500'):
        load_records(path)


@pytest.mark.parametrize(('count', 'is_read'), [(10_000, True), (10_001, False)])
@pytest.mark.parametrize('nest', [b'\x85', b't'], ids=['TUPLE1', 'TUPLE'])
def test_tuples_in_each_other_are_bounded(tmp_path, nest, count, is_read):
    """As the key of a dict: hashing hundreds of thousands ends Python."""
    path = tmp_path / 'deep.pkl'
    marks = b'(' * count if nest == b't' else b''
    path.write_bytes(b'\x80\x02}' + marks + b'N' + nest * count + b'Ns.')
    if is_read:
        assert len(load_records(path)) == 1
    else:
        with pytest.raises(TopologyError, match='more than 10000 tuples'):
            load_records(path)


LEVELS = 40
DOUBLING = {
    'DUP': b'2\x86' * LEVELS,
    'BINGET': b'q\x00h\x00\x86' * LEVELS,
    'GET': b'p0\ng0\n\x86' * LEVELS,
    'MEMOIZE': b''.join(b'\x94h%c\x86' % level for level in range(LEVELS)),
    'TUPLE': b'q\x000(h\x00h\x00t' * LEVELS,
}


@pytest.mark.parametrize(
    ('before', 'after'),
    [(b'}', b'Ns.'), (b'cnumpy\nndarray\n)R(K\x01', b'NNNtb.')],
    ids=['key', 'shape'],
)
@pytest.mark.parametrize('kind', DOUBLING)
def test_tuples_that_hold_one_twice_are_bounded(tmp_path, kind, before, after):
    """Their hash takes twice as long with each level, and so does showing them."""
    path = tmp_path / 'doubling.pkl'
    path.write_bytes(b'\x80\x04' + before + b'N\x85' + DOUBLING[kind] + after)
    with pytest.raises(TopologyError, match='a tuple of more than 20000 things'):
        load_records(path)


LONG_TUPLE = b'(' + b'N' * 19_990 + b'tq\x000'
USED_OFTEN = {
    'key': b'}' + LONG_TUPLE + b'h\x00Ns' * 60,
    'keys': b'}' + LONG_TUPLE + b'(' + b'h\x00N' * 60 + b'u',
    'dict': LONG_TUPLE + b'(' + b'h\x00N' * 60 + b'd',
    'set': b'\x8f' + LONG_TUPLE + b'(' + b'h\x00' * 60 + b'\x90',
    'frozenset': LONG_TUPLE + b'(' + b'h\x00' * 60 + b'\x91',
    # Each record would keep a copy of what it is given.
    'call': b']' + LONG_TUPLE + b'cnumpy\ndtype\nq\x010' + b'h\x01h\x00Ra' * 60,
    'object': b']' + LONG_TUPLE + b'cnumpy\ndtype\nq\x010' + b'h\x01h\x00\x81a' * 60,
}


@pytest.mark.parametrize('kind', USED_OFTEN)
def test_the_use_of_large_tuples_is_bounded(tmp_path, kind):
    path = tmp_path / 'often.pkl'
    path.write_bytes(b'\x80\x04' + USED_OFTEN[kind] + b'.')
    with pytest.raises(TopologyError, match='more than 1000000 things in what its dicts and cal'):
        load_records(path)


@pytest.mark.parametrize(
    'number', [b'\x8a\x0a' + bytes(9) + b'\x01', b'L%dL\n' % 2**72], ids=['LONG1', 'LONG']
)
def test_numbers_of_which_many_have_one_hash_are_refused(tmp_path, number):
    path = tmp_path / 'number.pkl'
    path.write_bytes(b'\x80\x02' + number + b'.')
    with pytest.raises(TopologyError, match='a number of 73 bits, expected 64'):
        load_records(path)


def test_little_is_shown_of_what_is_no_shape(tmp_path):
    path = tmp_path / 'long.pkl'
    path.write_bytes(b'\x80\x02cnumpy\nndarray\n)R(K\x01(' + b'N' * 5000 + b'tNNNtb.')
    with pytest.raises(ValueError, match=r'an array of shape \(None, ') as told:
        array_of(load_records(path))
    assert len(str(told.value)) < 200


@pytest.mark.parametrize('protocol', range(6))
@pytest.mark.parametrize('change', [bytes, pickletools.optimize], ids=['plain', 'optimized'])
def test_honest_pickles_are_read(tmp_path, protocol, change):
    rng = np.random.default_rng(0)
    arrays = {f'array {i}': rng.normal(size=(20, 1 + i % 7)) for i in range(300)}
    path = tmp_path / 'honest.pkl'
    path.write_bytes(change(pickle.dumps(arrays, protocol)))
    records = load_records(path)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array_of(records[name]), array)


def test_text_strings_of_python_2_may_hold_any_bytes(tmp_path):
    path = tmp_path / 'old.pkl'
    path.write_bytes(b"S'\\x00\\xff\xe9'\np1\n.")
    assert load_records(path) == '\x00\xff\xe9'
