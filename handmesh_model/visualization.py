"""Hands drawn into pictures: shaded mesh, bones, joints, wrist axes, side and score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from handmesh_model.camera import project
from handmesh_model.hand import Hand, TrackState
from handmesh_model.joints import FINGERS, JOINT_COUNT, MIDDLE_KNUCKLE, WRIST
from handmesh_model.mesh_drawing import SIDE_COLORS, Color, draw_mesh
from handmesh_model.topology import HandTopology

FINGER_COLORS: dict[str, Color] = {
    'thumb': (255, 92, 92),
    'index': (255, 190, 60),
    'middle': (92, 214, 110),
    'ring': (70, 180, 255),
    'pinky': (200, 120, 255),
}
"""RGB of bones and joints."""
AXIS_COLORS: tuple[Color, Color, Color] = ((235, 50, 50), (40, 190, 60), (60, 90, 255))
"""RGB of the wrist's x, y and z."""
_WRIST_COLOR: Color = (245, 245, 245)
_INK: Color = (20, 24, 32)
_AXIS_LENGTH = 0.06
_SUBPIXEL_BITS = 3
_FARTHEST = 1 << (30 - _SUBPIXEL_BITS)
"""Pixels from the origin up to which OpenCV's 32 bits hold a point: far beyond any picture."""
_JOINT_COLORS: tuple[Color, ...] = tuple(
    _WRIST_COLOR if i == WRIST else FINGER_COLORS[FINGERS[(i - 1) // 4]]
    for i in range(JOINT_COUNT)
)


_CHAINS = {
    finger: np.array([WRIST, *range(4 * i + 1, 4 * i + 5)]) for i, finger in enumerate(FINGERS)
}
"""Joints of each finger, from the wrist to the tip."""


@dataclass(frozen=True)
class DrawingStyle:
    """
    What to draw.

    :param mesh_opacity: 0..1; 0 leaves the mesh out.
    :param caption: a line in the picture's corner, such as the frame rate.
    """

    mesh_opacity: float = 0.72
    skeleton: bool = True
    axes: bool = True
    labels: bool = True
    caption: str = ''


def draw_hands(
    rgb: np.ndarray,
    hands: Sequence[Hand],
    topology: HandTopology,
    intrinsics: np.ndarray | None = None,
    style: DrawingStyle | None = None,
) -> np.ndarray:
    """
    A copy of the picture with hands drawn over it.

    :param rgb: (H, W, 3) uint8.
    :param hands: of this picture; far ones are drawn first, lost ones not at all.
    :param intrinsics: (3, 3), to draw the wrist's axes in perspective; without it they are drawn
        from the joints.
    :returns: (H, W, 3) uint8.
    """
    canvas = np.ascontiguousarray(rgb).copy()
    draw_onto(canvas, hands, topology, intrinsics, style or DrawingStyle())
    return canvas


def draw_hands_with_caption(
    canvas: np.ndarray,
    hands: Sequence[Hand],
    topology: HandTopology,
    intrinsics: np.ndarray | None,
    caption: str,
) -> None:
    """Draw hands in the usual style, and a line in the corner, into the picture itself."""
    draw_onto(canvas, hands, topology, intrinsics, DrawingStyle(caption=caption))


def draw_onto(
    canvas: np.ndarray,
    hands: Sequence[Hand],
    topology: HandTopology,
    intrinsics: np.ndarray | None,
    style: DrawingStyle,
) -> None:
    """
    Draw hands as :func:`draw_hands` does, into the picture itself.

    :param canvas: (H, W, 3) uint8, contiguous.
    """
    shown = [hand for hand in hands if hand.state is not TrackState.LOST]
    for hand in sorted(shown, key=lambda hand: -float(hand.joints_camera[WRIST, 2])):
        held = hand.state is TrackState.HELD
        opacity = style.mesh_opacity * (0.4 if held else 1.0)
        if opacity > 0:
            draw_mesh(canvas, hand, topology, opacity)
        if style.skeleton:
            draw_skeleton(canvas, hand)
        if style.axes:
            draw_axes(canvas, hand, intrinsics)
    if style.labels:
        for hand in shown:
            _draw_label(canvas, hand)
    if style.caption:
        _draw_text(canvas, style.caption, (6, canvas.shape[0] - 8), _INK)


def draw_skeleton(canvas: np.ndarray, hand: Hand) -> None:
    """Draw bones and joints, as wide as fits the hand's size in the picture."""
    points = np.array(_fixed(hand.joints_image), dtype=np.int32)
    thickness = int(np.clip(hand.box.diagonal / 130, 1, 5))
    radius = int((thickness * 0.8 + 1) * (1 << _SUBPIXEL_BITS))
    for finger, chain in _CHAINS.items():
        bones = [points[chain]]
        for color, width in ((_INK, thickness + 2), (FINGER_COLORS[finger], thickness)):
            cv2.polylines(canvas, bones, False, color, width, cv2.LINE_AA, _SUBPIXEL_BITS)
    for point, color in zip(points.tolist(), _JOINT_COLORS, strict=True):
        cv2.circle(canvas, point, radius + 8, _INK, -1, cv2.LINE_AA, _SUBPIXEL_BITS)
        cv2.circle(canvas, point, radius, color, -1, cv2.LINE_AA, _SUBPIXEL_BITS)


def draw_axes(canvas: np.ndarray, hand: Hand, intrinsics: np.ndarray | None) -> None:
    """Draw the wrist's axes: x red, y green, z blue."""
    axes = hand.wrist_pose[:3, :3].T
    wrist = hand.joints_image[WRIST]
    if intrinsics is not None and hand.is_metric:
        ends = project(hand.joints_camera[WRIST] + _AXIS_LENGTH * axes, intrinsics)
    else:
        # Weak perspective: metres to pixels as the palm shows it.
        palm = np.linalg.norm(
            hand.joints_camera[MIDDLE_KNUCKLE, :2] - hand.joints_camera[WRIST, :2]
        )
        pixels = np.linalg.norm(hand.joints_image[MIDDLE_KNUCKLE] - wrist)
        ends = wrist + _AXIS_LENGTH * axes[:, :2] * (pixels / max(float(palm), 0.01))
    thickness = int(np.clip(hand.box.diagonal / 110, 2, 6))
    start, *tips = _fixed(np.vstack([wrist, ends]))
    # The axis that points away from the viewer first.
    for i in np.argsort(-axes[:, 2]):
        cv2.line(canvas, start, tips[i], AXIS_COLORS[i], thickness, cv2.LINE_AA, _SUBPIXEL_BITS)


def _fixed(points: np.ndarray) -> list[tuple[int, int]]:
    """Points in OpenCV's fixed point; what leaves the picture keeps its direction."""
    bounded = np.clip(points, -_FARTHEST, _FARTHEST)
    scaled = np.round(bounded * (1 << _SUBPIXEL_BITS)).astype(int)
    return [(x, y) for x, y in scaled.tolist()]


def _draw_label(canvas: np.ndarray, hand: Hand) -> None:
    text = f'{hand.side} {hand.score:.2f}'
    if hand.track_id >= 0:
        text = f'{hand.track_id} {text}'
    if hand.state is TrackState.HELD:
        text += ' held'
    if hand.is_metric:
        text += f' {hand.joints_camera[WRIST, 2]:.2f} m'
    x, y = int(hand.box.x_min), int(hand.box.y_min) - 6
    _draw_text(canvas, text, (x, y), SIDE_COLORS[hand.side])


def _draw_text(canvas: np.ndarray, text: str, origin: tuple[int, int], color: Color) -> None:
    """White text on a plate of the colour, kept inside the picture."""
    scale = float(np.clip(max(canvas.shape[:2]) / 1300, 0.4, 1.0))
    font = cv2.FONT_HERSHEY_SIMPLEX
    (width, height), below = cv2.getTextSize(text, font, scale, 1)
    x = int(np.clip(origin[0], 4, max(4, canvas.shape[1] - width - 4)))
    y = int(np.clip(origin[1], height + 4, max(height + 4, canvas.shape[0] - below - 2)))
    plate = tuple(round(0.55 * value) for value in color)
    cv2.rectangle(canvas, (x - 4, y - height - 4), (x + width + 3, y + below), plate, -1)
    cv2.putText(canvas, text, (x, y), font, scale, (255, 255, 255), 1, cv2.LINE_AA)


def contact_sheet(images: Sequence[np.ndarray], columns: int = 6, cell: int = 240) -> np.ndarray:
    """
    Pictures side by side, each fitted into a square cell.

    :param images: (H, W, 3) uint8 each, of any sizes.
    :returns: (rows * cell, columns * cell, 3) uint8.
    """
    columns = max(1, min(columns, len(images)))
    rows = max(1, -(-len(images) // columns))
    sheet = np.full((rows * cell, columns * cell, 3), 24, dtype=np.uint8)
    for i, image in enumerate(images):
        height, width = image.shape[:2]
        scale = (cell - 2) / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        top = i // columns * cell + (cell - size[1]) // 2
        left = i % columns * cell + (cell - size[0]) // 2
        sheet[top : top + size[1], left : left + size[0]] = small
    return sheet
