"""Drawn hands to train on, and runs that are as small as can be."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import torch
import yaml

from handmesh_model.joints import BONES
from handmesh_model.topology import HandTopology
from handmesh_model.training.batches import empty_batch
from handmesh_model.training.config import TrainingConfig
from handmesh_model.training.config_files import from_mapping

if TYPE_CHECKING:
    from handmesh_model.training.trainer import Trainer

# Helpers beside the tests; pytest's importlib mode leaves them to us.
sys.path.insert(0, str(Path(__file__).parent))

SIZE = 64
INTRINSICS = np.array([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]])
COUNT, VERTICES = 12, 778
PALETTE = np.random.default_rng(3).integers(60, 256, (len(BONES), 3))
NETWORK = {
    'input_size': SIZE,
    'heatmap_size': 16,
    'depth': 10,
    'width': 8,
    'mesh_depth': 10,
    'mesh_width': 8,
    'decoder_channels': [16, 16, 16],
    'mesh_decoder_channels': [16, 16, 16],
    'depth_channels': 8,
    'segmentation_levels': 3,
    'segmentation_kernel': 1,
    'global_channels': 8,
    'graph_hidden': 16,
    'graph_width': 16,
    'graph_blocks': 1,
    'graph_tail': 8,
    'depth_axis': 'ray',
    'presence': True,
    'side': True,
}


def draw_hand(
    rng: np.random.Generator, topology: HandTopology, size: int = SIZE
) -> dict[str, Any]:
    """A crop sample: bones of the topology's template as coloured lines, turned at random."""
    assert topology.template is not None
    angle, tilt = rng.uniform(-0.6, 0.6), rng.uniform(-0.5, 0.5)
    flat = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0]])
    turn = np.vstack([flat, [0, 0, 1]])
    turn = turn @ np.array(
        [[np.cos(tilt), 0, np.sin(tilt)], [0, 1, 0], [-np.sin(tilt), 0, np.cos(tilt)]]
    )
    vertices = (topology.template - topology.template_joints[9]) @ turn.T
    joints = topology.joint_regressor @ vertices
    vertices[:, 2] -= joints[0, 2]
    joints[:, 2] -= joints[0, 2]
    scale, middle = size / 0.24, (size - 1) / 2 + rng.uniform(-3, 3, 2)
    for points in (vertices, joints):
        points[:, :2] = points[:, :2] * scale + middle
    image = np.full((size, size, 3), rng.integers(0, 50), np.uint8)
    mask = np.zeros((size, size), np.uint8)
    for (parent, child), color in zip(BONES, PALETTE, strict=True):
        ends = [tuple(int(v) for v in np.rint(joints[i, :2])) for i in (parent, child)]
        cv2.line(image, *ends, color.tolist(), 2)
        cv2.line(mask, *ends, 1, 2)
    return {
        'image': image,
        'vertices': vertices.astype(np.float32),
        'joints': joints.astype(np.float32),
        'mask': np.ascontiguousarray(mask[::2, ::2]),
        'mesh_valid': np.bool_(True),
        'presence': np.float32(1),
        'side': np.float32(1),
    }


@pytest.fixture(scope='session')
def drawn_samples(topology: HandTopology) -> Callable[..., dict[str, np.ndarray]]:
    """A function that draws so many crop samples, stacked; the last of each four shows no hand."""

    def draw(count: int, seed: int = 0) -> dict[str, np.ndarray]:
        batch = empty_batch(count, SIZE, topology.vertex_count)
        for row in range(count):
            rng = np.random.default_rng((seed, row))
            sample = draw_hand(rng, topology)
            if row % 4 == 3:
                sample['image'] = rng.integers(0, 256, sample['image'].shape, np.uint8)
                sample['mask'][:] = 0
                sample['mesh_valid'] = np.bool_(False)
                sample['presence'], sample['side'] = np.float32(0), np.float32(-1)
            elif row % 4 == 2:
                sample['side'] = np.float32(0)
                sample['image'] = 255 - sample['image']
            for name, value in sample.items():
                batch[name][row] = value
        return batch

    return draw


@pytest.fixture(scope='session')
def tiny_values(
    topology: HandTopology,
    drawn_samples: Callable[..., dict[str, np.ndarray]],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """Entries of a run's configuration; its data are twenty drawn samples in a file."""
    folder = tmp_path_factory.mktemp('tiny')
    topology.save(folder / 'topology.npz')
    np.savez(folder / 'samples.npz', **drawn_samples(20))
    (folder / 'network.yaml').write_text(yaml.safe_dump(NETWORK))
    return {
        'network': str(folder / 'network.yaml'),
        'topology': str(folder / 'topology.npz'),
        'output': str(folder / 'run'),
        'batch_size': 8,
        'total_samples': 80,
        'ema_samples': 40,
        'log_every': 1,
        # Tests compute steps again; how precise a run is must not depend on the machine.
        'mixed_precision': False,
        'optimizer': {'learning_rate': 2e-3, 'head_factor': 10, 'clip_norm': 5.0},
        'schedule': {'kind': 'cosine', 'warmup_samples': 16},
        'data': {
            'kind': 'samples',
            'root': str(folder / 'samples.npz'),
            'options': {'stop': 16},
            'workers': 0,
        },
        'validation': {'samples': 4, 'every_samples': 40, 'options': {'start': 16, 'stop': 20}},
        'losses': {'heatmap': 0.5, 'vertex_heatmap': 0.5},
    }


@pytest.fixture
def tiny_run(tiny_values: dict[str, Any], tmp_path: Path) -> Callable[..., TrainingConfig]:
    """A function that makes the configuration of a tiny run with entries changed."""

    def make(**changes: Any) -> TrainingConfig:
        return from_mapping(
            TrainingConfig, {**tiny_values, 'output': str(tmp_path / 'run'), **changes}
        )

    return make


@pytest.fixture(scope='session')
def unbroken(
    tiny_values: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Trainer, list[float]]:
    """A whole run, and the total losses of its steps."""
    from tiny_runs import train

    torch.set_num_threads(1)
    output = str(tmp_path_factory.mktemp('unbroken') / 'run')
    return train(from_mapping(TrainingConfig, {**tiny_values, 'output': output}))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope='session')
def mano_like(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A topology with as many vertices as MANO, in an npz file."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp('mano') / 'mano.npz'
    i = np.arange(VERTICES)
    faces = np.stack([i, (i + 1) % VERTICES, (i + 2) % VERTICES], axis=1)
    regressor = rng.dirichlet(np.ones(VERTICES), 21)
    template = rng.normal(size=(VERTICES, 3)) * 0.03
    HandTopology(faces, regressor, template=template, name='mano').save(path)
    return path


def camera_points(seed: int, count: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 3)) * 0.03 + [0, 0, 0.6]


@pytest.fixture(scope='session')
def freihand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve training samples of FreiHAND in their four versions."""
    root = tmp_path_factory.mktemp('FreiHAND_pub_v2')
    for folder in ('rgb', 'mask'):
        (root / 'training' / folder).mkdir(parents=True)
    for number in range(4 * COUNT):
        image = np.full((224, 224, 3), 3 * number, np.uint8)
        cv2.imwrite(str(root / f'training/rgb/{number:08d}.jpg'), image)
    for number in range(COUNT):
        mask = np.zeros((224, 224), np.uint8)
        mask[60:160, 60:160] = 255
        cv2.imwrite(str(root / f'training/mask/{number:08d}.jpg'), mask)
    joints = [camera_points(i, 21).tolist() for i in range(COUNT)]
    vertices = [camera_points(50 + i, VERTICES).tolist() for i in range(COUNT)]
    files = {'K': [INTRINSICS.tolist()] * COUNT, 'xyz': joints, 'verts': vertices}
    for name, content in files.items():
        (root / f'training_{name}.json').write_text(json.dumps(content))
    return root
