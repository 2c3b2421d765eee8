"""A miniature folder of "real" images, and a stand-in network that knows the answers."""

from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from handmesh_model.crop import apply_affine, image_from_crop, invert_affine
from handmesh_model.datasets.real_images import read_real_images
from handmesh_model.hand import Hand, HandBox
from handmesh_model.joints import WRIST
from handmesh_model.lixels import LixelScale
from handmesh_model.topology import HandTopology

SIZE = 96
COUNT = 3


def rest_joints():
    """A flat right hand, (21, 3) metres, wrist at the origin, fingers up (-y), palm to camera."""
    joints = np.zeros((21, 3))
    for finger in range(5):
        angle = np.radians(-60 + 25 * finger)
        direction = np.array([np.sin(angle), -np.cos(angle), 0.15])
        for joint in range(4):
            joints[1 + 4 * finger + joint] = direction * (0.09 + 0.025 * joint)
    return joints


@pytest.fixture(scope='session')
def joint_mesh():
    """A topology whose vertices are the joints; not in the place of the other tests' one."""
    joints = rest_joints()
    faces = np.stack([np.arange(19), np.arange(1, 20), np.arange(2, 21)], axis=1)
    return HandTopology(faces, np.eye(21), np.zeros(21), template=joints)


def place(seed, mirrored):
    """Joints in the camera frame of one sample."""
    rng = np.random.default_rng(seed)
    turn, _ = cv2.Rodrigues(rng.normal(size=3) * 0.4)
    joints = rest_joints() * ([-1, 1, 1] if mirrored else 1)
    return joints @ turn.T + [0.02, 0.05, 0.6]


@pytest.fixture(scope='session')
def real_folder(tmp_path_factory):
    root = tmp_path_factory.mktemp('real')
    intrinsics = np.array([[400.0, 0, 120], [0, 400, 110], [0, 0, 1]])
    noise = np.random.default_rng(0).integers(0, 255, (240, 240, 3), dtype=np.uint8)
    for kind in ('labelled', 'clip'):
        (root / kind).mkdir()
        mirrored = kind == 'labelled'
        joints = np.stack([place(i, mirrored) for i in range(COUNT)])
        image = joints @ intrinsics.T
        files = np.array([f'{i:04d}.jpg' for i in range(COUNT)])
        for name in files:
            cv2.imwrite(str(root / kind / name), noise)
        common = {'files': files, 'joints_image': image[..., :2] / image[..., 2:]}
        if mirrored:
            np.savez(
                root / 'labelled_reference.npz',
                joints_camera=joints,
                intrinsics=np.stack([intrinsics] * COUNT),
                handedness=np.array(['left'] * COUNT),
                **common,
            )
        else:
            mask = np.zeros((COUNT, 240, 240), dtype=bool)
            np.savez(
                root / 'clip_reference.npz',
                mask=mask,
                mask_valid=~mask,
                reliable=np.arange(COUNT) > 0,
                **common,
            )
    return root


class KnowingNet(torch.nn.Module):
    """Answers with the true joints of the folder's samples, in the order they are asked for."""

    def __init__(self, root, topology, offset_pixels=0.0):
        super().__init__()
        self.config = SimpleNamespace(input_size=SIZE, heatmap_size=SIZE // 4, depth_axis='camera')
        self.topology = topology
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.answers = []
        scale = LixelScale(SIZE, SIZE // 4)
        for samples in read_real_images(root).values():
            for i, sample in enumerate(samples):
                mirrored = sample.side == 'left'
                affine = image_from_crop(sample.vertex_box, SIZE, mirrored)
                joints = place(i, mirrored)
                crop = apply_affine(invert_affine(affine), sample.joints_image + offset_pixels)
                depth = joints[:, 2] - joints[WRIST, 2]
                self.answers.append(scale.to_lixels(np.column_stack([crop, depth])))

    def forward(self, crops, heads=False):
        assert not self.training
        assert crops.shape[1:] == (3, SIZE, SIZE)
        lixels = torch.tensor(np.stack(self.answers[: len(crops)]), dtype=torch.float32)
        self.answers = self.answers[len(crops) :]
        return SimpleNamespace(joints=lixels, vertices=lixels, confidence=None, presence=None)


@pytest.fixture
def knowing_net(real_folder, joint_mesh):
    def build(**options):
        return KnowingNet(real_folder, joint_mesh, **options)

    return build


def as_hand(sample, joints_camera, shift=0.0):
    """The hand that a predictor would report for a sample."""
    joints_image = sample.joints_image + shift
    return Hand(
        side=sample.side,
        score=0.9,
        box=HandBox.around(joints_image, side=sample.side),
        joints_image=joints_image,
        joints_confidence=np.ones(21),
        vertices_image=joints_image,
        joints_camera=joints_camera,
        vertices_camera=joints_camera,
        wrist_pose=np.eye(4),
    )


class KnowingPredictor:
    """Reports the true hand of every picture but the first of each set, where it sees nothing."""

    def __init__(self, root, topology):
        self.topology = topology
        self.weights = 'some'
        self.backend = SimpleNamespace(name='knowing', precision='float16')
        self.side = None
        self.boxes = []
        self._hands = [
            (i, as_hand(sample, place(i, sample.side == 'left'), shift=float(i)))
            for samples in read_real_images(root).values()
            for i, sample in enumerate(samples)
        ]

    def predict(self, rgb, intrinsics=None, boxes=None):
        self.boxes.append(boxes)
        number, hand = self._hands.pop(0)
        elsewhere = replace(hand, joints_image=hand.joints_image + 500)
        if boxes is not None:
            return [hand]
        return [elsewhere] if number == 0 else [elsewhere, hand]


@pytest.fixture
def knowing_predictor(real_folder, joint_mesh):
    return KnowingPredictor(real_folder, joint_mesh)
