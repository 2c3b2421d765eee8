"""A hand's mesh painted into a picture: the visible side, softly shaded, half transparent."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from handmesh_model.hand import Hand
from handmesh_model.topology import HandTopology

Color = tuple[int, int, int]

SIDE_COLORS: dict[str, Color] = {'right': (88, 166, 255), 'left': (255, 158, 74)}
"""RGB of the meshes."""
_LIGHT = np.array([-0.35, -0.55, -0.76], dtype=np.float32)
_LEVELS = 64
_NEXT, _BEFORE = np.array([1, 2, 3, 0]), np.array([3, 0, 1, 2])
"""Corners of a quad."""


@dataclass(frozen=True, eq=False)
class _Facets:
    """
    Tables of one side's mesh, of intp: numpy looks things up fastest with these.

    :param corners: (3 F,) first corners of all faces, then second, then third ones.
    :param around: faces around each vertex, vertex after vertex.
    :param around_starts: (V,) where each vertex's begin.
    :param near: vertices of the faces around each vertex, itself included, each once.
    :param near_counts: in how many of these faces it is.
    :param near_starts: (V,) where each vertex's begin.
    :param quads: (Q, 4) neighbouring faces (0, 1, 2) and (0, 2, 3) as one; a face that is left
        over has its third corner twice.
    """

    corners: np.ndarray
    around: np.ndarray
    around_starts: np.ndarray
    near: np.ndarray
    near_counts: np.ndarray
    near_starts: np.ndarray
    quads: np.ndarray


def draw_mesh(canvas: np.ndarray, hand: Hand, topology: HandTopology, opacity: float) -> None:
    """
    Draw the front of a mesh, shaded and half transparent, into the picture.

    It is painted from far to near, placed by the pixels of its vertices.
    """
    points = hand.vertices_image.T.astype(np.float64, order='C')
    height, width = canvas.shape[:2]
    low = np.maximum(np.floor(points.min(axis=1)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(points.max(axis=1)).astype(int) + 2, (width, height))
    if (low >= high).any():
        return
    region = canvas[low[1] : high[1], low[0] : high[0]]
    facets = _facets(topology, hand.side)
    polygons = _facing(points, facets.quads)
    far = hand.vertices_camera[:, 2].take(polygons).sum(axis=1)
    polygons = polygons[np.argsort(-far)]
    shades = _vertex_shades(hand, facets).take(polygons).mean(axis=1)
    levels = (1 + shades * (_LEVELS - 1)).astype(np.uint8).tolist()
    # Whole pixels: OpenCV takes twice as long for fractions, and the edges are hard anyway.
    pixels = np.rint(points.T - low).astype(np.int32).take(polygons, axis=0)
    # One channel of shades, 0 where the mesh is not; colours come at the end, all at once.
    painted = np.zeros(region.shape[:2], dtype=np.uint8)
    fill = cv2.fillConvexPoly
    for polygon, level in zip(pixels, levels, strict=True):
        fill(painted, polygon, level)
    colors = cv2.applyColorMap(painted, _palette(SIDE_COLORS[hand.side]))
    blend = cv2.addWeighted(colors, opacity, region, 1 - opacity, 0)
    cv2.copyTo(blend, painted, region)


def _facing(points: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """
    (N, 4) corners of what is seen from outside: quads, or the half of one as (a, b, c, c).

    :param points: (2, V) pixels.
    """
    x, y = points.take(quads.T, axis=1)
    dx, dy = x[_NEXT] - x, y[_NEXT] - y
    # The image's y points down: what is seen from outside turns clockwise in it, at each corner.
    is_front = dx[_BEFORE] * dy < dy[_BEFORE] * dx
    whole = is_front.all(axis=0)
    # Of a folded quad each face counts by itself; it turns like the corner across from the fold.
    first, second = is_front[1] & ~whole, is_front[3] & ~whole
    halves = quads[first][:, [0, 1, 2, 2]], quads[second][:, [0, 2, 3, 3]]
    return np.concatenate([quads[whole], *halves])


def _vertex_shades(hand: Hand, facets: _Facets) -> np.ndarray:
    """
    (V,) 0..1, brightness from normals, smoothed over neighbouring vertices.

    The mesh is coarse; its facets need not be seen.
    """
    vertices = hand.vertices_camera.T.astype(np.float32, order='C')
    a, b, c = vertices.take(facets.corners, axis=1).reshape(3, 3, -1).swapaxes(0, 1)
    (ux, uy, uz), (vx, vy, vz) = b - a, c - a
    normals = np.stack([uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx])
    rough = np.add.reduceat(normals.take(facets.around, axis=1), facets.around_starts, axis=1)
    # What the faces around each vertex have at their corners, all together.
    spread = rough.take(facets.near, axis=1) * facets.near_counts
    smooth = np.add.reduceat(spread, facets.near_starts, axis=1)
    smooth /= np.maximum(np.sqrt((smooth * smooth).sum(axis=0)), 1e-12)
    lit = np.maximum(_LIGHT @ smooth, 0)
    facing = np.maximum(-smooth[2], 0)
    shine = lit * lit * lit
    return np.clip(0.16 + 0.5 * lit + 0.22 * facing + 0.3 * (shine * shine) ** 2, 0, 1)


@lru_cache(maxsize=8)
def _facets(topology: HandTopology, side: str) -> _Facets:
    faces = topology.faces_of(side).astype(np.intp)
    incidence = _incidence(faces, topology.vertex_count)
    return _Facets(faces.T.ravel(), *incidence, _quads(faces, topology.template))


def _incidence(
    faces: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What :class:`_Facets` has from ``around`` to ``near_starts``."""
    numbers = np.arange(count)
    # A vertex without faces needs an entry, though nobody asks for its shade.
    lonely = np.setdiff1d(numbers, faces)
    owners = np.concatenate([faces.ravel(), lonely])
    order = np.argsort(owners, kind='stable')
    around = np.concatenate([np.repeat(np.arange(len(faces)), 3), 0 * lonely])[order]
    pairs = (faces[:, :, None] * count + faces[:, None, :]).ravel()
    keys, times = np.unique(np.concatenate([pairs, lonely * (count + 1)]), return_counts=True)
    return (
        around,
        np.searchsorted(owners[order], numbers),
        keys % count,
        times.astype(np.float32),
        np.searchsorted(keys // count, numbers),
    )


def _quads(faces: np.ndarray, template: np.ndarray | None) -> np.ndarray:
    """
    Faces two by two, to halve the polygons: across the longest edges first, for compact shapes.

    :param template: (V, 3) to measure the edges on; without it any order will do.
    """
    # Each edge as its face has it, and the corner across from it.
    starts, ends, tips = (np.roll(faces, -i, axis=1).ravel() for i in range(3))
    owners = np.repeat(np.arange(len(faces)), 3)
    edges = {edge: i for i, edge in enumerate(zip(starts.tolist(), ends.tolist(), strict=True))}
    lengths = np.zeros(len(starts))
    if template is not None:
        lengths = np.linalg.norm(template[ends] - template[starts], axis=1)
    free = np.ones(len(faces), dtype=bool)
    quads = []
    for i in np.argsort(-lengths, kind='stable').tolist():
        other = edges.get((ends[i], starts[i]))
        if other is not None and free[owners[i]] and free[owners[other]]:
            free[[owners[i], owners[other]]] = False
            # The edge is the diagonal from corner 0 to corner 2.
            quads.append((ends[i], tips[i], starts[i], tips[other]))
    alone = faces[free][:, [0, 1, 2, 2]]
    return np.concatenate([np.array(quads, dtype=np.intp).reshape(-1, 4), alone])


@lru_cache(maxsize=8)
def _palette(color: Color) -> np.ndarray:
    """(256, 1, 3) uint8: for 1 to _LEVELS from dark over the colour to near white."""
    levels = np.linspace(0, 1, _LEVELS)[:, None]
    base = np.array(color, dtype=np.float64)
    dark = base * np.minimum(levels / 0.75, 1)
    light = (255 - base) * np.maximum(levels - 0.75, 0) / 0.25 * 0.7
    table = np.zeros((256, 1, 3), dtype=np.uint8)
    table[1 : 1 + _LEVELS, 0] = np.round(dark + light)
    return table
