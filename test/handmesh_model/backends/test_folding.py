from dataclasses import replace

import pytest
import torch
from lively_networks import enliven
from torch import nn

from handmesh_model.backends.folding import fold_norms, for_inference
from handmesh_model.backends.graph_sums import SUMS
from handmesh_model.network import HandMeshNet
from handmesh_model.network.graph import GINConv

MOST = 2e-4
"""By which outputs may differ: lixels, logits, and confidences."""


@pytest.fixture(scope='module')
def pixels():
    return torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize('graph', list(SUMS))
@pytest.mark.parametrize('eps', [0.0, 0.3])
def test_the_folded_network_computes_the_same(net, pixels, graph, eps):
    for module in net.modules():
        if isinstance(module, GINConv):
            module.eps.fill_(eps)
    with torch.inference_mode():
        expected, actual = net(pixels), for_inference(net, graph)(pixels)
    for module in net.modules():
        if isinstance(module, GINConv):
            module.eps.zero_()
    for name in ('rough_vertices', 'vertices', 'joints', 'presence', 'side', 'confidence'):
        difference = (getattr(actual, name) - getattr(expected, name)).abs().max()
        assert difference < MOST, name


def test_nothing_is_left_that_only_training_needs(net):
    folded = for_inference(net, 'bag')
    kinds = {type(module) for module in folded.modules()}
    assert not {nn.BatchNorm1d, nn.BatchNorm2d, GINConv} & kinds
    assert not any('segmentation' in name for name, _ in folded.named_parameters())
    assert not any(p.requires_grad for p in folded.parameters())


@pytest.mark.parametrize(
    'changes',
    [
        {'joint_stage': False, 'side_hidden': 0},
        {'refine_stage': False},
        {'global_channels': 0},
        {'depth': 50, 'mesh_depth': 50},
        {'confidence': False, 'joints_from': 'refined'},
        {'decoder_skips': True, 'joint_maps': True},
        {'side_hidden': 0},
    ],
)
def test_every_kind_of_network_can_be_folded(net, pixels, changes):
    torch.manual_seed(0)
    other = HandMeshNet(replace(net.config, **changes), net.topology)
    with torch.no_grad():
        for stage in (other.joint_stage, other.mesh_stage):
            for conv in getattr(stage, 'skips', None) or ():
                nn.init.normal_(conv.weight, std=0.1)
        expected = enliven(other)(pixels)
        actual = for_inference(other, 'gather')(pixels)
    for name in ('vertices', 'joints', 'presence', 'side', 'confidence'):
        a, b = getattr(actual, name), getattr(expected, name)
        torch.testing.assert_close(a, b, rtol=0, atol=MOST)
        if b is not None:
            assert (b.amax(0) - b.amin(0)).max() > 20 * MOST, name


def test_a_normalisation_behind_no_layer_is_an_error():
    with pytest.raises(TypeError, match='ReLU'):
        fold_norms(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)))
