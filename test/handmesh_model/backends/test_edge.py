from dataclasses import replace

import numpy as np
import pytest
import torch
from lively_networks import enliven

from handmesh_model.backends.edge import (
    ArrayEdge,
    OutputLayout,
    PackedEdge,
    PixelEdge,
    TwofoldEdge,
)
from handmesh_model.network import HandMeshNet


@pytest.fixture(scope='module')
def crops():
    generator = np.random.default_rng(0)
    return torch.from_numpy(generator.integers(0, 255, (3, 64, 64, 3)).astype(np.uint8))


def test_packed_outputs_come_apart_as_they_went_in(net, crops):
    edge = ArrayEdge(net, 'bag')
    with torch.inference_mode():
        outputs = dict(zip(edge.layout.names, edge(crops), strict=True))
        rows = PackedEdge(edge)(crops).numpy()
        from_pixels = PixelEdge(edge)(edge.pixels(crops)).numpy()
    assert rows.shape == (3, edge.layout.width)
    np.testing.assert_array_equal(from_pixels, rows)
    whole = edge.layout.result({name: value.numpy() for name, value in outputs.items()})
    for packed, direct in zip(edge.layout.unpack(rows), whole, strict=True):
        np.testing.assert_array_equal(packed, direct)


@pytest.mark.parametrize(
    ('changes', 'more'),
    [
        ({'joints_from': 'refined'}, ('rough_vertices', 'rough_joints')),
        ({'joints_from': 'rough'}, ('rough_vertices',)),
        ({'refine_stage': False}, ()),
    ],
)
def test_a_twofold_edge_has_what_the_refine_stage_changes_twice(net, crops, changes, more):
    torch.manual_seed(0)
    edge = ArrayEdge(enliven(HandMeshNet(replace(net.config, **changes), net.topology)), 'bag')
    twofold = TwofoldEdge(edge)
    assert twofold.names == (*edge.layout.names, *more)
    with torch.inference_mode():
        outputs = dict(zip(twofold.names, twofold(crops), strict=True))
        refined = dict(zip(edge.layout.names, edge(crops), strict=True))
        rough = dict(zip(edge.layout.names, edge.without_refine()(crops), strict=True))
    for name in edge.layout.names:
        torch.testing.assert_close(outputs[name], refined[name], rtol=0, atol=0)
        torch.testing.assert_close(outputs.get(f'rough_{name}', outputs[name]), rough[name])


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_coordinates_stay_precise_in_half_precision(net, crops, dtype):
    exact, half = ArrayEdge(net, 'dense'), ArrayEdge(net, 'dense', dtype)
    assert {p.dtype for p in half.parameters()} == {dtype}
    with torch.inference_mode():
        expected, actual = exact(crops), half(crops)
    bound = 0.03 if dtype == torch.float16 else 0.2
    for name, a, b in zip(exact.layout.names, actual, expected, strict=True):
        assert a.dtype == torch.float32
        if name in ('vertices', 'joints'):
            assert np.ptp(b.numpy(), axis=0).max() > 5 * bound, name
            assert (a - b).abs().max() < bound, name


def test_a_single_crop_without_heads_comes_apart():
    layout = OutputLayout({'vertices': 6, 'joints': 3})
    result = layout.unpack(np.arange(9, dtype=np.float32)[None])
    assert result.vertices.tolist() == [[[0, 1, 2], [3, 4, 5]]]
    assert result.joints.tolist() == [[[6, 7, 8]]]
    assert result.presence.tolist() == [1]
    assert result.confidence.tolist() == [[1]]
