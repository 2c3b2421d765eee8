"""Miniature copies of the datasets in their published layouts."""

import json
import pickle
import shutil

import cv2
import numpy as np
import pytest

INTRINSICS = np.array([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]])
COUNT = 20


def hand_points(seed, count):
    """Points of a hand-sized cloud half a metre before the camera."""
    return np.random.default_rng(seed).normal(size=(count, 3)) * 0.03 + [0.01, 0.0, 0.6]


def project(points, intrinsics=INTRINSICS):
    image = points @ intrinsics.T
    return image[:, :2] / image[:, 2:]


def write_picture(path, value, size=(224, 224)):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((*size, 3), value, dtype=np.uint8)
    assert cv2.imwrite(str(path), picture)


@pytest.fixture
def freihand(freihand_original, tmp_path):
    """A copy of the miniature FreiHAND that a test may spoil."""
    return shutil.copytree(freihand_original, tmp_path / 'FreiHAND_pub_v2')


@pytest.fixture(scope='session')
def freihand_original(tmp_path_factory):
    """Twenty training samples in four versions, three evaluation samples without labels."""
    root = tmp_path_factory.mktemp('original') / 'FreiHAND_pub_v2'
    joints = [hand_points(i, 21) for i in range(COUNT)]
    vertices = [hand_points(100 + i, 778) for i in range(COUNT)]
    for number in range(4 * COUNT):
        write_picture(root / f'training/rgb/{number:08d}.jpg', 2 * number)
    for number in range(COUNT):
        mask = np.zeros((224, 224), dtype=np.uint8)
        cv2.circle(mask, project(joints[number]).mean(axis=0).astype(int).tolist(), 20, 255, -1)
        (root / 'training/mask').mkdir(exist_ok=True)
        cv2.imwrite(str(root / f'training/mask/{number:08d}.jpg'), mask)
    for number in range(3):
        write_picture(root / f'evaluation/rgb/{number:08d}.jpg', 200)
    files = {
        'training_K': [INTRINSICS.tolist()] * COUNT,
        'training_xyz': [points.tolist() for points in joints],
        'training_verts': [points.tolist() for points in vertices],
        'evaluation_K': [INTRINSICS.tolist()] * 3,
        'evaluation_scale': [0.028, 0.029, 0.030],
    }
    for name, content in files.items():
        (root / f'{name}.json').write_text(json.dumps(content))
    return root


@pytest.fixture
def obman(tmp_path):
    """Three test samples, the second of a left hand; numbers with a gap."""
    root = tmp_path / 'obman'
    camera = np.array([[480.0, 0, 128], [0, 480, 128], [0, 0, 1]])
    for seed, (name, side) in enumerate(
        (('00000001', 'right'), ('00000004', 'left'), ('00000009', 'right'))
    ):
        joints, vertices = hand_points(seed, 21), hand_points(50 + seed, 778)
        meta = {
            'coords_3d': joints * [1, -1, -1],
            'verts_3d': (vertices * [1, -1, -1]).astype(np.float32),
            'coords_2d': project(joints, camera),
            'side': side,
            'class_id': '02876657',
            'obj_scale': 0.1,
            'hand_pose': np.zeros(45),
        }
        folder = root / 'test'
        write_picture(folder / f'rgb/{name}.jpg', 40 * (seed + 1), (256, 256))
        (folder / 'meta').mkdir(exist_ok=True)
        (folder / f'meta/{name}.pkl').write_bytes(pickle.dumps(meta, protocol=2))
        (folder / 'segm').mkdir(exist_ok=True)
        labels = np.zeros((256, 256, 3), dtype=np.uint8)
        labels[:128, :, 0] = {'right': 24, 'left': 21}[side]
        labels[128:, :, 0] = {'right': 21, 'left': 24}[side]
        cv2.imwrite(str(folder / f'segm/{name}.png'), labels)
    return root


@pytest.fixture
def egodexter(tmp_path):
    """Four sequences of three frames; the second has no annotation, the third lacks a tip."""
    root = tmp_path / 'EgoDexter'
    for number, sequence in enumerate(('Desk', 'Fruits', 'Kitchen', 'Rotunda')):
        folder = root / 'data' / sequence
        tips = np.random.default_rng(number).normal(size=(3, 5, 3)) * 30 + [0, 0, 450]
        tips[1] = 0
        tips[2, 3] = 0
        lines = [
            '; '.join(', '.join(f'{v:.4f}' for v in tip) for tip in frame) + ';' for frame in tips
        ]
        folder.mkdir(parents=True)
        (folder / 'annotation.txt_3D.txt').write_text('\n'.join(lines) + '\n')
        for frame in range(3):
            write_picture(folder / f'color/image_{frame:05d}_color.png', 60 * frame, (480, 640))
    return root
