"""Frames of the 21 joints: the written definition, entry by entry."""

import numpy as np
import pytest

from handmesh_model.errors import ShapeError
from handmesh_model.joint_frames import joint_frames
from handmesh_model.joints import JOINT_NAMES, TIPS
from handmesh_model.topology import HandTopology
from handmesh_model.wrist import wrist_frame

MIRROR = np.array([-1.0, 1.0, 1.0])


def rest(side: str = 'right') -> np.ndarray:
    joints = HandTopology.open_hand().template_joints.astype(np.float64)
    return joints * MIRROR if side == 'left' else joints


def bent(angle: float) -> np.ndarray:
    """
    A right hand of straight lines in its wrist frame, palm down (-z), each finger bent.

    Fingers lie along x; every joint of a finger from the base on turns it by the angle
    towards the palm, about y.
    """
    joints = np.zeros((21, 3))
    for finger in range(5):
        at = np.array([0.05 if finger == 0 else 0.09, 0.04 - 0.02 * finger, 0.0])
        for j in range(4):
            joints[1 + 4 * finger + j] = at
            turn = angle * (j + 1)
            at = at + 0.03 * np.array([np.cos(turn), 0, -np.sin(turn)])
    return joints


@pytest.mark.parametrize('side', ['left', 'right'])
def test_frames_are_proper_and_x_points_along_the_bone(side: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        joints = rest(side) + rng.normal(scale=0.01, size=(21, 3))
        frames = joint_frames(joints, side)
        np.testing.assert_allclose(
            frames @ frames.swapaxes(1, 2), np.tile(np.eye(3), (21, 1, 1)), atol=1e-9
        )
        np.testing.assert_allclose(np.linalg.det(frames), 1)
        np.testing.assert_array_equal(frames[0], wrist_frame(joints, side)[:3, :3])
        for joint in range(1, 21):
            if joint in TIPS:
                np.testing.assert_array_equal(frames[joint], frames[joint - 1])
            else:
                bone = joints[joint + 1] - joints[joint]
                np.testing.assert_allclose(frames[joint][:, 0], bone / np.linalg.norm(bone))


@pytest.mark.parametrize('angle', [0.0, 0.3, 0.8, np.pi / 2])
def test_a_finger_that_bends_turns_about_y(angle: float) -> None:
    frames = joint_frames(bent(angle), 'right')
    for finger in range(1, 5):
        for j in range(3):
            turn = angle * (j + 1)
            expected = np.array(
                [
                    [np.cos(turn), 0, np.sin(turn)],
                    [0, 1, 0],
                    [-np.sin(turn), 0, np.cos(turn)],
                ]
            )
            frame = frames[1 + 4 * finger + j]
            # The wrist frame's x points to the middle knuckle, which lies on the x axis.
            np.testing.assert_allclose(frame, expected, atol=1e-9)


def test_left_frames_are_right_ones_in_a_mirror() -> None:
    right = joint_frames(rest('right'), 'right')
    left = joint_frames(rest('left'), 'left')
    # x and z are directions on the hand; y keeps the frame right-handed.
    np.testing.assert_allclose(left[:, :, 0], right[:, :, 0] * MIRROR, atol=1e-9)
    np.testing.assert_allclose(left[:, :, 2], right[:, :, 2] * MIRROR, atol=1e-9)
    np.testing.assert_allclose(left[:, :, 1], -right[:, :, 1] * MIRROR, atol=1e-9)


def test_frames_turn_with_the_hand() -> None:
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    joints = rest()
    np.testing.assert_allclose(
        joint_frames(joints @ turn.T + 0.3, 'right'), turn @ joint_frames(joints, 'right')
    )


def test_degenerate_hands_have_finite_proper_frames() -> None:
    folded = bent(0.0)
    folded[10] = folded[9] - (0.03, 0, 0)  # a bone that points straight back
    for joints in (np.zeros((21, 3)), np.outer(np.arange(21), (0.0, 0.0, 0.01)), folded):
        for side in ('left', 'right'):
            frames = joint_frames(joints, side)
            np.testing.assert_allclose(np.linalg.det(frames), 1)
            assert np.isfinite(frames).all()
    frame = joint_frames(folded, 'right')[JOINT_NAMES.index('middle_mcp')]
    np.testing.assert_allclose(frame, np.diag([-1.0, -1.0, 1.0]), atol=1e-9)


def test_other_shapes_are_named() -> None:
    with pytest.raises(ShapeError, match=r'\(20, 3\), expected \(21, 3\)'):
        joint_frames(np.zeros((20, 3)), 'right')
