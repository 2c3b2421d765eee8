"""Faces that leave what a lens sees: divided, so that what it sees of them is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from handmesh_model.ar.camera import Camera
from handmesh_model.synthesis.rasterizer import NEAR

_BEND = 0.75
"""Pixels that a lens may see the middle of an edge off the middle between the edge's ends."""
_SHORT = 24.0
"""Pixels; edges up to there are left as they are, but for those that leave what the lens sees."""
_LONG = 128.0
"""Pixels; longer edges count as bent: they may be so to both sides of their middle."""
_ROUNDS = 24
"""Halvings of a face one after another, at most."""
_NEXT = [1, 2, 0]
_PIXEL, _IS_BEYOND = slice(-3, -1), -1
"""
Last columns of the corners (T, 3, C) of triangles, whose first are their places in the camera
frame: where the lens sees them, and whether they are beyond what it sees.
"""


@dataclass(frozen=True, eq=False)
class Projected:
    """
    A surface in the picture.

    :param points: (N, 3) float32 pixels and depth in metres, of vertices old and new.
    :param faces: (F, 3) int32.
    :param columns: arrays (N, C) of what belongs to the vertices; the first is their places.
    :param sources: (F,) which face given each is, or is a part of; None if all are as given.
    """

    points: np.ndarray
    faces: np.ndarray
    columns: Sequence[np.ndarray]
    sources: np.ndarray | None = None


def project_faces(
    camera: Camera, faces: np.ndarray, columns: Sequence[np.ndarray], size: tuple[int, int]
) -> Projected:
    """
    Project a surface, of which the lens may see but a part.

    If it sees all vertices, they are projected and that is all. Else faces are divided, as far as
    they are in the picture, until the lens hardly bends their edges; the parts beyond what it sees
    are left out. An edge is divided by the faces on both its sides, in the same places, or by
    neither, so that no gap opens.

    :param faces: (F, 3) int32, counter-clockwise seen from outside.
    :param columns: (N, 3) metres in the camera frame, then (N, C) of whatever else changes evenly
        across each face.
    :param size: width and height of the picture, pixels.
    """
    points, is_beyond = camera.project(columns[0])
    if not is_beyond.any():
        return Projected(points, faces, columns)
    is_divided = _may_be_bent(points[faces, :2], is_beyond[faces]).any(axis=1)
    # The rasterizer draws none with a corner that is too near.
    divided = np.flatnonzero(is_divided & (points[:, 2] >= NEAR)[faces].all(axis=1))
    corners = [column[faces[divided]] for column in columns]
    corners += [points[faces[divided], :2], is_beyond[faces[divided]][..., None]]
    parts, sources = _divide(camera, np.concatenate(corners, axis=2, dtype=np.float64), size)

    points[is_beyond, 2] = 0  # No face has these any more.
    rows = parts.reshape(-1, parts.shape[2])
    seen = np.column_stack([rows[:, _PIXEL], rows[:, 2]])
    added = np.split(rows, np.cumsum([column.shape[1] for column in columns]), axis=1)
    whole = np.flatnonzero(~is_divided)
    numbers = len(points) + np.arange(len(rows), dtype=np.int32).reshape(-1, 3)
    return Projected(
        np.concatenate([points, seen.astype(np.float32)]),
        np.concatenate([faces[whole], numbers]),
        [
            np.concatenate([old, new.astype(old.dtype)])
            for old, new in zip(columns, added, strict=False)
        ],
        np.concatenate([whole, divided[sources]]),
    )


def _divide(
    camera: Camera, corners: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """
    Halve triangles until their edges are straight enough; drop what is not seen.

    :param corners: (T, 3, C).
    :returns: corners of the parts, and which triangle each is from.
    """
    sources = np.flatnonzero(_is_front(corners))
    corners = corners[sources]
    done = []
    for _ in range(_ROUNDS):
        is_left = ~_is_unseen(corners, camera.reach) & _is_near_picture(corners, size)
        corners, sources = corners[is_left], sources[is_left]
        middles = _middles(camera, corners)
        pixels, ends = corners[..., _PIXEL], corners[:, _NEXT, _PIXEL]
        bends = np.linalg.norm(middles[..., _PIXEL] - (pixels + ends) / 2, axis=2)
        lengths = np.linalg.norm(ends - pixels, axis=2)
        is_bent = _may_be_bent(pixels, corners[..., _IS_BEYOND] > 0)
        is_bent &= (bends > _BEND) | (lengths > _LONG)
        is_halved = is_bent.any(axis=1)
        done.append((corners[~is_halved], sources[~is_halved]))
        # The longest first: else triangles become ever thinner.
        edges = np.where(is_bent, lengths, 0)[is_halved].argmax(axis=1)
        corners = _halves(corners[is_halved], middles[is_halved], edges)
        sources = np.tile(sources[is_halved], 2)
        if not len(corners):
            break
    done.append((corners, sources))
    corners, sources = (np.concatenate(part) for part in zip(*done, strict=True))
    is_seen = (corners[..., _IS_BEYOND] == 0).any(axis=1)
    return corners[is_seen], sources[is_seen]


def _may_be_bent(pixels: np.ndarray, is_beyond: np.ndarray) -> np.ndarray:
    """
    Which edges are looked at; it hangs on the edge alone, not on the face.

    :param pixels: (T, 3, 2) of corners, and (T, 3) whether they are beyond what the lens sees.
    :returns: (T, 3) of the edges from each corner to the next.
    """
    across = pixels[:, _NEXT] - pixels
    is_long = np.einsum('tkc,tkc->tk', across, across) > _SHORT**2
    return is_long | is_beyond | is_beyond[:, _NEXT]


def _middles(camera: Camera, corners: np.ndarray) -> np.ndarray:
    """(T, 3, C) half way from each corner to the next as a pinhole sees it, not in space."""
    ends = corners[:, _NEXT]
    depths, end_depths = corners[..., 2:3], ends[..., 2:3]
    middles = (corners * end_depths + ends * depths) / (depths + end_depths)
    pixels, is_beyond = camera.see(_rays(middles).reshape(-1, 2))
    middles[..., _PIXEL] = pixels.reshape(-1, 3, 2)
    middles[..., _IS_BEYOND] = is_beyond.reshape(-1, 3)
    return middles


def _halves(corners: np.ndarray, middles: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(2 T, 3, C): each triangle in two, at the middle of the edge from corner ``edges`` on."""
    rows = np.arange(len(corners))
    first, second, third = (corners[rows, (edges + k) % 3] for k in range(3))
    middle = middles[rows, edges]
    halves = [(first, middle, third), (middle, second, third)]
    return np.concatenate([np.stack(half, axis=1) for half in halves])


def _rays(corners: np.ndarray) -> np.ndarray:
    return corners[..., :2] / corners[..., 2:3]


def _is_front(corners: np.ndarray) -> np.ndarray:
    """(T,) whether triangles run clockwise in the picture, which is what is drawn."""
    rays = _rays(corners)
    b, c = rays[:, 1] - rays[:, 0], rays[:, 2] - rays[:, 0]
    return b[:, 1] * c[:, 0] > b[:, 0] * c[:, 1]


def _is_unseen(corners: np.ndarray, reach: float) -> np.ndarray:
    """(T,) whether triangles are beyond a straight line that passes the circle of what is seen."""
    rays = _rays(corners)
    middle = rays.mean(axis=1)
    middle /= np.maximum(np.linalg.norm(middle, axis=1, keepdims=True), 1e-12)
    return np.einsum('tkc,tc->tk', rays, middle).min(axis=1) > reach


def _is_near_picture(corners: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(T,) whether triangles may be seen in the picture, bent by half of their extent."""
    pixels = corners[..., _PIXEL]
    low, high = pixels.min(axis=1), pixels.max(axis=1)
    margin = (high - low).max(axis=1, keepdims=True) / 2
    return ((high + margin >= 0) & (low - margin <= size)).all(axis=1)
