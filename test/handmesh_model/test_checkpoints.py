import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from handmesh_model import checkpoints
from handmesh_model.checkpoints import (
    load_network,
    read_checkpoint,
    read_torch_file,
    save_checkpoint,
    topology_hash,
    weights_path,
)
from handmesh_model.detector import save_detector
from handmesh_model.errors import CheckpointError
from handmesh_model.network import HandMeshNet
from handmesh_model.network.hand_detector import HandDetectorNet


@pytest.fixture
def net(tiny_config, topology):
    torch.manual_seed(0)
    net = HandMeshNet(tiny_config(presence=True), topology).train()
    net(torch.rand(4, 3, 64, 64))  # moves the running statistics
    return net.eval()


@pytest.fixture
def path(net, tmp_path):
    path = tmp_path / 'folder' / 'weights.safetensors'
    save_checkpoint(path, net, {'hours': 3, 'data': 'synthetic'})
    return path


def rewrite(path, change):
    """Save the file again after a change to its tensors or its header."""
    with safe_open(path, framework='pt') as file:
        header = file.metadata()
    tensors = load_file(path)
    change(tensors, header)
    save_file(tensors, path, header)


@torch.no_grad()
def test_a_network_comes_back_as_it_was(net, path):
    loaded = load_network(path)
    assert loaded.config == net.config
    assert not loaded.training
    assert all(p.requires_grad and p.dtype == torch.float32 for p in loaded.parameters())
    crops = torch.rand(2, 3, 64, 64)
    for before, after in zip(net(crops)[:4], loaded(crops)[:4], strict=True):
        assert before.equal(after)


def test_the_umask_says_who_can_read_a_file(net, tmp_path):
    before = os.umask(0o027)
    try:
        save_checkpoint(tmp_path / 'mesh.safetensors', net)
        save_detector(tmp_path / 'detector.safetensors', HandDetectorNet(4), {})
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {'mesh.safetensors': 0o640, 'detector.safetensors': 0o640}


def test_a_kill_while_writing_leaves_the_file_before(net, path, monkeypatch):
    def killed(part, data):
        part.touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, 'write_bytes', killed)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(path, net, {'hours': 4})
    assert read_checkpoint(path).facts['hours'] == 3


def test_the_topology_comes_back_whole(topology, path):
    loaded = read_checkpoint(path).topology
    assert loaded.name == topology.name
    for name in ('faces', 'joint_regressor', 'vertex_parts', 'template'):
        assert np.array_equal(getattr(loaded, name), getattr(topology, name)), name


def test_facts_come_back(path):
    assert read_checkpoint(path).facts == {'hours': 3, 'data': 'synthetic'}


@torch.no_grad()
def test_half_precision_halves_the_file_and_is_read_as_float32(net, path, tmp_path):
    save_checkpoint(tmp_path / 'half', net, half=True)
    assert (tmp_path / 'half').stat().st_size < 0.65 * path.stat().st_size
    loaded = load_network(tmp_path / 'half')
    assert next(loaded.parameters()).dtype == torch.float32
    crops = torch.rand(2, 3, 64, 64)
    assert loaded(crops).vertices.allclose(net(crops).vertices, atol=0.05)


def test_loading_leaves_the_random_state_alone(path):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    load_network(path)
    assert torch.rand(1).equal(expected)


def test_the_hash_tells_topologies_apart(topology):
    other = type(topology)(topology.faces[::-1], topology.joint_regressor)
    same = type(topology)(topology.faces, topology.joint_regressor, name='other name')
    assert topology_hash(topology) == topology_hash(same) != topology_hash(other)


def test_names_of_shipped_weights_are_known(monkeypatch, path):
    monkeypatch.setattr(checkpoints, 'WEIGHTS_FOLDER', path.parent)
    monkeypatch.setattr(checkpoints, 'SHIPPED', {'open': path.name})
    assert weights_path('open') == path


def test_a_missing_file_is_named_with_the_choices(tmp_path):
    with pytest.raises(CheckpointError, match=r"nothing.*'open'"):
        load_network(tmp_path / 'nothing')


@pytest.mark.parametrize('contents', [b'', b'not a weights file at all', b'\xff' * 400])
def test_a_damaged_file_is_refused(tmp_path, contents):
    path = tmp_path / 'damaged'
    path.write_bytes(contents)
    with pytest.raises(CheckpointError, match='cannot read'):
        load_network(path)


@pytest.mark.parametrize(
    ('contents', 'raised'),
    [
        (b'\x80\x02', 'EOFError'),
        (b'\x80\x02.', 'IndexError'),
        (b'\x80\x02h\x07.', 'KeyError: 7'),
        (b'\x80\x02J\x00', 'ValueError: not enough data'),
        (b'\x80\x02]K\x01a.', 'UnpicklingError: it is no file of torch.save'),
    ],
)
def test_a_damaged_torch_file_is_refused(tmp_path, contents, raised):
    (tmp_path / 'damaged').write_bytes(contents)
    with pytest.raises(CheckpointError, match=f'no weights: {raised}'):
        read_torch_file(tmp_path / 'damaged', 'no weights')


def repacked(source, target, method):
    """Pack the parts of a zip file by another method."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, 'w', method) as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))


def test_a_small_torch_file_that_would_unpack_to_much_is_refused(tmp_path):
    plain, packed = tmp_path / 'plain.pth', tmp_path / 'packed.pth'
    torch.save({'zeros': torch.zeros(2**20)}, plain)
    repacked(plain, packed, zipfile.ZIP_DEFLATED)
    assert packed.stat().st_size < plain.stat().st_size / 100
    with pytest.raises(CheckpointError, match='is compressed by method 8, expected parts'):
        read_torch_file(packed, 'no weights')
    assert not read_torch_file(plain, 'no weights')['zeros'].any()


def test_a_torch_file_whose_parts_share_their_bytes_is_refused(tmp_path):
    path = tmp_path / 'shared.pth'
    torch.save({'zeros': torch.zeros(1000)}, path)
    with zipfile.ZipFile(path, 'a') as archive:
        (big,) = [m for m in archive.infolist() if m.file_size == 4000]
        archive.filelist += [big] * 10
        archive._didModify = True
    with pytest.raises(CheckpointError, match=r'its parts take 4\d{4} bytes, expected at most'):
        read_torch_file(path, 'no weights')


@pytest.mark.parametrize('is_zip', [True, False])
def test_both_formats_of_torch_are_read(tmp_path, is_zip):
    path = tmp_path / 'weights.pth'
    torch.save({'x': torch.arange(3)}, path, _use_new_zipfile_serialization=is_zip)
    assert read_torch_file(path, 'no weights')['x'].tolist() == [0, 1, 2]


def test_a_truncated_file_is_refused(path):
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match='cannot read'):
        load_network(path)


def test_tensors_of_something_else_are_refused(tmp_path):
    save_file({'x': torch.zeros(1)}, tmp_path / 'other')
    with pytest.raises(CheckpointError, match='format None'):
        load_network(tmp_path / 'other')


def test_missing_extra_and_misshapen_tensors_are_listed(path):
    def change(tensors, _):
        del tensors['presence.bias']
        tensors['colour'] = torch.zeros(1)
        tensors['presence.weight'] = torch.zeros(1, 3)

    rewrite(path, change)
    with pytest.raises(CheckpointError) as caught:
        load_network(path)
    assert 'missing: presence.bias' in str(caught.value)
    assert 'extra: colour' in str(caught.value)
    assert 'misshapen: presence.weight is (1, 3), expected (1, 64)' in str(caught.value)


def test_a_long_list_of_misfits_is_cut(path):
    def change(tensors, _):
        tensors |= {f'x{i:02}': torch.zeros(1) for i in range(50)}

    rewrite(path, change)
    with pytest.raises(CheckpointError) as caught:
        load_network(path)
    lines = str(caught.value).splitlines()
    assert lines[1:] == [*(f'  extra: x{i:02}' for i in range(20)), '  and 30 more']


def test_integers_for_weights_are_refused(path):
    def change(tensors, _):
        tensors['presence.bias'] = torch.zeros(1, dtype=torch.int32)

    rewrite(path, change)
    with pytest.raises(CheckpointError, match=r'presence\.bias'):
        load_network(path)


def test_a_mesh_of_too_many_vertices_is_refused(path):
    def change(tensors, _):
        tensors['topology.joint_regressor'] = torch.zeros(21, 150_000)

    rewrite(path, change)
    with pytest.raises(CheckpointError, match=r'damaged description.*150000 vertices'):
        load_network(path)


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('config', 'no json'),
        ('config', '[' * 100_000),
        ('config', json.dumps({'graph_blocks': 30000})),
        ('config', json.dumps({'colour': 1})),
        ('config', json.dumps([1])),
        ('config', '[]'),
        ('config', '""'),
        ('config', 'null'),
        ('topology', '[]'),
        ('topology', '{}'),
        ('topology', json.dumps({'name': 'x', 'sha256': 'y'})),
        ('facts', None),
        ('facts', '[]'),
    ],
)
def test_a_damaged_description_is_refused(path, key, value):
    def change(_, header):
        header.pop(key)
        if value is not None:
            header[key] = value

    rewrite(path, change)
    with pytest.raises(CheckpointError, match='damaged description'):
        load_network(path)


def test_a_topology_whose_name_is_a_number_is_refused(path, topology):
    def change(_, header):
        header['topology'] = json.dumps({'name': 5, 'sha256': topology_hash(topology)})

    rewrite(path, change)
    with pytest.raises(CheckpointError, match='damaged description: name is 5, expected a string'):
        load_network(path)


def test_a_missing_topology_is_refused(path):
    rewrite(path, lambda tensors, _: tensors.pop('topology.faces'))
    with pytest.raises(CheckpointError, match='damaged description'):
        load_network(path)
