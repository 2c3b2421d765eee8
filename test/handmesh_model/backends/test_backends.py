"""Every backend gives what eager PyTorch gives, on every output."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from handmesh_model.backends import BACKENDS, NetworkResult, choose_device, create_backend
from handmesh_model.checkpoints import load_network
from handmesh_model.errors import BackendError
from handmesh_model.network import HandMeshNet

NEEDS = {'openvino': 'openvino'}
CPU = torch.device('cpu')


@pytest.fixture
def net(weights_folder: Path) -> HandMeshNet:
    """A network whose normalisations fit its weights, so that its outputs are not all alike."""
    torch.manual_seed(0)
    net = load_network(weights_folder / 'mesh.safetensors').train()
    with torch.no_grad():
        for _ in range(8):
            net(torch.rand(8, 3, 64, 64))
        for head in (net.presence, net.side):
            assert head is not None
            head.weight.mul_(100)
    return net.eval()


def crops(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 255, (count, 64, 64, 3)).astype(np.uint8)


@pytest.fixture(params=[name for name in BACKENDS if name != 'eager'])
def other(request: pytest.FixtureRequest, net: HandMeshNet) -> Iterator[object]:
    if request.param in NEEDS and find_spec(NEEDS[request.param]) is None:
        pytest.skip(f'{NEEDS[request.param]} is not installed')
    backend = create_backend(request.param, net, CPU)
    yield backend
    backend.close()


def test_eager_gives_every_output_in_its_shape(net: HandMeshNet) -> None:
    result = create_backend('eager', net, CPU).run(crops(3))
    vertex_count = net.topology.vertex_count
    shapes = [(3, vertex_count, 3), (3, 21, 3), (3,), (3,), (3, 21)]
    assert [array.shape for array in result] == shapes
    assert {array.dtype for array in result} == {np.dtype(np.float32)}
    for name in ('presence', 'right', 'confidence'):
        array = getattr(result, name)
        assert array.min() >= 0
        assert array.max() <= 1


@pytest.mark.parametrize('count', [1, 2, 5])
def test_parity_on_every_output(other: object, net: HandMeshNet, count: int) -> None:
    expected = create_backend('eager', net, CPU).run(crops(count))
    actual: NetworkResult = other.run(crops(count))  # type: ignore[attr-defined]
    again: NetworkResult = other.run(crops(count))  # type: ignore[attr-defined]
    assert np.ptp(expected.presence) > 0 or count == 1
    for name in expected._fields:
        difference = np.abs(getattr(actual, name) - getattr(expected, name)).max()
        assert difference < 1e-3, name
        np.testing.assert_array_equal(getattr(again, name), getattr(actual, name))


def test_networks_without_heads_are_sure(topology: object, weights_folder: Path) -> None:
    from dataclasses import replace

    full = load_network(weights_folder / 'mesh.safetensors')
    config = replace(full.config, presence=False, side=False, confidence=False)
    bare = HandMeshNet(config, full.topology)
    for name in BACKENDS:
        if name in NEEDS and find_spec(NEEDS[name]) is None:
            continue
        result = create_backend(name, bare, CPU).run(crops(2))
        assert (result.presence == 1).all()
        assert (result.right == 1).all()
        assert (result.confidence == 1).all()


def test_auto_can_always_run(net: HandMeshNet) -> None:
    assert create_backend('auto', net, choose_device('auto')).run(crops(1)).joints.shape == (
        1,
        21,
        3,
    )


def test_crops_of_a_wrong_size_are_an_error_and_the_backend_lives(net: HandMeshNet) -> None:
    backend = create_backend('eager', net, CPU)
    with pytest.raises((BackendError, ValueError)):
        backend.run(np.zeros((1, 60, 60, 3), np.uint8))
    assert backend.run(crops(1)).joints.shape == (1, 21, 3)


@pytest.mark.skipif(find_spec('openvino') is None, reason='openvino is not installed')
def test_openvino_refuses_other_devices(net: HandMeshNet) -> None:
    with pytest.raises(BackendError, match='CPU'):
        create_backend('openvino', net, torch.device('cuda'))
