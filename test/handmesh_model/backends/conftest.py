"""The network that every backend is tested with."""

import pytest

from handmesh_model.network import HandMeshNet


@pytest.fixture(scope='session')
def net(lively_net: HandMeshNet) -> HandMeshNet:
    """A small network whose outputs depend on what it sees."""
    return lively_net
