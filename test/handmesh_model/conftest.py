"""Hands made of numbers, for tests that need one but no weights and no assets."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from handmesh_model.joints import BONES, JOINT_COUNT
from handmesh_model.network import HandMeshNet, NetworkConfig
from handmesh_model.topology import HandTopology

# Helpers beside the tests; pytest's importlib mode leaves them to us.
sys.path.insert(0, str(Path(__file__).parent))

# A flat right hand in the wrist frame: x to the middle knuckle, y to the thumb; millimetres.
FINGER_BASES = {'index': (92, 24), 'middle': (94.5, 0), 'ring': (88, -20), 'pinky': (79, -38)}
FINGER_BONES = {
    'index': (40, 23, 20),
    'middle': (44, 27, 21),
    'ring': (41, 26, 21),
    'pinky': (32, 18, 18),
}
THUMB = ((22, 28), (58, 55), (86, 72), (110, 84))


def skeleton() -> np.ndarray:
    """(21, 3) metres, joints of a right hand at rest in the wrist frame, fingers a little bent."""
    joints = [np.zeros(3)]
    joints += [np.array([x, y, -4.0 * i]) for i, (x, y) in enumerate(THUMB)]
    for finger, (x, y) in FINGER_BASES.items():
        point = np.array([x, y, 0.0])
        joints.append(point)
        direction = np.array([x, y * 1.6, 0.0]) / np.hypot(x, y * 1.6)
        for i, length in enumerate(FINGER_BONES[finger]):
            angle = 0.25 * (i + 1)
            point = point + length * (direction * np.cos(angle) + [0, 0, -np.sin(angle)])
            joints.append(point)
    return np.array(joints) / 1000


def skeleton_topology() -> HandTopology:
    """A topology of 21 + 40 vertices: the joints, and two points beside each bone."""
    joints = skeleton()
    beside = []
    for parent, child in BONES:
        middle, along = (joints[parent] + joints[child]) / 2, joints[child] - joints[parent]
        across = np.cross(along, [0, 0, 1.0])
        across *= 0.007 / np.linalg.norm(across)
        beside += [middle + across, middle - across]
    template = np.concatenate([joints, beside])
    faces = [
        face
        for i, (parent, child) in enumerate(BONES)
        for face in (
            (parent, JOINT_COUNT + 2 * i, child),
            (parent, child, JOINT_COUNT + 2 * i + 1),
        )
    ]
    regressor = np.eye(JOINT_COUNT, len(template))
    return HandTopology(np.array(faces), regressor, template=template, name='skeleton')


@pytest.fixture(scope='session')
def topology() -> HandTopology:
    """A small right hand of 61 vertices, whose first 21 are the joints."""
    return skeleton_topology()


@pytest.fixture(scope='session')
def weights_folder(topology: HandTopology, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with weights of untrained networks that are as small as can be."""
    from handmesh_model.checkpoints import save_checkpoint
    from handmesh_model.detector import save_detector
    from handmesh_model.network.hand_detector import HandDetectorNet

    torch.manual_seed(0)
    config = NetworkConfig(
        input_size=64,
        heatmap_size=16,
        depth=18,
        width=4,
        mesh_depth=18,
        mesh_width=4,
        decoder_channels=(8, 8, 8),
        mesh_decoder_channels=(8, 8, 8),
        depth_channels=4,
        global_channels=4,
        graph_hidden=8,
        graph_width=8,
        presence=True,
        side=True,
        side_hidden=6,
        confidence=True,
    )
    folder = tmp_path_factory.mktemp('weights')
    save_checkpoint(folder / 'mesh.safetensors', HandMeshNet(config, topology))
    save_detector(folder / 'detector.safetensors', HandDetectorNet(4), {})
    return folder


@pytest.fixture(scope='session')
def lively_net(weights_folder: Path) -> HandMeshNet:
    """The network of that folder, made to answer each crop in another way."""
    from lively_networks import enliven

    from handmesh_model.checkpoints import load_network

    net = enliven(load_network(weights_folder / 'mesh.safetensors'))
    crops = torch.rand(5, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        outputs = net(crops)
    # Far above what tests of parity let pass.
    offsets = (outputs.vertices - outputs.rough_vertices).abs()
    assert (offsets.flatten(0, 1).median(0).values > 0.1).all()
    for name, least in {'vertices': 0.3, 'joints': 0.3, 'confidence': 0.01}.items():
        low, high = torch.aminmax(getattr(outputs, name), dim=0)
        assert ((high - low).median(0).values > least).all(), name
    for logits in (outputs.presence, outputs.side):
        assert logits is not None
        assert logits.max() - logits.min() > 1
    return net


TINY_NETWORK = {
    'input_size': 64,
    'heatmap_size': 16,
    'depth': 10,
    'width': 8,
    'mesh_depth': 10,
    'mesh_width': 8,
    'decoder_channels': (8, 8, 8),
    'mesh_decoder_channels': (8, 8, 8),
    'depth_channels': 4,
    'global_channels': 4,
    'graph_hidden': 8,
    'graph_width': 8,
    'graph_tail': 8,
}
"""The narrowest network that has every part, for its wiring and not its skill."""


@pytest.fixture(scope='session')
def tiny_config() -> Callable[..., NetworkConfig]:
    """A function that makes the configuration of a tiny network, with fields changed."""
    return lambda **changes: NetworkConfig.from_dict({**TINY_NETWORK, **changes})


@pytest.fixture
def exact_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[torch.device]]:
    """Devices on which a module has TF32 switched off at the moment; its name -> them."""

    def note(module: str) -> list[torch.device]:
        exact: list[torch.device] = []

        @contextmanager
        def noted(device: torch.device) -> Iterator[None]:
            exact.append(device)
            yield
            exact.pop()

        monkeypatch.setattr(f'{module}.exact_float32', noted)
        return exact

    return note
