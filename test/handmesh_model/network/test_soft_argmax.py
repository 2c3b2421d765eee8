import pytest
import torch

from handmesh_model.network.soft_argmax import (
    LixelHead,
    heatmap_spread,
    lixel_coordinates,
    soft_argmax,
)


def gaussian_logits(mean: float, deviation: float, bins: int = 64) -> torch.Tensor:
    return -((torch.arange(bins) - mean) ** 2) / (2 * deviation**2)


@pytest.mark.parametrize('mean', [9.0, 17.5, 30.25])
def test_a_sharp_peak_is_found(mean):
    assert soft_argmax(gaussian_logits(mean, 1.0)).item() == pytest.approx(mean, abs=0.02)


@pytest.mark.parametrize('bin_index', [0, 5, 63])
def test_one_bin_is_its_own_number(bin_index):
    logits = torch.zeros(64)
    logits[bin_index] = 100
    assert soft_argmax(logits).item() == pytest.approx(bin_index, abs=1e-4)


def test_a_flat_heatmap_lies_in_the_middle():
    assert soft_argmax(torch.zeros(2, 3, 64)).allclose(torch.full((2, 3), 31.5))


def test_the_gradient_is_exact():
    logits = torch.randn(2, 9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(soft_argmax, logits)


@pytest.mark.parametrize('deviation', [1.0, 2.5])
def test_the_spread_is_the_standard_deviation(deviation):
    spread = heatmap_spread(gaussian_logits(30.0, deviation))
    assert spread.item() == pytest.approx(deviation, rel=1e-3)


def test_one_bin_has_no_spread_and_large_logits_no_nan():
    logits = torch.zeros(16)
    logits[3] = 1e4
    assert heatmap_spread(logits).item() == 0


def test_x_runs_along_columns_and_y_along_rows():
    head = LixelHead(1, map_channels=1, encoder_channels=2, depth_channels=1, bins=16).eval()
    for conv in (head.x, head.y, head.z):
        torch.nn.init.ones_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    torch.nn.init.zeros_(head.lift[0].weight)
    torch.nn.init.zeros_(head.lift[0].bias)
    head.lift[0].bias.data[9] = 1e3
    decoded = torch.zeros(1, 1, 16, 16)
    decoded[0, 0, 4, 11] = 1e4
    point = lixel_coordinates(head(decoded, torch.zeros(1, 2)))[0, 0]
    assert point.tolist() == pytest.approx([11, 4, 9])
