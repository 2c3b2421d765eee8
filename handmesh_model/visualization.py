"""Hands drawn into pictures: shaded mesh, bones, joints, wrist axes, side and score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from handmesh_model.camera import project
from handmesh_model.hand import Hand, TrackState
from handmesh_model.joints import BONES, FINGERS, JOINT_COUNT, MIDDLE_KNUCKLE, WRIST
from handmesh_model.topology import HandTopology

Color = tuple[int, int, int]

SIDE_COLORS: dict[str, Color] = {'right': (88, 166, 255), 'left': (255, 158, 74)}
"""RGB of the meshes."""
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
_LIGHT = np.array([-0.35, -0.55, -0.76])
_LEVELS = 64
_SUBPIXEL_BITS = 3
_JOINT_COLORS: tuple[Color, ...] = tuple(
    _WRIST_COLOR if i == WRIST else FINGER_COLORS[FINGERS[(i - 1) // 4]]
    for i in range(JOINT_COUNT)
)


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
    style = style or DrawingStyle()
    canvas = np.ascontiguousarray(rgb).copy()
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
    return canvas


def draw_mesh(canvas: np.ndarray, hand: Hand, topology: HandTopology, opacity: float) -> None:
    """
    Draw the front of a mesh, shaded and half transparent, into the picture.

    Faces are painted from far to near, placed by the pixels of their vertices.
    """
    points = hand.vertices_image
    height, width = canvas.shape[:2]
    low = np.maximum(np.floor(points.min(axis=0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(points.max(axis=0)).astype(int) + 2, (width, height))
    if (low >= high).any():
        return
    region = canvas[low[1] : high[1], low[0] : high[0]]
    painted = region.copy()
    faces = topology.faces_of(hand.side)
    corners = points[faces]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    # The image's y points down: faces seen from outside turn clockwise in it.
    front = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] < 0
    faces = faces[front]
    depth = hand.vertices_camera[faces, 2].sum(axis=1)
    order = np.argsort(-depth)
    shades = _shades(hand, topology)[front][order]
    fixed = np.round((points - low) * (1 << _SUBPIXEL_BITS)).astype(np.int32)[faces[order]]
    palette = _palette(SIDE_COLORS[hand.side])
    fill = cv2.fillConvexPoly
    for triangle, shade in zip(fixed, shades.tolist(), strict=True):
        fill(painted, triangle, palette[shade], cv2.LINE_8, _SUBPIXEL_BITS)
    cv2.addWeighted(painted, opacity, region, 1 - opacity, 0, dst=region)


def _shades(hand: Hand, topology: HandTopology) -> np.ndarray:
    """(F,) 0.._LEVELS - 1, brightness of each face from normals smoothed over the vertices."""
    faces = topology.faces_of(hand.side)
    vertices = hand.vertices_camera
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    smooth = _sum_at_vertices(normals, faces, len(vertices))
    # Once more over the neighbours: the mesh is coarse, its facets need not be seen.
    smooth = _sum_at_vertices(smooth[faces].sum(axis=1), faces, len(vertices))
    smooth /= np.maximum(np.linalg.norm(smooth, axis=1, keepdims=True), 1e-12)
    lit = np.maximum(smooth @ _LIGHT, 0)
    facing = np.maximum(-smooth[:, 2], 0)
    brightness = 0.16 + 0.5 * lit + 0.22 * facing + 0.3 * lit**12
    return (np.clip(brightness, 0, 1)[faces].mean(axis=1) * (_LEVELS - 1)).astype(np.int64)


def _sum_at_vertices(face_values: np.ndarray, faces: np.ndarray, count: int) -> np.ndarray:
    """(V, 3) sums of the values (F, 3) of the faces around each vertex."""
    corners = faces.ravel()
    columns = [np.bincount(corners, np.repeat(v, 3), minlength=count) for v in face_values.T]
    return np.stack(columns, axis=1)


def _palette(color: Color) -> list[Color]:
    """From dark over the colour to near white."""
    levels = np.linspace(0, 1, _LEVELS)[:, None]
    base = np.array(color, dtype=np.float64)
    dark = base * np.minimum(levels / 0.75, 1)
    light = (255 - base) * np.maximum(levels - 0.75, 0) / 0.25 * 0.7
    return [tuple(row) for row in np.round(dark + light).astype(int).tolist()]


def draw_skeleton(canvas: np.ndarray, hand: Hand) -> None:
    """Draw bones and joints, as wide as fits the hand's size in the picture."""
    points = _fixed(hand.joints_image)
    thickness = int(np.clip(hand.box.diagonal / 130, 1, 5))
    radius = int((thickness * 0.8 + 1) * (1 << _SUBPIXEL_BITS))
    for parent, child in BONES:
        color = _JOINT_COLORS[child]
        cv2.line(
            canvas, points[parent], points[child], _INK, thickness + 2, cv2.LINE_AA, _SUBPIXEL_BITS
        )
        cv2.line(
            canvas, points[parent], points[child], color, thickness, cv2.LINE_AA, _SUBPIXEL_BITS
        )
    for point, color in zip(points, _JOINT_COLORS, strict=True):
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
    # Bounded, since a pixel far outside would overflow OpenCV's fixed point.
    scaled = np.round(np.clip(points, -8000, 8000) * (1 << _SUBPIXEL_BITS)).astype(int)
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
