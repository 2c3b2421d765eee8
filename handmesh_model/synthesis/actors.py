"""Who and what is in the picture: hands, arms with sleeves, bodies, heads, things."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit

from handmesh_model.synthesis import resolve as columns
from handmesh_model.synthesis.appearance import SkinTone, skin_regions
from handmesh_model.synthesis.assembly import Assembly, Material
from handmesh_model.synthesis.backgrounds import natural_color
from handmesh_model.synthesis.geometry import (
    random_rotation,
    rotation_about,
    tube,
    unit_box,
    unit_cylinder,
    unit_sphere,
)
from handmesh_model.synthesis.hand_model import FOREARM_PART, HandModel, PosedHand
from handmesh_model.synthesis.noise import pick

FAR_FROM_PAINT = 10.0
"""Metres; rest coordinates beyond it meet no painted line of the hand."""
_WRIST_BAND = 0.014
"""Metres of forearm beyond the hand's mesh where the mask's border is arbitrary."""


def skin_material(tone: SkinTone) -> Material:
    """The material that goes with a person's skin."""
    return Material(
        columns.SKIN, tone.base, creases=tone.creases, lines=tone.lines,
        mottling=tone.mottling, polish=tone.nail_color,
    )  # fmt: skip


def cloth_material(rng: np.random.Generator) -> Material:
    """A plain or patterned fabric."""
    kinds = (columns.PLAIN, columns.STRIPES, columns.CHECKS, columns.BLOTCHES)
    pattern = kinds[pick(rng, (0.68, 0.12, 0.1, 0.1))]
    color, other = natural_color(rng), natural_color(rng)
    scale = float(rng.uniform(60, 500) if pattern != columns.BLOTCHES else rng.uniform(80, 400))
    return Material(
        columns.SURFACE, color, other, pattern, scale, float(rng.uniform(0.3, 1.5))
    )  # fmt: skip


@lru_cache(maxsize=2)
def _occluder_weights(model: HandModel) -> tuple[np.ndarray, np.ndarray]:
    """Spheres that fill a hand: (K, 21) weights of the joints and (K,) radii at reference size."""
    weights, radii = [], []

    def put(a: int, b: int, share: float, radius: float) -> None:
        row = np.zeros(21)
        row[a] += 1 - share
        row[b] += share
        weights.append(row)
        radii.append(radius)

    for finger in range(5):
        base = 1 + 4 * finger
        for share in (0.25, 0.45, 0.65, 0.85):
            put(0, base, share, 0.0115)
        for bone in range(3):
            thick = (0.0105, 0.0095, 0.008)[bone] if finger else (0.0135, 0.011, 0.009)[bone]
            thick *= 0.86 if finger == 4 else 1.0
            for share in (0.0, 0.33, 0.66) if bone < 2 else (0.0, 0.4, 0.8):
                put(base + bone, base + bone + 1, share, thick)
    put(0, 9, -0.25, 0.016)
    return np.array(weights), np.array(radii)


@lru_cache(maxsize=4)
def face_classes(model: HandModel, target: bool) -> np.ndarray:
    """(F,) uint8 classes of the render mesh's faces for the mask."""
    forearm = (model.part == FOREARM_PART)[model.faces].sum(axis=1) >= 2
    if not target:
        return np.where(forearm, columns.NEUTRAL, columns.OTHER_HAND).astype(np.uint8)
    x = model.rest_vertices[:, 0]
    border = x[model.part != FOREARM_PART].min()
    near = x[model.faces].mean(axis=1) > border - _WRIST_BAND
    classes = np.where(forearm, np.where(near, columns.WRIST_BAND, columns.NEUTRAL), columns.HAND)
    return classes.astype(np.uint8)


def add_hand(
    assembly: Assembly,
    model: HandModel,
    posed: PosedHand,
    camera_from_wrist: np.ndarray,
    tone: SkinTone,
    target: bool,
) -> None:
    """
    Put a posed right hand with forearm in.

    :param camera_from_wrist: (3, 4) rotation (a mirroring too) and translation.
    :param target: whether it is the hand that the labels speak of.
    """
    regions = skin_regions(model)
    vertices = moved(posed.vertices, camera_from_wrist)
    faces = model.faces
    if np.linalg.det(camera_from_wrist[:, :3]) < 0:
        faces = np.ascontiguousarray(faces[:, ::-1])
    assembly.add(
        vertices, faces, skin_material(tone), model.rest_vertices, regions.pigments(tone),
        regions.nail, face_classes(model, target),
    )  # fmt: skip
    weights, radii = _occluder_weights(model)
    size = float(np.linalg.norm(posed.joints[9] - posed.joints[0]))
    centers = moved(weights @ posed.joints, camera_from_wrist)
    assembly.add_occluders(np.column_stack([centers, radii * (size / 0.0945)]))


def moved(points: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """Apply a (3, 4) transform to (N, 3) points; float32."""
    matrix = transform.astype(np.float32)
    return points.astype(np.float32) @ matrix[:, :3].T + matrix[:, 3]


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
    :ivar mesh_end: distance at which the hand's own mesh ends.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        model: HandModel,
        posed: PosedHand,
        camera_from_wrist: np.ndarray,
    ) -> None:
        near, far = _forearm_rings(model)
        start, start_radius = _ring(posed.vertices, near)
        end, end_radius = _ring(posed.vertices, far)
        to_camera = camera_from_wrist[:, :3]
        self.scale = float(np.linalg.norm(posed.joints[9] - posed.joints[0]) / 0.0945)
        direction = to_camera @ (end - start)
        self.mesh_end = float(np.sqrt(direction @ direction))
        direction /= self.mesh_end
        first = to_camera @ start + camera_from_wrist[:, 3]
        forearm = float(rng.uniform(0.2, 0.25)) * self.scale
        upper = float(rng.uniform(0.24, 0.32)) * self.scale
        bend = float(rng.uniform(0.2, 2.2))
        aside = rng.standard_normal(3) + np.array([0.0, 0.8, 0.3])
        aside -= aside @ direction * direction
        aside /= np.sqrt(aside @ aside)
        second = direction * np.cos(bend) + aside * np.sin(bend)
        self.direction, self.upper_direction = direction, second
        elbow = first + direction * forearm
        corner = 0.045 * self.scale
        t = np.linspace(0, 1, 5)[:, None]
        bent = (
            (1 - t) ** 2 * (elbow - corner * direction)
            + 2 * t * (1 - t) * elbow
            + t**2 * (elbow + corner * second)
        )
        straight = first + np.linspace(0, forearm - corner, 6)[:-1, None] * direction
        rest = elbow + np.linspace(corner, upper, 5)[1:, None] * second
        self.path = np.concatenate([straight, bent, rest])
        steps = np.sqrt((np.diff(self.path, axis=0) ** 2).sum(1))
        self.along = np.concatenate([[0.0], np.cumsum(steps)])
        build = self.scale * float(rng.uniform(0.85, 1.2))
        knots = [0.0, self.mesh_end, forearm, forearm + 0.5 * upper, forearm + upper]
        widths = [
            start_radius,
            end_radius,
            max(end_radius, 0.041 * build),
            0.047 * build,
            0.06 * build,
        ]
        self.radii = np.interp(self.along, knots, widths)
        self.shoulder = self.path[-1]

    def part(self, start: float, count: int = 14) -> tuple[np.ndarray, np.ndarray]:
        """Path (count, 3) and radii (count,) from ``start`` metres after the wrist on."""
        return _resampled(self.path, self.radii, self.along, start, count, self.direction)


@njit(cache=True)
def _resampled(
    path: np.ndarray,
    radii: np.ndarray,
    along: np.ndarray,
    start: float,
    count: int,
    direction: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Even steps from ``start`` to the end of a path, which begins with a straight line."""
    points, widths = np.empty((count, 3)), np.empty(count)
    last = along.shape[0] - 1
    k = 0
    for i in range(count):
        at = start + (along[last] - start) * i / (count - 1)
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


@njit(cache=True)
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


def add_arm(
    assembly: Assembly, rng: np.random.Generator, arm: Arm, tone: SkinTone, material: Material
) -> None:
    """Put the bare arm beyond the hand's own mesh in."""
    path, radii = arm.part(arm.mesh_end - 0.02 * arm.scale)
    radii = radii * np.minimum(1, np.linspace(0.85, 2.0, len(radii)))
    vertices, faces = tube(path, radii, 12)
    pigments = np.array([tone.melanin * 0.9, tone.blood * 0.85, tone.gloss], dtype=np.float32)
    assembly.add(vertices, faces, material, vertices + FAR_FROM_PAINT, pigments)


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
    rest = _wound(len(path), sides, start, float(arm.along[-1]))
    assembly.add(vertices, faces, material, rest)


@njit(cache=True)
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


@njit(cache=True)
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


def add_body(
    assembly: Assembly, rng: np.random.Generator, arm: Arm, tone: SkinTone, cloth: Material
) -> None:
    """Put a torso and a head in beside the shoulder, if they are behind the hand."""
    sphere, faces = unit_sphere()
    side = (-1.0, 1.0)[int(rng.integers(2))]
    down = np.array([0.0, 1.0, 0.0]) + 0.2 * rng.standard_normal(3)
    torso = arm.shoulder + np.array([side * 0.17, 0, 0.05]) + 0.2 * down
    if torso[2] < arm.path[0, 2] + 0.2:
        return
    vertices = sphere * np.array([0.19, 0.3, 0.13]) + torso
    assembly.add(vertices, faces, cloth, sphere * 0.25)
    add_head(assembly, rng, torso + np.array([0, -0.5, 0.0]), tone)


def add_head(
    assembly: Assembly, rng: np.random.Generator, center: np.ndarray, tone: SkinTone
) -> None:
    """Put a rough head with hair, eyes and mouth in."""
    sphere, faces = unit_sphere()
    turn = rotation_about(np.array([0.0, 1.0, 0.0]), float(rng.normal(0, 0.7)))
    turn = turn @ rotation_about(rng.standard_normal(3), float(rng.normal(0, 0.25)))
    pigments = np.array([tone.melanin * 0.85, tone.blood, tone.gloss], dtype=np.float32)
    skin = skin_material(tone)
    head = sphere * np.array([0.075, 0.11, 0.095])
    assembly.add(head @ turn.T + center, faces, skin, head + FAR_FROM_PAINT, pigments)
    hair = Material(columns.SURFACE, _hair_color(rng), pattern=columns.PLAIN, rough=2.0)
    if rng.random() < 0.9:
        offset = np.array([0.0, -0.03 - 0.02 * rng.random(), 0.025])
        cap = sphere * np.array([0.083, 0.1, 0.098]) + offset
        assembly.add(cap @ turn.T + center, faces, hair, cap)
    dark = Material(columns.SURFACE, (0.03, 0.02, 0.02), rough=0.0)
    lips = Material(columns.SURFACE, (0.3, 0.1, 0.09), rough=0.0)
    for x, y, width, height, look in (
        (-0.03, -0.01, 0.014, 0.007, dark), (0.03, -0.01, 0.014, 0.007, dark),
        (-0.03, -0.03, 0.018, 0.004, hair), (0.03, -0.03, 0.018, 0.004, hair),
        (0.0, 0.055, 0.024, 0.008, lips), (0.0, 0.02, 0.013, 0.025, None),
    ):  # fmt: skip
        depth = -0.093 * np.sqrt(max(0.0, 1 - (x / 0.075) ** 2 - (y / 0.11) ** 2))
        mark = sphere * np.array([width, height, 0.012]) + np.array([x, y, depth])
        placed = mark @ turn.T + center
        if look is None:
            assembly.add(placed, faces, skin, mark + FAR_FROM_PAINT, pigments)
        else:
            assembly.add(placed, faces, look, mark)


def _hair_color(rng: np.random.Generator) -> tuple[float, float, float]:
    shade = float(np.exp(rng.uniform(np.log(0.006), np.log(0.25))))
    return shade, shade * float(rng.uniform(0.5, 0.85)), shade * float(rng.uniform(0.25, 0.7))


def add_thing(
    assembly: Assembly, rng: np.random.Generator, center: np.ndarray, size: float, axis: np.ndarray
) -> None:
    """
    Put a box, cylinder or ball in.

    :param size: metres, about its radius.
    :param axis: (3,) direction of a cylinder or of a box's longest side.
    """
    shape = pick(rng, (0.4, 0.4, 0.2))
    mesh, faces = (unit_box, unit_cylinder, unit_sphere)[shape]()
    extents = np.array([1.0, 1.0, 1.0])
    if shape == 0:
        extents = np.array([rng.uniform(0.3, 1), rng.uniform(0.2, 1), rng.uniform(1, 3)])
    elif shape == 1:
        extents = np.array([1.0, 1.0, rng.uniform(1.0, 5.0)])
    turn = random_rotation(rng)
    turn[:, 2] = axis / np.sqrt(axis @ axis)
    turn[:, 1] -= turn[:, 1] @ turn[:, 2] * turn[:, 2]
    turn[:, 1] /= np.sqrt(turn[:, 1] @ turn[:, 1])
    turn[:, 0] = np.cross(turn[:, 1], turn[:, 2])
    local = mesh * (extents * size)
    kinds = (columns.PLAIN, columns.BANDS, columns.BLOTCHES, columns.CHECKS)
    pattern = kinds[int(rng.integers(4))]
    material = Material(
        columns.SURFACE, natural_color(rng, 0.5), natural_color(rng, 0.5), pattern,
        float(rng.uniform(40, 300)), float(rng.uniform(0, 0.4)),
    )  # fmt: skip
    gloss = float(max(0.0, rng.uniform(-2.5, 2.5)))
    assembly.add(local @ turn.T + center, faces, material, local, gloss)
    reach = np.linspace(-0.7, 0.7, 3)[:, None] * turn[:, 2] * extents[2] * size
    assembly.add_occluders(np.column_stack([center + reach, np.full(3, size * 0.8)]))
