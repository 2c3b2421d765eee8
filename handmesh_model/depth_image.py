"""Registered depth images: what they hold, and what they say where a mesh is seen."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from handmesh_model.errors import ImageError, ShapeError
from handmesh_model.topology import HandTopology

SAMPLES_ACROSS = 72
"""Samples taken across the longer side of a hand; more cost time and tell nothing new."""
_STEEPEST = 2.0
"""Metres of depth a metre across, from which a surface is seen too steeply to be measured."""
_SMALLEST_JUMP = 0.002
"""Metres between neighbouring samples that never count as an edge."""


@dataclass(frozen=True, eq=False)
class DepthView:
    """
    A depth image, and where it sees the vertices of a mesh.

    :param image: (H, W) as :func:`check_depth` lets through.
    :param vertices_image: (V, 2) pixels of that image, which may be distorted.
    :param ahead: (V,) metres along the axis that the mesh's depth is measured along for a metre
        along the camera's, at each vertex; None if they are one.
    """

    image: np.ndarray
    vertices_image: np.ndarray
    ahead: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class SurfaceSamples:
    """
    N pixels that look at the inside of a mesh's visible surface.

    :param measured: (N,) metres along the axis that offsets are measured along; NaN where the
        depth image knows nothing.
    :param offsets: (N,) depth of the mesh relative to the wrist, metres, for a hand of the
        topology's size.
    :param parts: (N,) part of the hand, index into :data:`handmesh_model.joints.PARTS`.
    """

    measured: np.ndarray
    offsets: np.ndarray
    parts: np.ndarray


def check_depth(depth: object, height: int, width: int) -> np.ndarray:
    """
    The depth image if it is one that belongs to a colour picture.

    As everywhere in ROS (REP 118) whole numbers are millimetres, 0 for "not known", and floating
    point numbers are metres, NaN for "not known".

    :param depth: (H, W) uint16 or float, registered to the picture: pixel by pixel the same view.
    :raises ImageError: if it is no array of these types.
    :raises ShapeError: if it has another size than the picture.
    """
    if not isinstance(depth, np.ndarray):
        raise ImageError(
            f'depth is a {type(depth).__name__}, expected a numpy array (H, W), uint16 or float32'
        )
    if depth.dtype != np.uint16 and depth.dtype.kind != 'f':
        raise ImageError(
            f'depth has dtype {depth.dtype}, expected uint16 (millimetres) or float32 (metres)'
        )
    if depth.shape != (height, width):
        raise ShapeError('depth', depth.shape, f'({height}, {width}) as the picture has')
    return depth


def depth_in_metres(values: np.ndarray) -> np.ndarray:
    """
    Values of a depth image as float64 metres.

    :param values: of any shape; uint16 millimetres or floating point metres.
    :returns: the same shape; NaN where nothing was measured.
    """
    metres = values.astype(np.float64) / (1000.0 if values.dtype == np.uint16 else 1.0)
    with np.errstate(invalid='ignore'):
        return np.where(np.isfinite(metres) & (metres > 0), metres, np.nan)


def sample_surface(
    view: DepthView,
    vertices_depth: np.ndarray,
    topology: HandTopology,
    metres_per_pixel: float,
) -> SurfaceSamples:
    """
    Read a depth image where a mesh shows its surface, on a grid of pixels.

    A z-buffer of the mesh says which face each pixel sees. Left out are pixels beside the
    silhouette or beside a jump in depth, such as a finger's edge before the palm: there a mesh
    that lies a little off looks at something else. Values are not interpolated, for between hand
    and background there is nothing.

    :param vertices_depth: (V,) metres relative to the wrist, for a hand of the topology's size.
    :param metres_per_pixel: about, at the hand.
    """
    low, step, shape = _grid(view)
    if not shape[0] * shape[1]:
        return SurfaceSamples(np.empty(0), np.empty(0), np.empty(0, np.uint8))
    points = np.column_stack([(view.vertices_image - low) / step, vertices_depth])
    faces = _visible_faces(points, topology.faces, shape)
    offsets = _depth_at_pixels(points, topology.faces, faces)
    jump = _SMALLEST_JUMP + _STEEPEST * step * metres_per_pixel
    inside = _away_from_edges(offsets, jump)
    rows, columns = np.nonzero(inside)
    measured = depth_in_metres(view.image[low[1] + step * rows, low[0] + step * columns])
    if view.ahead is not None:
        points[:, 2] = view.ahead
        measured *= _depth_at_pixels(points, topology.faces, faces)[inside]
    corner = topology.faces[faces[inside], 0]
    return SurfaceSamples(measured, offsets[inside], topology.vertex_parts[corner])


def _grid(view: DepthView) -> tuple[np.ndarray, int, tuple[int, int]]:
    """First pixel (x, y), pixels from one sample to the next, and rows and columns of samples."""
    height, width = view.image.shape
    limit = np.array([width - 1, height - 1])
    low = np.clip(np.ceil(view.vertices_image.min(axis=0)), 0, limit + 1).astype(int)
    high = np.clip(np.floor(view.vertices_image.max(axis=0)), -1, limit).astype(int)
    extent = np.maximum(high - low + 1, 0)
    step = max(1, -(-int(extent.max()) // SAMPLES_ACROSS))
    columns, rows = -(-extent // step)
    return low, step, (int(rows), int(columns))


def _visible_faces(points: np.ndarray, faces: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    # Nodes that need no depth do without PyTorch, which takes seconds to import.
    import torch

    from handmesh_model.zbuffer import visible_faces

    batch = torch.from_numpy(points.astype(np.float32))[None]
    seen = visible_faces(batch, torch.from_numpy(faces.astype(np.int64)), *shape)
    return seen[0].numpy()


def _depth_at_pixels(points: np.ndarray, faces: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(rows, columns) third column of the points on the face in each pixel; NaN without one."""
    depth = np.full(seen.shape, np.nan)
    rows, columns = np.nonzero(seen >= 0)
    origin, first, second = points[faces[seen[rows, columns]]].transpose(1, 0, 2)
    u, v = first - origin, second - origin
    area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    dx, dy = columns - origin[:, 0], rows - origin[:, 1]
    a = (v[:, 1] * dx - v[:, 0] * dy) / area
    b = (u[:, 0] * dy - u[:, 1] * dx) / area
    depth[rows, columns] = origin[:, 2] + a * u[:, 2] + b * v[:, 2]
    return depth


def _away_from_edges(depth: np.ndarray, jump: float) -> np.ndarray:
    """(rows, columns) bool: pixels whose eight neighbours lie on the surface too, without jump."""
    padded = np.pad(depth, 1, constant_values=np.nan)
    known = np.isfinite(padded)
    filled = np.where(known, padded, 0.0)
    kernel = np.ones((3, 3), np.uint8)
    spread = cv2.dilate(filled, kernel) - cv2.erode(filled, kernel)
    inside = cv2.erode(known.astype(np.uint8), kernel).astype(bool)
    # Two steps lie between opposite neighbours.
    return (inside & (spread < 2 * jump))[1:-1, 1:-1]
