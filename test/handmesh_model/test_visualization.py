"""Drawings: where they are, what they leave alone, and that nothing makes them fail."""

from dataclasses import replace

import numpy as np
import pytest

from handmesh_model.hand import Hand, HandBox, ScaleSource, TrackState
from handmesh_model.topology import HandTopology
from handmesh_model.visualization import (
    FINGER_COLORS,
    SIDE_COLORS,
    DrawingStyle,
    contact_sheet,
    draw_hands,
    draw_skeleton,
)

K = np.array([[300.0, 0, 160], [0, 300.0, 120], [0, 0, 1]])
ONLY_MESH = DrawingStyle(mesh_opacity=1.0, skeleton=False, axes=False, labels=False)


def open_hand(side: str = 'right', back: bool = True) -> Hand:
    """The template, fingers up, 40 cm in front of the camera, back or palm towards it."""
    topology = HandTopology.open_hand()
    assert topology.template is not None
    # Wrist frame to camera: fingers (x) up, back of the hand (z) towards the camera or away.
    turn = np.array([[0, -1, 0], [-1, 0, 0], [0, 0, -1]], float)
    if not back:
        turn = np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]], float)
    flip = np.array([1, -1 if side == 'left' else 1, 1])
    vertices = topology.template * flip @ turn.T + (0, 0.08, 0.4)
    joints = topology.joint_regressor @ vertices
    pixels = vertices[:, :2] / vertices[:, 2:] * 300 + (160, 120)
    joints_image = joints[:, :2] / joints[:, 2:] * 300 + (160, 120)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = turn, joints[0]
    return Hand(
        side=side,  # type: ignore[arg-type]
        score=0.9,
        box=HandBox.around(pixels),
        joints_image=joints_image,
        joints_confidence=np.ones(21),
        vertices_image=pixels,
        joints_camera=joints,
        vertices_camera=vertices,
        wrist_pose=pose,
        scale_source=ScaleSource.MEAN,
    )


def grey() -> np.ndarray:
    return np.full((240, 320, 3), 100, np.uint8)


@pytest.mark.parametrize('side', ['right', 'left'])
@pytest.mark.parametrize('back', [True, False])
def test_mesh_covers_the_hand_in_the_colour_of_its_side(side: str, back: bool) -> None:
    hand = open_hand(side, back)
    image = grey()
    drawn = draw_hands(image, [hand], HandTopology.open_hand(), style=ONLY_MESH).astype(int)
    assert (image == 100).all()
    middle = hand.joints_image[[0, 9, 10, 11, 6, 18]].round().astype(int)
    seen = drawn[middle[:, 1], middle[:, 0]]
    assert (np.abs(seen - 100).max(axis=1) > 10).all()
    strongest = int(np.argmax(SIDE_COLORS[side]))
    assert (seen.argmax(axis=1) == strongest).all()
    box = hand.box
    outside = np.ones((240, 320), bool)
    outside[int(box.y_min) - 2 : int(box.y_max) + 3, int(box.x_min) - 2 : int(box.x_max) + 3] = 0
    assert (drawn[outside] == 100).all()


def test_joints_are_drawn_in_the_colour_of_their_finger() -> None:
    hand = open_hand()
    style = DrawingStyle(mesh_opacity=0, axes=False, labels=False)
    drawn = draw_hands(grey(), [hand], HandTopology.open_hand(), style=style)
    for finger, tip in (('index', 8), ('pinky', 20)):
        x, y = hand.joints_image[tip].round().astype(int)
        np.testing.assert_allclose(drawn[y, x], FINGER_COLORS[finger], atol=30)


def test_lost_hands_are_not_drawn_and_held_ones_faintly() -> None:
    topology, hand = HandTopology.open_hand(), open_hand()
    lost = draw_hands(grey(), [replace(hand, state=TrackState.LOST)], topology, K)
    assert (lost == 100).all()
    held = draw_hands(grey(), [replace(hand, state=TrackState.HELD)], topology, style=ONLY_MESH)
    seen = draw_hands(grey(), [hand], topology, style=ONLY_MESH)
    difference = [np.abs(image.astype(int) - 100).sum() for image in (held, seen)]
    assert 0 < difference[0] < 0.6 * difference[1]


@pytest.mark.parametrize('intrinsics', [K, None])
def test_hands_anywhere_can_be_drawn(intrinsics: np.ndarray | None) -> None:
    """Half outside, far outside, behind the camera, of no size, without metres."""
    topology, hand = HandTopology.open_hand(), open_hand()
    moved = [
        replace(
            hand,
            vertices_image=hand.vertices_image + shift,
            joints_image=hand.joints_image + shift,
            box=HandBox.around(hand.vertices_image + shift),
            scale_source=source,
        )
        for shift in (-150, 90, 1e6)
        for source in (ScaleSource.MEAN, ScaleSource.NONE)
    ]
    flat = replace(
        hand, vertices_image=hand.vertices_image * 0 + 50, vertices_camera=hand.vertices_camera * 0
    )
    behind = replace(hand, joints_camera=hand.joints_camera - (0, 0, 0.5))
    image = draw_hands(grey(), [*moved, flat, behind], topology, intrinsics)
    assert image.shape == (240, 320, 3)
    assert (image != 100).any()


@pytest.mark.parametrize('axis', [0, 1])
@pytest.mark.parametrize('intrinsics', [K, None])
def test_hands_are_where_they_are_in_pictures_of_any_size(
    axis: int, intrinsics: np.ndarray | None
) -> None:
    """At the far end of a long picture as in a small one of what is seen there."""
    topology, hand, length = HandTopology.open_hand(), open_hand(), 40_000
    style = DrawingStyle(labels=False)
    expected = draw_hands(grey(), [hand], topology, intrinsics, style)
    shape = [240, 320, 3]
    shift = np.zeros(2)
    shift[1 - axis] = length - shape[axis]
    shape[axis] = length
    if intrinsics is not None:
        intrinsics = intrinsics.copy()
        intrinsics[:2, 2] += shift
    moved = replace(
        hand,
        vertices_image=hand.vertices_image + shift,
        joints_image=hand.joints_image + shift,
        box=HandBox.around(hand.vertices_image + shift),
    )
    drawn = draw_hands(np.full(shape, 100, np.uint8), [moved], topology, intrinsics, style)
    np.testing.assert_array_equal(drawn[-240:, -320:], expected)
    assert (np.delete(drawn, np.s_[-320 if axis else -240 :], axis) == 100).all()


def test_bones_that_leave_the_picture_keep_their_direction() -> None:
    """However far outside they end."""
    hand = open_hand()
    drawn = []
    for far in (400, 2_000_000):
        joints = np.full((21, 2), -9e6)
        joints[0] = 20, 20
        joints[1:5] = (20 + far, 20 + 0.5 * far)
        picture = grey()
        draw_skeleton(picture, replace(hand, joints_image=joints))
        drawn.append(picture[60:, 80:].astype(int) - 100)
    assert np.abs(drawn[0]).max() > 50
    assert np.abs(drawn[1] - drawn[0]).max() < 25


def test_pictures_of_one_pixel_and_views_can_be_drawn_on() -> None:
    topology, hand = HandTopology.open_hand(), open_hand()
    assert draw_hands(grey()[:1, :1], [hand], topology, K).shape == (1, 1, 3)
    flipped = grey()[:, ::-1]
    assert (draw_hands(flipped, [hand], topology, K) != flipped).any()


def test_contact_sheet_has_a_cell_for_each_picture() -> None:
    sheet = contact_sheet([grey(), grey()[:100, :50], grey()], columns=2, cell=64)
    assert sheet.shape == (128, 128, 3)
    assert (sheet[64:, 64:] == sheet[-1, -1]).all()
