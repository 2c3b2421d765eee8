"""Arms that continue the hand, and sleeves."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from handmesh_model.synthesis.actors import FAR_FROM_PAINT, cloth_material, skin_material
from handmesh_model.synthesis.appearance import SkinTone
from handmesh_model.synthesis.assembly import Assembly, Material
from handmesh_model.synthesis.compilation import njit
from handmesh_model.synthesis.geometry import tube
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.placement import PlacedHand
from handmesh_model.synthesis.rig import FOREARM_PART
from handmesh_model.topology import MEAN_HAND_SIZE


@lru_cache(maxsize=2)
def _forearm_rings(model: HandModel) -> tuple[np.ndarray, np.ndarray]:
    """Vertices near the wrist and at the far end of the forearm."""
    x = model.rest_vertices[:, 0]
    arm = model.part == FOREARM_PART
    near, far = np.quantile(x[arm], [0.85, 0.12])
    return np.flatnonzero(arm & (x >= near)), np.flatnonzero(arm & (x <= far))


class Arm:
    """
    The line of an arm from the wrist over the elbow to the shoulder, in the camera frame.

    :ivar path: (14, 3) metres; ``radii`` (14,); ``along`` (14,) distance from the wrist.
    :ivar mesh_end: distance at which the hand's own mesh ends; ``elbow_end`` where the elbow does.
    :ivar direction: (3,) of the forearm.
    :ivar scale: size over the mean hand's.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        model: HandModel,
        hand: PlacedHand,
        with_body: bool = False,
    ) -> None:
        joints = hand.posed.joints
        self.scale = float(np.linalg.norm(joints[9] - joints[0]) / MEAN_HAND_SIZE)
        (self.path, self.radii, self.along, self.direction, self.mesh_end, self.elbow_end) = _line(
            hand.posed.vertices, *_forearm_rings(model), hand.camera_from_wrist, self.scale,
            rng.standard_normal(3), rng.random(4), with_body,
        )  # fmt: skip
        self.shoulder = self.path[-1]

    def part(self, start: float, count: int = 14) -> tuple[np.ndarray, np.ndarray]:
        """Path (count, 3) and radii (count,) from ``start`` metres after the wrist on."""
        return _resampled(
            self.path, self.radii, self.along, start, self.elbow_end, count, self.direction
        )


@njit()
def _line(
    vertices: np.ndarray,
    near: np.ndarray,
    far: np.ndarray,
    camera_from_wrist: np.ndarray,
    scale: float,
    normal: np.ndarray,
    uniform: np.ndarray,
    with_body: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float, float]:
    """Path, radii, distances along it, direction of the forearm, ends of mesh and elbow."""
    start, start_radius = _ring(vertices, near)
    end, end_radius = _ring(vertices, far)
    to_camera = np.ascontiguousarray(camera_from_wrist[:, :3])
    direction = to_camera @ (end - start)
    mesh_end = np.sqrt((direction**2).sum())
    direction /= mesh_end
    first = to_camera @ start + camera_from_wrist[:, 3]
    corner = 0.045 * scale
    # The bend lies beyond the hand's own mesh, which stays straight.
    forearm = mesh_end + (0.02 + 0.03 * uniform[0]) * scale + corner
    # Where no body follows, the arm goes on until it has left the picture.
    upper = (0.24 + 0.08 * uniform[1] if with_body else 1.0) * scale
    bend = 0.2 + 2.0 * uniform[2]
    aside = normal + np.array([0.0, 0.8, 1.2 if with_body else 0.3])
    aside -= (aside * direction).sum() * direction
    aside /= np.sqrt((aside**2).sum())
    second = direction * np.cos(bend) + aside * np.sin(bend)
    elbow = first + direction * forearm
    path = np.empty((14, 3))
    for i in range(5):
        t = i / 4
        path[i] = first + (forearm - corner) * (i / 5) * direction
        path[5 + i] = elbow + corner * (t * t * second - (1 - t) ** 2 * direction)
    for i in range(4):
        path[10 + i] = elbow + (corner + (upper - corner) * (i + 1) / 4) * second
    along = np.zeros(14)
    for i in range(1, 14):
        along[i] = along[i - 1] + np.sqrt(((path[i] - path[i - 1]) ** 2).sum())
    build = scale * (0.85 + 0.35 * uniform[3])
    knots = np.array([0.0, mesh_end, forearm, forearm + 0.5 * upper, forearm + upper])
    elbow_radius = max(end_radius, 0.041 * build)
    widths = np.array([start_radius, end_radius, elbow_radius, 0.047 * build, 0.06 * build])
    return path, np.interp(along, knots, widths), along, direction, mesh_end, forearm + corner


@njit()
def _resampled(
    path: np.ndarray,
    radii: np.ndarray,
    along: np.ndarray,
    start: float,
    dense_to: float,
    count: int,
    direction: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """From ``start`` to the end of a path that begins straight, with 3/4 of the points dense."""
    points, widths = np.empty((count, 3)), np.empty(count)
    last = along.shape[0] - 1
    k = 0
    for i in range(count):
        place = i / (count - 1)
        if dense_to < start:
            at = start + (along[last] - start) * place
        elif place < 0.75:
            at = start + (dense_to - start) * place / 0.75
        else:
            at = dense_to + (along[last] - dense_to) * (place - 0.75) * 4
        while k < last - 1 and along[k + 1] < at:
            k += 1
        share = (at - along[k]) / (along[k + 1] - along[k])
        widths[i] = radii[k] + max(share, 0.0) * (radii[k + 1] - radii[k])
        for d in range(3):
            if at < 0:
                points[i, d] = path[0, d] + at * direction[d]
            else:
                points[i, d] = path[k, d] + share * (path[k + 1, d] - path[k, d])
    return points, widths


@njit()
def _ring(vertices: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, float]:
    """Middle of some vertices and their mean distance from it."""
    middle = np.zeros(3)
    for n in numbers:
        middle += vertices[n]
    middle /= len(numbers)
    spread = 0.0
    for n in numbers:
        offset = vertices[n] - middle
        spread += np.sqrt((offset * offset).sum())
    return middle, spread / len(numbers)


def add_arm(assembly: Assembly, arm: Arm, tone: SkinTone) -> None:
    """Put the bare arm beyond the hand's own mesh in."""
    path, radii = arm.part(arm.mesh_end - 0.02 * arm.scale)
    radii = radii * np.minimum(1, np.linspace(0.85, 2.0, len(radii)))
    vertices, faces = tube(path, radii, 12)
    pigments = np.array([tone.melanin * 0.9, tone.blood * 0.85, tone.gloss], dtype=np.float32)
    assembly.add(vertices, faces, skin_material(tone), vertices + FAR_FROM_PAINT, pigments)


def add_sleeve(
    assembly: Assembly, rng: np.random.Generator, arm: Arm, start: float, material: Material
) -> None:
    """Put a sleeve in that begins ``start`` metres after the wrist."""
    path, radii = arm.part(start)
    loose = float(rng.uniform(0.003, 0.016)) * arm.scale
    radii = radii * 1.06 + loose
    # The first ring turns inwards, so that one looks onto a hem instead of through the tube.
    path = np.concatenate([path[:1] + 0.012 * (path[1] - path[0]), path])
    radii = np.concatenate([[radii[0] * 0.8], radii])
    sides = 16
    vertices, faces = tube(path, radii, sides)
    _fold(
        vertices,
        path,
        rng.standard_normal((len(path), sides)),
        loose * float(rng.uniform(0.1, 0.7)),
    )
    rest = _wound(len(path), sides, start, arm.elbow_end + 0.1)
    assembly.add(vertices, faces, material, rest)


@njit()
def _fold(vertices: np.ndarray, path: np.ndarray, noise: np.ndarray, depth: float) -> None:
    """Move a tube's vertices in and out by smoothed noise (rings, sides), in place."""
    rings, sides = noise.shape
    for ring in range(rings):
        weak = 0.3 if ring < 2 else 1.0
        for side in range(sides):
            fold = (
                0.5 * noise[ring, side] + 0.3 * noise[ring, side - 1] + 0.3 * noise[ring - 1, side]
            )
            offset = vertices[ring * sides + side] - path[ring].astype(np.float32)
            length = np.sqrt((offset * offset).sum()) + 1e-9
            vertices[ring * sides + side] += offset * np.float32(weak * fold * depth / length)


@njit()
def _wound(rings: int, sides: int, start: float, end: float) -> np.ndarray:
    """(rings sides, 3) coordinates for a tube's pattern: around in x and y, along in z; metres."""
    rest = np.empty((rings * sides, 3), dtype=np.float32)
    for ring in range(rings):
        for side in range(sides):
            angle = 2 * np.pi * side / sides
            rest[ring * sides + side, 0] = np.cos(angle) * 0.05
            rest[ring * sides + side, 1] = np.sin(angle) * 0.05
            rest[ring * sides + side, 2] = start + (end - start) * max(ring - 1, 0) / (rings - 2)
    return rest


def add_loose_arm(
    assembly: Assembly, rng: np.random.Generator, center: np.ndarray, tone: SkinTone
) -> None:
    """An arm whose hand is not in the picture."""
    direction = rng.standard_normal(3) * np.array([1, 1, 0.4])
    direction /= np.sqrt(direction @ direction)
    steps = np.linspace(-0.6, 0.6, 12)
    bow = np.cross(direction, np.array([0, 0, 1.0])) * rng.normal(0, 0.3)
    path = center + steps[:, None] * direction + (steps**2)[:, None] * bow
    width = rng.uniform(0.025, 0.05)
    vertices, faces = tube(path, width * (1 + 0.15 * np.sin(steps * 6)), 14)
    pigments = np.array([tone.melanin, tone.blood, tone.gloss], dtype=np.float32)
    if rng.random() < 0.6:
        rest = vertices + FAR_FROM_PAINT
        assembly.add(vertices, faces, skin_material(tone), rest, pigments)
    else:
        assembly.add(vertices, faces, cloth_material(rng), vertices - center)
