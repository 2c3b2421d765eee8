import argparse
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch

import handmesh_model
from handmesh_model import handar
from handmesh_model.checkpoints import load_network
from handmesh_model.cli import import_handar as command
from handmesh_model.errors import CheckpointError
from handmesh_model.handar import file_name, import_handar
from handmesh_model.network import HandMeshNet, NetworkConfig
from handmesh_model.topology import HandTopology

# Not part of the project: its images are photographs that may be measured on but not passed on.
CASE = Path(__file__).resolve().parents[3] / 'shared' / 'handar_reference' / 'case_a.npz'
HEADS_OF_LARGE_GAIN = ('conv_x.', 'conv_y.', 'conv_z_2.')


def seeded_tensor(name: str, shape: tuple[int, ...], seed: int) -> torch.Tensor:
    """Weights that follow from a tensor's name in the official file and a seed."""
    digest = hashlib.sha256(f'{seed}:{name}'.encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], 'little'))
    if name.endswith('num_batches_tracked'):
        return torch.tensor(1)
    if len(shape) == 1:
        last_norm = name.endswith('bn3.weight')
        makers = {
            'running_var': lambda: 0.5 + rng.random(shape),
            'running_mean': lambda: 0.1 * rng.standard_normal(shape),
            'weight': lambda: (
                0.2 + 0.1 * rng.random(shape) if last_norm else 0.8 + 0.4 * rng.random(shape)
            ),
        }
        make = makers.get(name.rsplit('.', 1)[1], lambda: 0.05 * rng.standard_normal(shape))
        return torch.from_numpy(np.asarray(make(), dtype=np.float32))
    transposed = len(shape) == 4 and shape[2] == 4
    fan = shape[0] * 4 if transposed else int(np.prod(shape[1:]))
    gain = 0.3 if name.startswith('gcn/') else 1.0
    if any(head in name for head in HEADS_OF_LARGE_GAIN):
        gain = 6.0
    values = gain * rng.standard_normal(shape) * np.sqrt(1.6 / fan)
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def official_contents(net: HandMeshNet, seed: int) -> dict:
    """The official file's dict of parts for a network of this size, with what it leaves unused."""
    parts: dict = {'epoch': 24, 'optimizer': {}, 'pose2feat': {'conv.0.weight': torch.zeros(2)}}
    for name, value in net.state_dict().items():
        part, key = file_name(name).split('/')
        tensor = seeded_tensor(f'{part}/{key}', tuple(value.shape), seed)
        if part == 'global_img_feat' or 'conv_z_1.0' in key:
            tensor = tensor[..., None] if tensor.ndim == 2 else tensor
        parts.setdefault(part, {})[key] = tensor
    parts['mesh_backbone']['conv1.weight'] = torch.zeros(3)
    parts['gcn']['tail.bn.weight'] = torch.zeros(3)
    return parts


@pytest.fixture
def small(monkeypatch, tiny_config, topology):
    """The official layout at the size of a tiny network; the importer is told so."""
    config = tiny_config(depth=50, mesh_depth=50)
    monkeypatch.setattr(handar, 'CONFIG', config)
    return official_contents(HandMeshNet(config, topology), seed=3)


@pytest.fixture
def save(tmp_path):
    def write(contents: object) -> Path:
        torch.save(contents, tmp_path / 'snapshot.pth.tar')
        return tmp_path / 'snapshot.pth.tar'

    return write


@pytest.mark.slow
@torch.no_grad()
def test_agrees_with_the_reference_implementation(save):
    if not CASE.is_file():
        pytest.skip(f"the reference's results are not there: {CASE}")
    case = np.load(CASE)
    topology = HandTopology(case['faces'], case['joint_regressor'])
    with torch.device('meta'):
        layout = HandMeshNet(NetworkConfig(), topology)
    path = save(official_contents(layout, seed=1))
    net = import_handar(path, topology)
    path.unlink()  # 600 MB
    out = net(torch.from_numpy(case['image']).float() / 255, heads=True)
    for field, name, tolerance in (
        ('rough_vertices', 'rough_mesh', 1e-3),
        ('vertices', 'refined_mesh', 1e-3),
        ('joints', 'rough_joints', 1e-3),
        ('segmentation', 'segmentation_log_prob', 1e-4),
    ):
        difference = np.abs(getattr(out, field).numpy() - case[name]).max()
        print(f'{name}: largest difference {difference:.1e}, allowed {tolerance:.0e}')
        assert difference < tolerance


def test_every_tensor_of_the_paper_network_has_a_name_in_the_file(topology):
    with torch.device('meta'):
        net = HandMeshNet(NetworkConfig(), topology)
    names = [file_name(name) for name in net.state_dict()]
    assert len(set(names)) == len(names)
    # Parts less pose2feat (7), the mesh stem (6) and the norm of the last graph convolution (5).
    assert len(names) == 318 + 38 + (318 - 6) + 31 + (80 - 5) + 2 + 35


def test_a_tensor_that_the_official_network_lacks_has_no_name():
    with pytest.raises(KeyError, match='presence'):
        file_name('presence.weight')


def test_weights_arrive_where_they_belong(small, save, topology):
    net = import_handar(save(small), topology)
    assert not net.training
    assert net.mesh_stage.heatmaps.z.weight.equal(small['mesh_net']['conv_z_2.0.weight'])
    lift = small['posenet']['conv_z_1.0.weight'].squeeze(2)
    assert net.joint_stage.heatmaps.lift[0].weight.equal(lift)
    assert net.refine_stage.blocks[2].conv1.eps.equal(small['gcn']['res3.conv1.eps'])
    assert net.joint_stage.segmentation.fuse[0].bias.equal(
        small['segmentation_net']['fusion1.bias']
    )


def test_a_module_prefix_is_tolerated(small, save, topology):
    prefixed = {
        part: {f'module.{name}': value for name, value in tensors.items()}
        for part, tensors in small.items()
        if isinstance(tensors, dict)
    }
    plain = import_handar(save(small), topology).state_dict()
    for name, value in import_handar(save(prefixed), topology).state_dict().items():
        assert value.equal(plain[name]), name


def test_what_does_not_fit_is_listed(small, save, topology):
    del small['gcn']['tail.conv.nn.2.bias']
    small['posenet']['colour.weight'] = torch.zeros(4)
    small['mesh_net']['conv_x.0.weight'] = torch.zeros(778, 8, 1)
    with pytest.raises(CheckpointError) as caught:
        import_handar(save(small), topology)
    told = str(caught.value)
    assert f'{topology.vertex_count} vertices' in told
    assert 'missing: gcn/tail.conv.nn.2.bias' in told
    assert 'extra: posenet/colour.weight' in told
    assert 'misshapen: mesh_net/conv_x.0.weight is (778, 8, 1), expected (61, 8, 1)' in told


def test_a_missing_part_is_listed(small, save, topology):
    del small['segmentation_net']
    with pytest.raises(CheckpointError, match=r'missing: segmentation_net/bn1\.bias'):
        import_handar(save(small), topology)


@pytest.mark.parametrize(
    ('contents', 'told'),
    [
        ([1, 2], 'list'),
        ({'gcn': 3}, "'gcn'.*int"),
        ({'gcn': {'x': 3}}, "'gcn/x'.*int"),
    ],
)
def test_other_contents_are_refused(small, save, topology, contents, told):
    with pytest.raises(CheckpointError, match=told):
        import_handar(save(contents), topology)


def test_missing_and_damaged_files_are_refused(tmp_path, topology):
    with pytest.raises(CheckpointError, match='nothing'):
        import_handar(tmp_path / 'nothing', topology)
    for contents in (b'PK\x03\x04 no zip', b'\x80\x02.'):
        (tmp_path / 'damaged').write_bytes(contents)
        with pytest.raises(CheckpointError, match='cannot read'):
            import_handar(tmp_path / 'damaged', topology)


def test_code_in_the_file_is_not_run(save, tmp_path, topology):
    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'attacked'),)

    path = save({'gcn': Attack()})
    with pytest.raises(CheckpointError, match='cannot read'):
        import_handar(path, topology)
    assert not (tmp_path / 'attacked').exists()


def test_the_package_hands_out_the_importer():
    assert handmesh_model.import_handar is import_handar


@torch.no_grad()
def test_the_command_writes_a_weights_file(small, save, tmp_path, topology, capsys):
    topology.save(tmp_path / 'topology.npz')
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    snapshot, out = save(small), tmp_path / 'out.safetensors'
    arguments = parser.parse_args(
        [f'{snapshot}', f'--topology={tmp_path}/topology.npz', f'--out={out}']
    )
    assert command.run(arguments) == 0
    assert '61 vertices' in capsys.readouterr().out
    crops = torch.rand(1, 3, 64, 64)
    expected = import_handar(snapshot, topology)(crops)
    assert load_network(out)(crops).vertices.equal(expected.vertices)
