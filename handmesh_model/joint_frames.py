"""A frame for each of the 21 joints: one definition for TF, messages and documentation."""

from __future__ import annotations

import numpy as np

from handmesh_model.errors import ShapeError
from handmesh_model.hand import Side
from handmesh_model.joints import BONES, JOINT_COUNT, PARENTS, TIPS, WRIST
from handmesh_model.wrist import wrist_frame

_SHORTEST = 1e-9
_OPPOSITE = 1e-6
_NEXT = {parent: child for parent, child in BONES if parent != WRIST}
"""The joint after each one that is neither wrist nor tip."""


def joint_frames(joints_camera: np.ndarray, side: Side) -> np.ndarray:
    """
    Orientation of every joint, by the definition that TF, messages and documentation share.

    The wrist has the wrist frame, see :func:`handmesh_model.wrist.wrist_frame`. Every other joint
    has the frame of its parent in the skeleton, turned by the smallest rotation that brings its x
    axis onto the bone from this joint to the next: x points along the bone, z stays on the back of
    the finger as far as it can, and a finger that only bends turns about y. A tip has the frame of
    the joint before. A bone without length turns nothing; one that points straight back is
    reached by half a turn about z.

    :param joints_camera: (21, 3) metres.
    :returns: (21, 3, 3) camera_from_joint, proper rotations, always finite if the joints are.
    :raises ShapeError: if the joints have another shape.
    """
    joints = np.asarray(joints_camera, dtype=np.float64)
    if joints.shape != (JOINT_COUNT, 3):
        raise ShapeError('joints_camera', joints.shape, f'({JOINT_COUNT}, 3)')
    frames = np.empty((JOINT_COUNT, 3, 3))
    frames[WRIST] = wrist_frame(joints, side)[:3, :3]
    for joint in range(WRIST + 1, JOINT_COUNT):
        frames[joint] = frames[PARENTS[joint]]
        if joint not in TIPS:
            frames[joint] = turned_onto(frames[joint], joints[_NEXT[joint]] - joints[joint])
    return frames


def turned_onto(frame: np.ndarray, bone: np.ndarray) -> np.ndarray:
    """
    The frame after the smallest rotation that brings its x axis onto the bone.

    With c the cosine between the unit vectors u and v, the rotation is the product of two
    reflections: ``R p = p - ((u + v) . p) (u + v) / (1 + c) + 2 (u . p) v``.
    """
    length = float(np.sqrt(bone @ bone))
    if length < _SHORTEST:
        return frame
    old, new = frame[:, 0], bone / length
    middle = old + new
    scale = 1 + float(old @ new)
    if scale < _OPPOSITE:
        return np.column_stack([new, -frame[:, 1], np.cross(new, -frame[:, 1])])
    turned = frame - np.outer(middle, middle @ frame) / scale + 2 * np.outer(new, old @ frame)
    turned[:, 0] = new
    return turned
