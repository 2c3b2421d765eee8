import pytest
import torch

from handmesh_model.errors import ConfigError
from handmesh_model.network import HandMeshNet
from handmesh_model.network.side_head import SideHead
from handmesh_model.network.soft_argmax import LixelHeatmaps

BINS, JOINTS = 16, 21


def peaks(places):
    """(1, JOINTS, BINS) logits with a peak at each place."""
    bins = torch.arange(BINS)
    return -2.0 * (bins - places[:, None]) ** 2 * torch.ones(1, 1, 1)


@pytest.fixture
def head():
    torch.manual_seed(0)
    return SideHead(8, JOINTS, 6)


@pytest.fixture
def places():
    return 5 + 2 * torch.rand(3, JOINTS, generator=torch.Generator().manual_seed(1))


def test_only_where_joints_lie_to_each_other_counts(head, places):
    pooled = torch.rand(1, 8)
    here, there = (
        head(pooled, LixelHeatmaps(*(peaks(p + shift) for p in places))) for shift in (0, 3)
    )
    other = head(pooled, LixelHeatmaps(*(peaks(p) for p in places.flip(1))))
    assert here.shape == (1,)
    torch.testing.assert_close(here, there, atol=1e-4, rtol=0)
    assert abs(here - other) > 3e-3


def test_blurred_joints_look_different(head, places):
    pooled = torch.rand(1, 8)
    sharp, blurred = (
        head(pooled, LixelHeatmaps(*(peaks(p) * factor for p in places))) for factor in (1, 0.2)
    )
    assert abs(sharp - blurred) > 3e-3


def test_it_trains_the_encoder_and_leaves_the_joints_alone(head, places):
    pooled = torch.rand(1, 8, requires_grad=True)
    maps = LixelHeatmaps(*(peaks(p).requires_grad_() for p in places))
    head(pooled, maps).sum().backward()
    assert pooled.grad.abs().sum() > 0
    assert [m.grad for m in maps] == [None] * 3


@torch.no_grad()
def test_the_network_gives_it_joints_whatever_else_is_asked_for(tiny_config, topology):
    config = tiny_config(side=True, side_hidden=6, confidence=False)
    net = HandMeshNet(config, topology).eval()
    crops = torch.rand(2, 3, 64, 64)
    bare, full = net(crops), net(crops, heads=True)
    assert bare.side.shape == (2,)
    assert bare.side.equal(full.side)
    assert bare.confidence is None


def test_it_needs_the_joint_stage(tiny_config):
    with pytest.raises(ConfigError, match='side_hidden is 6'):
        tiny_config(side=True, side_hidden=6, joint_stage=False)
