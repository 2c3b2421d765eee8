"""Flexion and abduction of a hand's 20 joint axes, from its 21 joints."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from handmesh_model.angles import ANGLE_NAMES, LIMITS, rest_angles, rest_frames
from handmesh_model.errors import ShapeError
from handmesh_model.hand import Side
from handmesh_model.joints import FINGERS, JOINT_COUNT
from handmesh_model.rotations import about
from handmesh_model.wrist import wrist_frame

TELEOP_ANGLES = (
    'thumb_cmc_abduction',
    'thumb_cmc_flexion',
    'thumb_mcp_flexion',
    'thumb_ip_flexion',
    *(
        f'{finger}_{angle}'
        for finger in FINGERS[1:]
        for angle in ('mcp_abduction', 'mcp_flexion', 'pip_flexion', 'dip_flexion')
    ),
)
"""Names of the 20 angles: each finger's abduction, then its flexions from the palm outwards."""
IN_HAND_MODEL = np.array([ANGLE_NAMES.index(name) for name in TELEOP_ANGLES])
"""Where each of the 20 is among the hand model's 25."""
HUMAN_LIMITS = LIMITS[IN_HAND_MODEL]
"""(20, 2) lowest and highest angle of people, radians."""

_MODEL_FILE = Path(__file__).parent.parent / 'assets' / 'open_hand_model.npz'
_PRIOR = 0.05
"""Weight of 'straight ahead' against the finger's bones where these say little."""
_THUMB_PRIOR = 0.12
"""Weight of the thumb's usual bending axis; a straight thumb shows none of its own."""
THUMB_TWIST = 0.2
"""Radians by which the thumb is usually turned about its first bone when it bends."""


def joint_angles(joints: np.ndarray, side: Side) -> np.ndarray:
    """
    The 20 joint angles of a hand, wherever it is.

    Directions of bones are taken into the wrist frame and from there into the frame of each
    finger, where a straight finger points along x. A finger's abduction is the direction of the
    plane in which its three bones lie, by least squares; flexions are the turns from bone to bone
    within that plane. The thumb's first bone gives its two angles at the base, and the bends of
    the others are counted about their common axis.

    :param joints: (21, 3) metres, in any frame that is a rotation of the camera's.
    :param side: which hand it is; angles of left and right hands mean the same.
    :returns: (20,) radians in the order of :data:`TELEOP_ANGLES`: flexion bends towards the palm,
        abduction turns towards the thumb; zero is straight fingers side by side. Always finite
        if the joints are.
    :raises ShapeError: if the joints have another shape.
    """
    joints = np.asarray(joints, dtype=np.float64)
    if joints.shape != (JOINT_COUNT, 3):
        raise ShapeError('joints', joints.shape, (JOINT_COUNT, 3))
    local = (joints - joints[0]) @ wrist_frame(joints, side)[:3, :3]
    if side == 'left':
        # A left hand is a right one in a mirror; its wrist frame keeps x and z.
        local[:, 1] = -local[:, 1]
    bones = np.diff(local[1:].reshape(5, 4, 3), axis=1)
    lengths = np.linalg.norm(bones, axis=2, keepdims=True)
    directions = (bones / np.maximum(lengths, 1e-9)) @ zero_frames()
    return np.concatenate([_thumb(directions[0]), *map(_finger, directions[1:])])


@lru_cache(maxsize=1)
def zero_frames() -> np.ndarray:
    """
    Each finger's frame when its angles are zero, by the open hand's anatomy.

    :returns: (5, 3, 3), axes in columns, in the frame of :func:`handmesh_model.wrist.wrist_frame`:
        x along the straight finger, y its bending axis, z towards its back.
    """
    with np.load(_MODEL_FILE, allow_pickle=False) as data:
        joints = data['joints'].astype(np.float64)
    frames = rest_frames(joints)
    angles = dict(zip(ANGLE_NAMES, rest_angles(joints), strict=True))
    for f, finger in enumerate(FINGERS[1:], start=1):
        a, b = angles[f'{finger}_mcp_abduction'], angles[f'{finger}_mcp_flexion']
        frames[f] = frames[f] @ (about(2, a) @ about(1, b)).T
    return wrist_frame(joints, 'right')[:3, :3].T @ frames


def _finger(directions: np.ndarray) -> np.ndarray:
    """(4,) abduction and three flexions from (3, 3) unit bones in the finger's frame."""
    flat = directions[:, :2]
    spread = flat.T @ flat
    # The principal axis of the bones as seen on the palm, held to straight ahead a little.
    abduction = 0.5 * np.arctan2(2 * spread[0, 1], spread[0, 0] + _PRIOR - spread[1, 1])
    along = flat @ np.array([np.cos(abduction), np.sin(abduction)])
    return np.array([abduction, *_turns(np.arctan2(-directions[:, 2], along))])


def _thumb(directions: np.ndarray) -> np.ndarray:
    """(4,) abduction and flexion at the base, two further flexions, from (3, 3) unit bones."""
    first, second, third = directions
    abduction = np.arctan2(first[1], first[0])
    flexion = np.arcsin(np.clip(-first[2], -1, 1))
    flat = np.array([-np.sin(abduction), np.cos(abduction), 0.0])
    usual = np.cos(THUMB_TWIST) * flat - np.sin(THUMB_TWIST) * np.cross(first, flat)
    bend = np.cross(first, second) + np.cross(second, third)
    # Overstretched, the thumb bends about the same axis the other way.
    axis = np.copysign(1.0, bend @ usual) * bend + _THUMB_PRIOR * usual
    axis -= axis @ first * first
    axis /= max(float(np.linalg.norm(axis)), 1e-9)
    back = np.cross(first, axis)
    angles = [np.arctan2(-bone @ back, bone @ first) for bone in (first, second, third)]
    return np.array([abduction, flexion, *_turns(np.array(angles))[1:]])


def _turns(angles: np.ndarray) -> np.ndarray:
    """(3,) how far each bone is turned from the one before, -pi..pi."""
    turns = np.diff(angles, prepend=0.0)
    return (turns + np.pi) % (2 * np.pi) - np.pi
