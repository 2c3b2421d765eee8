"""A frame for each of the 21 joints: one definition for TF, messages and documentation."""

from __future__ import annotations

import numpy as np

from handmesh_model.errors import ShapeError
from handmesh_model.hand import Side
from handmesh_model.joints import FINGERS, JOINT_COUNT, WRIST
from handmesh_model.wrist import wrist_frame

_SHORTEST = 1e-9
_OPPOSITE = 1e-6


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
    # All fingers side by side: frames and bones of their first joints, then second, then third.
    fingers = frames[WRIST + 1 :].reshape(len(FINGERS), -1, 3, 3)
    bones = np.diff(joints[WRIST + 1 :].reshape(len(FINGERS), -1, 3), axis=1)
    turned = np.tile(frames[WRIST], (len(FINGERS), 1, 1))
    for i in range(bones.shape[1]):
        fingers[:, i] = turned = turned_onto(turned, bones[:, i])
    fingers[:, -1] = turned
    return frames


def turned_onto(frame: np.ndarray, bone: np.ndarray) -> np.ndarray:
    """
    The frame after the smallest rotation that brings its x axis onto the bone.

    With c the cosine between the unit vectors u and v, the rotation is the product of two
    reflections: ``R p = p - ((u + v) . p) (u + v) / (1 + c) + 2 (u . p) v``.

    :param frame: (..., 3, 3).
    :param bone: (..., 3) of any length.
    """
    length = np.sqrt(np.einsum('...i,...i->...', bone, bone))[..., None]
    has_length = length >= _SHORTEST
    old = frame[..., 0]
    new = np.where(has_length, bone / np.maximum(length, _SHORTEST), old)
    middle = old + new
    scale = 1 + np.einsum('...i,...i->...', old, new)[..., None, None]
    is_back = scale < _OPPOSITE
    across = middle[..., None] * (middle[..., None, :] @ frame) / np.where(is_back, 1, scale)
    turned = frame - across + 2 * new[..., None] * (old[..., None, :] @ frame)
    turned[..., 0] = new
    if is_back.any():
        y = -frame[..., 1]
        turned = np.where(is_back, np.stack([new, y, np.cross(new, y)], axis=-1), turned)
    # Nothing turns, to the last bit, where there is no direction.
    return turned if has_length.all() else np.where(has_length[..., None], turned, frame)
