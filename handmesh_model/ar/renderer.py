"""
Virtual objects drawn into a camera image, behind what of the hands is nearer, pixel by pixel.

Objects and hands go into two z-buffers with 2 x 2 samples a pixel. An object is painted where its
sample is nearer than the hand's; the share of such samples blends it with the image. Translucent
objects are painted over the others; of several, one behind the other, the nearest alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from handmesh_model.ar.bending import project_faces
from handmesh_model.ar.camera import Camera
from handmesh_model.ar.meshes import Mesh
from handmesh_model.ar.shading import SAMPLES, blend
from handmesh_model.synthesis.rasterizer import NEAR, NO_FACE, rasterize

_TOWARDS = np.array([-0.4, -0.75, -0.55], dtype=np.float32)
_TOWARDS /= float(np.linalg.norm(_TOWARDS))
"""(3,) unit, direction to the lamp, camera frame."""
_STRENGTHS = np.array([0.75, 0.45, 0.25], dtype=np.float32)
"""Of the lamp, of the light from all around, and of highlights."""


@dataclass(frozen=True, eq=False)
class PlacedMesh:
    """
    An object where it is in this image.

    :param camera_from_object: (4, 4) rigid, metres.
    :param color: RGB 0..1, as on a screen; not used where the mesh has colours.
    :param opacity: 0..1; above 1 is taken for 1.
    """

    mesh: Mesh
    camera_from_object: np.ndarray
    color: tuple[float, float, float] = (0.8, 0.8, 0.8)
    opacity: float = 1.0


@dataclass(frozen=True, eq=False)
class HandSurface:
    """
    A hand that hides and is hidden.

    :param vertices_camera: (V, 3) metres.
    :param faces: (F, 3) counter-clockwise seen from outside, for the hand's side.
    """

    vertices_camera: np.ndarray
    faces: np.ndarray


class ArRenderer:
    """
    Draws objects into images of one size; buffers are kept from one image to the next.

    :param width: pixels.
    :param height: pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        shape = (SAMPLES * height, SAMPLES * width)
        self._object_inverse = np.zeros(shape, dtype=np.float32)
        self._object_ids = np.full(shape, NO_FACE, dtype=np.int32)
        self._hand_inverse = np.zeros(shape, dtype=np.float32)
        self._hand_ids = np.full(shape, NO_FACE, dtype=np.int32)

    def draw(
        self,
        rgb: np.ndarray,
        camera: Camera,
        objects: Sequence[PlacedMesh],
        hands: Sequence[HandSurface],
        hand_margin: float = 0.0,
    ) -> np.ndarray:
        """
        A copy of the image with the objects in it.

        :param rgb: (H, W, 3) uint8.
        :param hand_margin: metres by which hands are taken to be nearer than they were measured,
            so that a finger that touches an object is not eaten by it.
        :returns: (H, W, 3) uint8.
        """
        image, _ = self.draw_with_cover(rgb, camera, objects, hands, hand_margin)
        return image

    def draw_with_cover(
        self,
        rgb: np.ndarray,
        camera: Camera,
        objects: Sequence[PlacedMesh],
        hands: Sequence[HandSurface],
        hand_margin: float = 0.0,
    ) -> tuple[np.ndarray, np.ndarray]:
        """
        The same, and what share of each pixel shows an object.

        :returns: (H, W, 3) uint8 and (H, W) float32, 0..1.
        """
        canvas = np.array(rgb, dtype=np.uint8, order='C')
        cover = np.zeros(canvas.shape[:2], dtype=np.float32)
        gathered = _gather(objects)
        if gathered is None:
            return canvas, cover
        size = (self.width, self.height)
        columns = (gathered.vertices, gathered.normals, gathered.colors)
        things = project_faces(camera, gathered.faces, columns, size)
        vertices, normals, colors = things.columns
        opacity = gathered.opacity if things.sources is None else gathered.opacity[things.sources]
        points = _samples(things.points)
        x0, y0, x1, y1 = _window(points, self.width, self.height)
        if x0 >= x1 or y0 >= y1:
            return canvas, cover
        window = np.s_[SAMPLES * y0 : SAMPLES * y1, SAMPLES * x0 : SAMPLES * x1]
        buffers = (
            self._object_inverse[window],
            self._object_ids[window],
            self._hand_inverse[window],
            self._hand_ids[window],
        )
        for buffer, empty in zip(buffers, (0, NO_FACE, 0, NO_FACE), strict=True):
            buffer.fill(empty)
        offset = np.array([SAMPLES * x0, SAMPLES * y0, 0], dtype=np.float32)
        points -= offset
        for hand in hands:
            faces = np.ascontiguousarray(hand.faces, dtype=np.int32)
            seen = project_faces(camera, faces, (hand.vertices_camera,), size)
            rasterize(_samples(seen.points) - offset, seen.faces, buffers[2], buffers[3])
        for is_in_layer in (opacity >= 1, opacity < 1):
            if not is_in_layer.any():
                continue
            # The depths stay, so that what is solid hides what is translucent, but not otherwise.
            faces = things.faces[is_in_layer]
            buffers[1].fill(NO_FACE)
            rasterize(points, faces, buffers[0], buffers[1])
            blend(
                canvas[y0:y1, x0:x1], cover[y0:y1, x0:x1], *buffers[:3], points, faces,
                vertices, normals, colors, opacity[is_in_layer],
                np.float32(hand_margin), _TOWARDS, _STRENGTHS,
            )  # fmt: skip
        return canvas, cover


@dataclass(frozen=True, eq=False)
class _Gathered:
    """All objects as one mesh in the camera frame; colours linear, one opacity a face."""

    vertices: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    colors: np.ndarray
    opacity: np.ndarray


def _gather(objects: Sequence[PlacedMesh]) -> _Gathered | None:
    vertices, normals, faces, colors, opacity = [], [], [], [], []
    count = 0
    for thing in objects:
        mesh = thing.mesh
        if not (thing.opacity > 0 and len(mesh.faces)):
            continue
        # Places and sizes that messages bring may be beyond what 32 bits hold.
        with np.errstate(over='ignore', invalid='ignore'):
            pose = np.asarray(thing.camera_from_object, dtype=np.float32)
            rotation = pose[:3, :3].T
            moved = mesh.vertices @ rotation + pose[:3, 3]
        if not np.isfinite(moved).all():
            continue
        vertices.append(moved)
        normals.append(mesh.normals @ rotation)
        faces.append(mesh.faces + np.int32(count))
        if mesh.colors is None:
            color = np.asarray(thing.color, dtype=np.float32)
            colors.append(np.broadcast_to(color, mesh.vertices.shape))
        else:
            colors.append(mesh.colors)
        opacity.append(np.full(len(mesh.faces), min(thing.opacity, 1.0), dtype=np.float32))
        count += len(mesh.vertices)
    if not vertices:
        return None
    # A screen's numbers are about the square root of light.
    linear = np.square(np.clip(np.concatenate(colors), 0, 1)).astype(np.float32)
    return _Gathered(
        np.concatenate(vertices),
        np.concatenate(normals),
        np.concatenate(faces),
        linear,
        np.concatenate(opacity),
    )


def _samples(points: np.ndarray) -> np.ndarray:
    """Pixels to samples, in place: the middle of a pixel is between its samples."""
    points[:, :2] = (points[:, :2] + 0.5) * SAMPLES - 0.5
    return points


def _window(points: np.ndarray, width: int, height: int) -> tuple[int, int, int, int]:
    """Pixels x0, y0, x1, y1 (the last two excluded) outside which no object is."""
    seen = points[points[:, 2] > NEAR]
    if not len(seen):
        return 0, 0, 0, 0
    low = np.floor(np.clip(seen[:, :2].min(axis=0) / SAMPLES - 1, 0, (width, height)))
    high = np.ceil(np.clip(seen[:, :2].max(axis=0) / SAMPLES + 2, 0, (width, height)))
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
