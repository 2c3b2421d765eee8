"""Hands made of numbers, for tests that need one but no weights and no assets."""

from __future__ import annotations

import numpy as np
import pytest

from handmesh_model.joints import BONES, JOINT_COUNT
from handmesh_model.topology import HandTopology

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
    """A topology of 21 + 40 vertices: the joints, and two points beside the middle of each bone."""
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
