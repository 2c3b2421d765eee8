import ast
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import handmesh_model.network
from handmesh_model.errors import ShapeError
from handmesh_model.network import HandMeshNet, NetworkConfig
from handmesh_model.network.soft_argmax import LixelHeatmaps

OPEN_HEADS = {'presence': True, 'side': True, 'confidence': True}


@pytest.fixture
def make_net(tiny_config, topology):
    return lambda **changes: HandMeshNet(tiny_config(**changes), topology).eval()


@pytest.fixture
def crops():
    return torch.rand(2, 3, 64, 64)


@torch.no_grad()
def test_every_output_has_its_shape(make_net, topology, crops):
    net = make_net(joint_maps=True, **OPEN_HEADS)
    out = net(crops, heads=True)
    count = topology.vertex_count
    assert out.rough_vertices.shape == out.vertices.shape == (2, count, 3)
    assert out.joints.shape == out.stage_joints.shape == (2, 21, 3)
    assert out.presence.shape == out.side.shape == (2,)
    assert out.confidence.shape == (2, 21)
    assert out.segmentation.shape == (2, 2, 32, 32)
    assert out.joint_maps.shape == (2, 21, 16, 16)
    assert out.segmentation.exp().sum(dim=1).allclose(torch.ones(2, 32, 32), atol=1e-5)
    assert {name: tuple(h.shape) for name, h in out.heatmaps.items()} == {
        **{f'joint_{axis}': (2, 21, 16) for axis in 'xyz'},
        **{f'vertex_{axis}': (2, count, 16) for axis in 'xyz'},
    }


@torch.no_grad()
def test_heads_change_nothing_of_the_mesh(make_net, crops):
    net = make_net(joint_maps=True, **OPEN_HEADS)
    bare, full = net(crops), net(crops, heads=True)
    for name in ('rough_vertices', 'vertices', 'joints', 'presence', 'side', 'confidence'):
        assert getattr(bare, name).equal(getattr(full, name)), name
    assert bare[6:] == (None, None, None, None)


@torch.no_grad()
def test_mesh_count_leaves_the_other_crops_to_the_joint_stage(make_net, crops):
    net = make_net()
    whole = net(crops, heads=True)
    part = net(crops, heads=True, mesh_count=1)
    assert len(crops) > 1
    for name in ('rough_vertices', 'vertices', 'joints'):
        torch.testing.assert_close(getattr(part, name), getattr(whole, name)[:1])
    for name in ('presence', 'side', 'segmentation', 'stage_joints'):
        torch.testing.assert_close(getattr(part, name), getattr(whole, name))
    for name, heatmap in part.heatmaps.items():
        rows = 1 if name.startswith('vertex') else len(crops)
        torch.testing.assert_close(heatmap, whole.heatmaps[name][:rows])


@torch.no_grad()
@pytest.mark.parametrize('source', ['rough', 'refined'])
@pytest.mark.parametrize('joint_stage', [True, False])
def test_refine_count_leaves_the_other_crops_unrefined(make_net, source, joint_stage):
    net = make_net(joints_from=source, joint_stage=joint_stage, **OPEN_HEADS)
    torch.nn.init.normal_(net.refine_stage.tail.nn[2].bias)
    crops = torch.rand(3, 3, 64, 64)
    whole = net(crops, heads=True)
    part = net(crops, heads=True, mesh_count=2, refine_count=1)
    meshes = 2 if joint_stage else 3
    joints = 1 if source == 'refined' else meshes
    rows = {'rough_vertices': meshes, 'vertices': 1, 'joints': joints}
    for name, count in rows.items():
        assert len(getattr(part, name)) == count, name
        torch.testing.assert_close(getattr(part, name), getattr(whole, name)[:count])
    for name in ('presence', 'side', 'confidence'):
        torch.testing.assert_close(getattr(part, name), getattr(whole, name))
    for name, heatmap in part.heatmaps.items():
        count = meshes if name.startswith('vertex') else len(crops)
        torch.testing.assert_close(heatmap, whole.heatmaps[name][:count])


def test_refine_count_without_a_refine_stage_is_nothing(make_net, crops):
    out = make_net(refine_stage=False)(crops, refine_count=1)
    assert out.vertices is out.rough_vertices


@torch.no_grad()
@pytest.mark.parametrize('source', ['rough', 'refined'])
def test_without_refining_the_rough_mesh_is_the_result(make_net, topology, crops, source):
    net = make_net(joint_maps=True, joints_from=source, **OPEN_HEADS)
    torch.nn.init.normal_(net.refine_stage.tail.nn[2].bias)
    whole, rough = net(crops, heads=True), net(crops, heads=True, refine=False)
    assert not whole.vertices.allclose(whole.rough_vertices)
    assert rough.vertices is rough.rough_vertices
    assert rough.vertices.equal(whole.rough_vertices)
    regressor = torch.from_numpy(topology.joint_regressor)
    assert rough.joints.allclose(regressor @ whole.rough_vertices, atol=1e-5)
    for name in ('presence', 'side', 'confidence', 'segmentation', 'stage_joints', 'joint_maps'):
        assert getattr(rough, name).equal(getattr(whole, name)), name


def test_heads_that_are_not_configured_are_none(make_net, crops):
    out = make_net(segmentation=False)(crops, heads=True)
    assert out.presence is out.side is out.confidence is out.segmentation is None
    assert out.joint_maps is None


@torch.no_grad()
def test_skips_start_without_effect_and_then_have_one(make_net, crops):
    torch.manual_seed(0)
    with_skips = make_net(decoder_skips=True)
    without = make_net()
    fresh = with_skips.state_dict()
    without.load_state_dict({k: v for k, v in fresh.items() if '.skips.' not in k})
    assert with_skips(crops).vertices.equal(without(crops).vertices)
    for stage in (with_skips.joint_stage, with_skips.mesh_stage):
        for conv in stage.skips:
            before = with_skips(crops, heads=True)
            torch.nn.init.normal_(conv.weight)
            after = with_skips(crops, heads=True)
            assert not after.heatmaps['vertex_x'].allclose(before.heatmaps['vertex_x'])


def test_joints_come_from_the_configured_mesh(make_net, topology, crops):
    regressor = torch.from_numpy(topology.joint_regressor)
    for source, field in (('rough', 'rough_vertices'), ('refined', 'vertices')):
        net = make_net(joints_from=source)
        torch.nn.init.normal_(net.refine_stage.tail.nn[2].bias)
        out = net(crops)
        assert not out.vertices.allclose(out.rough_vertices)
        assert out.joints.allclose(regressor @ getattr(out, field), atol=1e-5)


ABLATIONS = [
    {'joint_stage': False},
    {'refine_stage': False},
    {'local_features': []},
    {'global_channels': 0},
    {'local_features': [], 'global_channels': 0},
    {'offset': False},
    {'segmentation': False},
    {'graph_blocks': 0},
    {'joint_stage': False, 'refine_stage': False},
    {'segmentation_levels': 3, 'segmentation_kernel': 1},
    {'depth': 50, 'mesh_depth': 18},
    {'mesh_width': 12},
    {'decoder_skips': True, 'joint_maps': True},
    {'local_features': ['mesh', 'decoded']},
    {'decoder_skips': True, 'joint_stage': False},
    {'input_size': 96, 'heatmap_size': 24},
]


@pytest.mark.parametrize('changes', ABLATIONS, ids=str)
def test_every_weight_of_every_variant_learns(tiny_config, topology, changes):
    net = HandMeshNet(tiny_config(**OPEN_HEADS, **changes), topology).train()
    # Zero weights at the start of a branch keep gradients from what lies before them.
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    size = net.config.input_size
    out = net(torch.rand(4, 3, size, size), heads=True)
    loss = sum(
        (value * torch.randn_like(value)).sum()
        for value in (*out[:5], out.segmentation, out.stage_joints, out.joint_maps)
        if value is not None
    )
    loss.backward()
    without = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    # Biases before a batch norm cannot matter; at some weights every ReLU may be shut.
    assert not [n for n in without if not n.endswith('.bias') and 'conv' not in n]
    assert out.vertices.isfinite().all()


def test_without_the_refine_stage_the_rough_mesh_is_the_result(make_net, crops):
    out = make_net(refine_stage=False)(crops)
    assert out.vertices is out.rough_vertices


def test_without_the_joint_stage_there_are_no_joint_heads(make_net, crops):
    out = make_net(joint_stage=False, **OPEN_HEADS)(crops, heads=True)
    assert out.stage_joints is out.segmentation is None
    assert set(out.heatmaps) == {'vertex_x', 'vertex_y', 'vertex_z'}
    assert out.confidence.shape == (2, 21)


@torch.no_grad()
def test_confidence_without_a_joint_stage_is_a_share(make_net, crops):
    net = make_net(joint_stage=False, confidence=True)
    regressor = net.joint_regressor
    # All vertices are sure but one, which has a negative weight.
    regressor[:], regressor[:, 0] = 1.5 / (regressor.shape[1] - 1), -0.5
    heatmaps = net(crops, heads=True).heatmaps
    for name in ('vertex_x', 'vertex_y'):
        heatmaps[name].zero_()[:, 1:, 3] = 1e4
    sure = LixelHeatmaps(*(heatmaps[f'vertex_{axis}'] for axis in 'xyz'))
    assert torch.allclose(net._confidence(None, SimpleNamespace(heatmaps=sure)), torch.ones(1))
    for name in ('vertex_x', 'vertex_y'):
        heatmaps[name].neg_()
    assert (net._confidence(None, SimpleNamespace(heatmaps=sure)) < 0.9).all()


@torch.no_grad()
def test_a_fresh_network_starts_at_the_centre_with_no_offset(tiny_config, topology, crops):
    out = HandMeshNet(tiny_config(), topology)(crops)
    assert (out.rough_vertices - 7.5).abs().max() < 1
    assert (out.vertices - out.rough_vertices).abs().max() < 0.1


@torch.no_grad()
def test_confidence_is_high_where_heatmaps_are_sharp(make_net, crops):
    net = make_net(confidence=True, confidence_spread=1.0)
    flat = net(crops).confidence
    for head in (net.joint_stage.heatmaps.x, net.joint_stage.heatmaps.y):
        torch.nn.init.normal_(head.weight, std=1e5)
    sharp = net(crops).confidence
    assert flat.max() < 1e-3
    assert sharp.mean() > 0.3
    assert sharp.max() <= 1


@torch.no_grad()
def test_images_of_a_batch_do_not_touch_each_other(make_net, crops):
    net = make_net(**OPEN_HEADS)
    whole, single = net(crops), net(crops[1:])
    assert whole.vertices[1:].allclose(single.vertices, atol=1e-4)
    assert whole.presence[1:].allclose(single.presence, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize('source', ['rough', 'refined'])
@pytest.mark.parametrize('offset', [True, False])
def test_autocast_rounds_no_coordinates(make_net, topology, crops, offset, source):
    net = make_net(offset=offset, joints_from=source)
    torch.nn.init.normal_(net.refine_stage.tail.nn[2].bias)
    moved = []
    net.refine_stage.tail.register_forward_hook(lambda tail, inputs, out: moved.append(out))
    maps = []
    net.mesh_stage.encoder.register_forward_hook(lambda part, inputs, out: maps.append(out[0]))
    with torch.autocast('cpu', torch.bfloat16):
        out = net(crops, heads=True)
    assert maps[0].dtype == torch.bfloat16
    for points in (*moved, out.rough_vertices, out.vertices, out.joints, out.stage_joints):
        assert points.dtype == torch.float32
    regressor = torch.from_numpy(topology.joint_regressor)
    mesh = out.vertices if source == 'refined' else out.rough_vertices
    assert out.joints.allclose(regressor @ mesh, atol=1e-5)


@torch.no_grad()
def test_without_autocast_none_is_turned_off(make_net, crops, monkeypatch):
    monkeypatch.setattr(torch, 'autocast', lambda *_, **__: pytest.fail('exporters note it'))
    make_net()(crops)
    assert make_net().to('meta')(crops.to('meta')).joints.shape == (2, 21, 3)


@pytest.mark.parametrize('shape', [(2, 3, 32, 32), (3, 64, 64), (2, 1, 64, 64)])
def test_other_crops_are_refused(make_net, shape):
    with pytest.raises(ShapeError, match=r'64, 64'):
        make_net()(torch.rand(shape))


def test_the_topology_is_not_among_the_weights(make_net):
    assert not [n for n in make_net().state_dict() if n in ('neighbours', 'joint_regressor')]


def test_the_topology_stays_as_it_was(make_net, topology):
    net = make_net()
    net.joint_regressor.zero_()
    assert np.abs(topology.joint_regressor).sum() > 0


def test_the_paper_has_104_million_weights_at_inference(topology):
    with torch.device('meta'):
        net = HandMeshNet(NetworkConfig(), topology)
    joint = net.joint_stage
    at_inference = set(net.parameters()) - {
        *joint.heatmaps.parameters(),
        *joint.segmentation.parameters(),
    }
    assert sum(p.numel() for p in at_inference) / 1e6 == pytest.approx(104, abs=1)


def test_the_network_imports_torch_and_its_siblings_only():
    allowed = {'__future__', 'dataclasses', 'itertools', 'typing', 'torch'}
    for path in Path(handmesh_model.network.__file__).parent.glob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module]
            else:
                continue
            for module in modules:
                known = module.startswith(('handmesh_model.network', 'handmesh_model.errors'))
                type_only = module == 'handmesh_model.topology'
                assert known or type_only or module.split('.')[0] in allowed, (path, module)
