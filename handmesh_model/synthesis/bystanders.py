"""Bodies, heads and things in and around the hand."""

from __future__ import annotations

import numpy as np

from handmesh_model.synthesis import columns
from handmesh_model.synthesis.actors import FAR_FROM_PAINT, skin_material
from handmesh_model.synthesis.appearance import SkinTone
from handmesh_model.synthesis.arms import Arm
from handmesh_model.synthesis.assembly import Assembly, Material
from handmesh_model.synthesis.colors import natural_color
from handmesh_model.synthesis.geometry import (
    random_rotation,
    rotation_about,
    unit_box,
    unit_cylinder,
    unit_sphere,
)
from handmesh_model.synthesis.noise import pick


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
    # Stripes run around the body, whose height is y.
    assembly.add(vertices, faces, cloth, sphere[:, [0, 2, 1]] * 0.25)
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
