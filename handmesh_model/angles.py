"""
The angles of a hand's joints: names, zero, limits, and the frames that they are counted in.

Limits are active ranges of motion of adults in round numbers (AAOS joint motion tables).
"""

from __future__ import annotations

import numpy as np

from handmesh_model.joints import FINGERS

ANGLE_NAMES = (
    'wrist_flexion',
    'wrist_deviation',
    'forearm_twist',
    'thumb_cmc_flexion',
    'thumb_cmc_abduction',
    'thumb_cmc_twist',
    'thumb_mcp_flexion',
    'thumb_mcp_abduction',
    'thumb_ip_flexion',
    *(
        f'{finger}_{angle}'
        for finger in FINGERS[1:]
        for angle in ('mcp_abduction', 'mcp_flexion', 'pip_flexion', 'dip_flexion')
    ),
)
"""
Joint angles in radians. Flexion bends towards the palm; abduction of a finger turns it towards the
thumb; deviation of the wrist turns the hand towards the thumb. All zero: straight fingers side by
side, and the thumb as it rests.
"""
JOINT_DOF = len(ANGLE_NAMES)

FAN = {'index': 0.05, 'middle': 0.0, 'ring': -0.05, 'pinky': -0.12}
"""Radians by which straight fingers, side by side, spread from the middle finger's direction."""

_LIMITS_DEGREES = {
    'wrist_flexion': (-65, 70),
    'wrist_deviation': (-32, 22),
    'forearm_twist': (-25, 25),
    'thumb_cmc_flexion': (-22, 45),
    'thumb_cmc_abduction': (-28, 42),
    'thumb_cmc_twist': (-15, 40),
    'thumb_mcp_flexion': (-8, 58),
    'thumb_mcp_abduction': (-8, 8),
    'thumb_ip_flexion': (-18, 82),
    'index_mcp_abduction': (-10, 24),
    'index_mcp_flexion': (-24, 88),
    'middle_mcp_abduction': (-12, 12),
    'middle_mcp_flexion': (-24, 90),
    'ring_mcp_abduction': (-18, 10),
    'ring_mcp_flexion': (-24, 92),
    'pinky_mcp_abduction': (-32, 8),
    'pinky_mcp_flexion': (-24, 94),
    **{f'{f}_pip_flexion': (-5, 108) for f in ('index', 'middle', 'ring', 'pinky')},
    **{f'{f}_dip_flexion': (-10, 80) for f in ('index', 'middle', 'ring', 'pinky')},
}
LIMITS = np.array([_LIMITS_DEGREES[name] for name in ANGLE_NAMES]) * (np.pi / 180)
"""(25, 2) lowest and highest angle, radians."""


def rest_frames(joints: np.ndarray) -> np.ndarray:
    """
    Each finger's frame at rest: x along the first bone, y the flexion axis, z towards its back.

    The flexion axis is the normal of the plane in which the modelled finger is bent.

    :param joints: (21, 3).
    :returns: (5, 3, 3), axes in columns.
    """
    frames = np.zeros((5, 3, 3))
    for f in range(5):
        chain = joints[1 + 4 * f : 5 + 4 * f]
        _, _, directions = np.linalg.svd(chain - chain.mean(axis=0))
        bends_towards = np.cross(chain[1] - chain[0], chain[3] - chain[2])
        axis = directions[2] * np.sign(directions[2] @ bends_towards)
        x = (chain[1] - chain[0]) / np.linalg.norm(chain[1] - chain[0])
        y = axis - axis @ x * x
        y /= np.linalg.norm(y)
        frames[f] = np.stack([x, y, np.cross(x, y)], axis=1)
    return frames


def rest_angles(rest_joints: np.ndarray) -> np.ndarray:
    """
    (25,) angles of the hand as modelled, so that zero means straight.

    :param rest_joints: (21, 3) in the wrist frame.
    """
    joints = rest_joints.astype(np.float64)
    angles = np.zeros(JOINT_DOF)
    middle = joints[10] - joints[9]
    straight = np.arctan2(middle[1], middle[0])
    for f, name in enumerate(FINGERS):
        bones = np.diff(joints[1 + 4 * f : 5 + 4 * f], axis=0)
        bones /= np.linalg.norm(bones, axis=1, keepdims=True)
        bends = np.arccos(np.clip((bones[1:] * bones[:-1]).sum(axis=1), -1, 1))
        if name == 'thumb':
            angles[ANGLE_NAMES.index('thumb_mcp_flexion')] = bends[0]
            angles[ANGLE_NAMES.index('thumb_ip_flexion')] = bends[1]
            continue
        first = ANGLE_NAMES.index(f'{name}_mcp_abduction')
        azimuth = np.arctan2(bones[0, 1], bones[0, 0]) - straight
        angles[first] = azimuth - FAN[name]
        angles[first + 1] = -np.arcsin(bones[0, 2])
        angles[first + 2 : first + 4] = bends
    return angles
