"""A small network whose outputs depend on what it sees."""

from pathlib import Path

import pytest
import torch

from handmesh_model.checkpoints import load_network
from handmesh_model.network import HandMeshNet
from handmesh_model.network.side_head import SideHead


@pytest.fixture(scope='session')
def net(weights_folder: Path) -> HandMeshNet:
    """A network whose normalisations fit its weights, so that its outputs are not all alike."""
    torch.manual_seed(0)
    net = load_network(weights_folder / 'mesh.safetensors').train()
    with torch.no_grad():
        for _ in range(8):
            net(torch.rand(8, 3, 64, 64))
        assert isinstance(net.side, SideHead)
        for head in (net.presence, net.side.out):
            assert head is not None
            head.weight.mul_(100)
    return net.eval()
