import numpy as np
import pytest
import torch
from torch.nn import functional as F

from handmesh_model.backends import openvino as backend
from handmesh_model.backends import wide_maps

openvino = pytest.importorskip('openvino', reason='needs the package openvino')


def sampling_model(shape, count):
    class Sampling(torch.nn.Module):
        def forward(self, feature_map, grid):
            # What comes before decides how the map lies in memory.
            return F.grid_sample(feature_map * 2, grid, align_corners=False)

    example = (torch.zeros(shape), torch.zeros(1, count, 1, 2))
    return openvino.convert_model(
        Sampling(), example_input=example, input=[tuple(shape), (1, count, 1, 2)]
    )


def points(count, height, width):
    """Points all over the map and around it, pixel centres, edges and corners among them."""
    rng = np.random.default_rng(0)
    grid = rng.uniform(-1.5, 1.5, (count, 2))
    step = np.array([1 / width, 1 / height])
    grid[:8] = [[-1, -1], [1, 1], [-1, 1], 1 - step, step - 1, 1 + step, -1 - step, [0, 0]]
    return grid.astype(np.float32)[None, :, None]


def run(model, *inputs):
    return backend.runtime().compile_model(model, 'CPU', backend.HINTS)(inputs)[0]


@pytest.mark.parametrize(('height', 'width'), [(32, 64), (7, 5)])
def test_regions_are_what_grid_sample_gives(monkeypatch, height, width):
    monkeypatch.setattr(wide_maps, 'WIDE', 1)
    feature_map = np.random.default_rng(1).normal(size=(1, 24, height, width)).astype(np.float32)
    grid = points(500, height, width)
    model = sampling_model(feature_map.shape, 500)
    assert wide_maps.sample_wide_maps(model) == 1
    assert 'GridSample' not in {op.get_type_name() for op in model.get_ops()}
    expected = F.grid_sample(
        torch.tensor(feature_map * 2), torch.tensor(grid), align_corners=False
    ).numpy()
    found = run(model, feature_map, grid)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    outside = (np.abs(grid[0, :, 0]) > 1 + 1.001 / np.array([width, height])).any(axis=1)
    assert outside.sum() > 50
    assert not found[0, :, outside].any()


def test_small_maps_stay_as_they_are():
    model = sampling_model((1, 8, 16, 16), 5)
    assert wide_maps.sample_wide_maps(model) == 0
    assert 'GridSample' in {op.get_type_name() for op in model.get_ops()}
