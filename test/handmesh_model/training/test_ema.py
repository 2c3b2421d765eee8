"""The moving average of the weights."""

import math

import pytest
import torch

from handmesh_model.network import HandMeshNet
from handmesh_model.training.ema import WeightAverage


@pytest.fixture
def net(tiny_config, topology):
    return HandMeshNet(tiny_config(), topology)


def set_all(net, value):
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(value)


def test_average_follows_the_formula(net):
    set_all(net, 0.0)
    average = WeightAverage(net, reach=5)
    expected = 0.0
    for update in range(1, 60):
        set_all(net, float(update % 7))
        average.update(net)
        decay = min(math.exp(-1 / 5), (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay) * (update % 7)
    for parameter in average.net.parameters():
        torch.testing.assert_close(parameter, torch.full_like(parameter, expected))


def test_start_is_forgotten_soon_and_the_end_reached(net):
    set_all(net, 100.0)
    average = WeightAverage(net, reach=1000)
    set_all(net, 1.0)
    for _ in range(40):
        average.update(net)
    assert next(average.net.parameters()).flatten()[0] < 1.1


def test_buffers_are_taken_over_and_the_average_learns_nothing(net):
    average = WeightAverage(net, reach=100)
    name, buffer = next((n, b) for n, b in net.named_buffers() if n.endswith('running_mean'))
    buffer.fill_(3.5)
    average.update(net)
    assert dict(average.net.named_buffers())[name].eq(3.5).all()
    assert not average.net.training
    assert not any(p.requires_grad for p in average.net.parameters())
