"""Small files that ask torch for much memory or time, and honest ones of every kind."""

import pickle
import struct
import zipfile
from collections import Counter, OrderedDict
from dataclasses import asdict

import pytest
import torch

from handmesh_model import torch_pickles
from handmesh_model.checkpoints import blank_network, read_torch_file
from handmesh_model.errors import CheckpointError
from handmesh_model.network import NetworkConfig
from handmesh_model.training.run_state import RunState

FORMATS = pytest.mark.parametrize('is_zip', [True, False], ids=['zip', 'older'])
MAGIC_NUMBER, VERSION = 0x1950A86A20F9469CFC6C, 1001
ORDERED = b'ccollections\nOrderedDict\n'
LEVELS = 40


def number(value):
    data = value.to_bytes(16, 'little')
    return b'\x8a\x10' + data


def text(value):
    return b'X' + struct.pack('<I', len(value)) + value.encode()


def numbers(values):
    return b'(' + b''.join(map(number, values)) + b't'


def storage(count, is_zip, key='0', kind='FloatStorage'):
    """A storage, as the pickles of both formats describe it."""
    rest = b'' if is_zip else b'N'
    name = b'ctorch\n%s\n' % kind.encode()
    return b'(' + text('storage') + name + text(key) + text('cpu') + number(count) + rest + b'tQ'


def tensor(stored, offset, shape, strides):
    made_by = b'ctorch._utils\n_rebuild_tensor_v2\n('
    rest = b'\x89' + ORDERED + b')RtR'
    return made_by + stored + number(offset) + numbers(shape) + numbers(strides) + rest


def write(path, contents, is_zip, count=4):
    """A file with a pickle, given without start and end, and ``count`` floats as storage 0."""
    contents = b'\x80\x02' + contents + b'.'
    if is_zip:
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr('weights/data.pkl', contents)
            archive.writestr('weights/byteorder', b'little')
            archive.writestr('weights/data/0', bytes(4 * count))
            archive.writestr('weights/version', b'3\n')
        return path
    before = [pickle.dumps(value, 2) for value in (MAGIC_NUMBER, VERSION, {})]
    keys = pickle.dumps(['0'] if b'tQ' in contents else [], 2)
    path.write_bytes(
        b''.join([*before, contents, keys, struct.pack('<q', count), bytes(4 * count)])
    )
    return path


def refused(path):
    with pytest.raises(CheckpointError, match='no weights: UnpicklingError: ') as caught:
        read_torch_file(path, 'no weights')
    return str(caught.value)


@FORMATS
def test_what_is_written_here_by_hand_is_read(tmp_path, is_zip):
    """Else what follows might be refused for another reason than it is meant to be."""
    made = tensor(storage(4, is_zip), 0, (2, 2), (2, 1))
    path = write(tmp_path / 'plain.pth', b'}' + text('x') + made + b's', is_zip)
    assert read_torch_file(path, 'no weights')['x'].tolist() == [[0, 0], [0, 0]]


DOUBLING_TUPLES = b'N' + b''.join(b'q%ch%c\x86' % (i, i) for i in range(LEVELS))
DOUBLING_LISTS = b']q\x00' + b''.join(b'](h%ch%ceq%c' % (i, i, i + 1) for i in range(LEVELS))
PAIRS = b'](' + b'](K\x01Ne' * 20_000 + b'e'
ASKS_FOR_MUCH = {
    'tuples that hold one twice, as a key': (
        b'}' + DOUBLING_TUPLES + b'Ns',
        'a tuple of more than 1000000 things',
    ),
    'a tuple as a key': (b'}K\x01\x85Ns', 'a tuple as the key of a dict, expected text'),
    'a tuple as a key of Python 2': (
        ORDERED + b']]K\x01\x85aNaa\x85R',
        'a tuple as the key of a dict, expected text',
    ),
    'keys of one hash': (
        b'}' + b''.join(number(i * (2**61 - 1)) + b'Ns' for i in range(20)),
        'a number as the key of a dict, expected text or a number of 64 bits',
    ),
    'lists that hold one twice': (DOUBLING_LISTS, 'a list of more than 1000000 things'),
    'things in each other': (b'N' + b'\x85' * 101, 'more than 100 things in each other'),
    'a list that grows in a tuple': (
        b']q\x00\x85h\x00Na',
        'it adds to a list, expected a list that nothing holds yet',
    ),
    'a list that holds itself': (b']q\x00h\x00a', 'it adds to a list, expected a list that'),
    'calls with a long list': (
        PAIRS + b'\x85q\x00' + (ORDERED + b'h\x00R') * 20,
        'its calls are given more than 1000000 things',
    ),
    'a bytearray': (
        b'c__builtin__\nbytearray\n' + number(2**40) + b'\x85R',
        "it asks for '__builtin__.bytearray', expected tensors and plain values only",
    ),
    'text in hexadecimal digits of them': (
        b'c_codecs\nencode\n' + text('x') + text('hex') + b'\x86R',
        "it asks for '_codecs.encode'",
    ),
    'a tensor without storage': (
        b'ctorch\nFloatTensor\n' + number(2**40) + b'\x85R',
        "it asks for 'torch.FloatTensor'",
    ),
    'a storage without contents': (
        b'ctorch.storage\nUntypedStorage\n' + number(2**40) + b'\x85R',
        "it asks for 'torch.storage.UntypedStorage'",
    ),
    'a dtype called': (b'ctorch\nfloat32\n)R', 'it calls a name with a tuple'),
    'a later pickle': (b'\x95' + bytes(8) + b'N', 'opcode FRAME, which torch.save does not write'),
}


@FORMATS
@pytest.mark.parametrize('kind', ASKS_FOR_MUCH)
def test_what_asks_for_much_is_refused(tmp_path, kind, is_zip):
    contents, told = ASKS_FOR_MUCH[kind]
    assert told in refused(write(tmp_path / 'much.pth', contents, is_zip))


@FORMATS
def test_pickles_are_bounded(tmp_path, monkeypatch, is_zip):
    path = tmp_path / 'long.pth'
    torch.save(list(range(1000)), path, _use_new_zipfile_serialization=is_zip)
    assert len(read_torch_file(path, 'no weights')) == 1000
    monkeypatch.setattr(torch_pickles, 'MOST_OPCODES', 500)
    assert 'more than 500 opcodes' in refused(path)


@FORMATS
def test_a_tensor_that_repeats_few_numbers_is_named(tmp_path, is_zip):
    """A copy of it would take four terabytes."""
    path = tmp_path / 'huge.pth'
    state = OrderedDict({'small': torch.zeros(3), 'huge': torch.zeros(1).expand(10**12)})
    torch.save({'net': state}, path, _use_new_zipfile_serialization=is_zip)
    assert (
        "tensor 'huge' has shape [1000000000000] and strides [0] from number 0 on, expected no "
        'more than the 1 numbers that are stored for it'
    ) in refused(path)


@FORMATS
@pytest.mark.parametrize(
    ('offset', 'shape', 'strides'),
    [(0, (5,), (1,)), (1, (4,), (1,)), (0, (2, 2), (3, 1)), (0, (2,), (2**40,)), (2**62, (), ())],
)
def test_a_tensor_that_reaches_over_the_end_is_named(tmp_path, is_zip, offset, shape, strides):
    made = tensor(storage(4, is_zip), offset, shape, strides)
    path = write(tmp_path / 'over.pth', b'}' + text('x') + made + b's', is_zip)
    assert f"tensor 'x' has shape {list(shape)}" in refused(path)


@FORMATS
@pytest.mark.parametrize(
    ('described', 'told'),
    [
        ([(10**12,)], "storage '0' takes 4000000000000 bytes, expected at most the "),
        ([(4, 'DoubleStorage')], None),
        ([(4,), (2,)], "storage '0' is described in two ways"),
        ([(4,), (4, 'ComplexFloatStorage')], "storage '0' is described in two ways"),
        ([(4, 'QInt8Storage')], "it asks for 'torch.QInt8Storage'"),
    ],
    ids=str,
)
def test_a_storage_that_the_file_does_not_hold_is_refused(tmp_path, is_zip, described, told):
    made = b''.join(storage(count, is_zip, '0', *kind) for count, *kind in described)
    path = write(tmp_path / 'storage.pth', b'(' + made + b't', is_zip)
    if told is not None:
        assert told in refused(path)
    elif is_zip:
        assert "storage '0' takes 32 bytes, expected at most the 16" in refused(path)
    else:
        # What torch finds where it reads it.
        with pytest.raises(CheckpointError, match='no weights: RuntimeError'):
            read_torch_file(path, 'no weights')


def test_storages_together_are_no_larger_than_a_file_of_an_older_format(tmp_path):
    made = b''.join(storage(40, False, str(key)) for key in range(10))
    path = write(tmp_path / 'storages.pth', b'(' + made + b't', False, count=40)
    assert "storage '5' takes 160 bytes, expected at most the 95 that" in refused(path)


@FORMATS
def test_names_of_one_tensor_are_bounded(tmp_path, is_zip):
    path, value = tmp_path / 'names.pth', torch.zeros(10_000)
    for count, is_read in ((7, True), (20, False)):
        state = {f'part {i}': {'x': value} for i in range(count)}
        torch.save(state, path, _use_new_zipfile_serialization=is_zip)
        if is_read:
            assert len(read_torch_file(path, 'no weights')) == count
        else:
            assert 'its tensors take 800000 bytes, expected at most 8 times the' in refused(path)


@FORMATS
def test_honest_contents_are_read(tmp_path, is_zip):
    values = torch.arange(6.0)
    layers = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.AdamW(layers.parameters())
    layers(torch.rand(5, 3)).sum().backward()
    optimizer.step()
    contents = {
        'views': [values, values[::2], values.reshape(2, 3).T, torch.zeros(0, 3), values[3]],
        'parameter': torch.nn.Parameter(values),
        'types': [values.to(dtype) for dtype in (torch.bfloat16, torch.bool, torch.complex64)],
        'random state': torch.get_rng_state(),
        'network': layers.state_dict(),
        'optimizer': optimizer.state_dict(),
        'schedule': {'milestones': Counter([3, 3, 5]), 'rate': 0.1, 'is_done': False},
        'plain': [None, True, 1.5, -3, 2**40, 'text', (1, 2), values.shape, torch.float16],
        'device': torch.device('cpu'),
        'many': {i: str(i) for i in range(3000)},
    }
    path = tmp_path / 'honest.pth'
    torch.save(contents, path, _use_new_zipfile_serialization=is_zip)
    read = read_torch_file(path, 'no weights')
    assert list(read) == list(contents)
    for name in ('plain', 'device', 'many', 'schedule'):
        assert read[name] == contents[name]
    for name in ('views', 'types'):
        assert all(map(torch.equal, read[name], contents[name]))
    assert torch.equal(read['parameter'], contents['parameter'])
    assert torch.equal(read['random state'], contents['random state'])
    assert all(map(torch.equal, read['network'].values(), layers.state_dict().values()))
    assert read['network']._metadata == layers.state_dict()._metadata
    assert torch.equal(
        read['optimizer']['state'][0]['exp_avg'], contents['optimizer']['state'][0]['exp_avg']
    )


@FORMATS
def test_dicts_as_python_2_wrote_them_are_read(tmp_path, is_zip):
    made = tensor(storage(4, is_zip), 0, (4,), (1,))
    pairs = b'](](' + text('x') + made + b'e](' + text('y') + b'K\x05ee'
    path = write(tmp_path / 'old.pth', ORDERED + pairs + b'\x85R', is_zip)
    read = read_torch_file(path, 'no weights')
    assert isinstance(read, OrderedDict)
    assert (read['x'].tolist(), read['y']) == ([0] * 4, 5)


@FORMATS
def test_a_run_of_the_papers_network_is_far_below_the_bounds(
    tmp_path, monkeypatch, topology, is_zip
):
    """All its tensors in number and name, with one number each."""
    net = blank_network(NetworkConfig(), topology)
    parameters = dict(net.named_parameters())
    moments = ('step', 'exp_avg', 'exp_avg_sq')
    optimizer = {
        'state': {i: {name: torch.ones(1) for name in moments} for i in range(len(parameters))},
        'param_groups': [
            {'lr': 1e-3, 'betas': (0.9, 0.99), 'params': list(range(len(parameters)))}
        ],
    }
    history = [{'mpjpe': 1.0, 'samples': i, 'mpvpe': 2.0} for i in range(1000)]
    stored = {
        'state': asdict(RunState(history=history)),
        'net': OrderedDict((name, torch.ones(1)) for name in net.state_dict()),
        'optimizer': optimizer,
        'average': {name: torch.ones(1) for name in parameters},
        'average_updates': 3,
    }
    tensors = len(stored['net']) + len(parameters) * (1 + len(moments))
    assert tensors > 2000
    path = tmp_path / 'last.pt'
    torch.save(stored, path, _use_new_zipfile_serialization=is_zip)
    for bound in ('MOST_OPCODES', 'MOST_GIVEN'):
        monkeypatch.setattr(torch_pickles, bound, getattr(torch_pickles, bound) // 4)
    read = read_torch_file(path, 'no weights')
    assert read['net'].keys() == stored['net'].keys()
    assert read['optimizer']['param_groups'] == optimizer['param_groups']
