"""Gradients in one block."""

import pytest
import torch
from torch import nn

from handmesh_model.training.gradients import GradientBlock


@pytest.fixture
def net():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1))
    return layers.to(memory_format=torch.channels_last)


def loss_of(net):
    image = torch.linspace(-1, 1, 2 * 3 * 36).reshape(2, 3, 6, 6)
    return net(image).square().mean()


def test_block_holds_what_autograd_gives(net):
    loss_of(net).backward()
    expected = [p.grad.clone() for p in net.parameters()]
    block = GradientBlock(net)
    for _ in range(2):
        block.zero()
        loss_of(net).backward()
    for parameter, gradient in zip(net.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)
        assert parameter.grad.untyped_storage().data_ptr() == block.flat.data_ptr()
    norm = torch.linalg.vector_norm(torch.cat([g.flatten() for g in expected]))
    torch.testing.assert_close(torch.linalg.vector_norm(block.flat), norm)


def test_long_gradients_are_clipped_short_ones_kept(net):
    block = GradientBlock(net)
    loss_of(net).backward()
    before = block.flat.clone()
    norm = block.clip(1e6)
    torch.testing.assert_close(block.flat, before)
    assert block.clip(0.0) == norm
    block.clip(float(norm) / 4)
    torch.testing.assert_close(block.flat, before / 4, rtol=1e-3, atol=1e-9)


def test_unused_parameters_have_a_gradient_of_zero(net):
    extra = nn.ModuleDict({'used': net, 'unused': nn.Linear(2, 2)})
    block = GradientBlock(extra)
    loss_of(net).backward()
    assert extra['unused'].weight.grad.eq(0).all()
    assert block.flat.numel() == sum(p.numel() for p in extra.parameters())
    block.zero()
    assert net[0].weight.grad.eq(0).all()
