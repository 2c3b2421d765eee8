"""Hands and their materials."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from handmesh_model.synthesis import columns
from handmesh_model.synthesis.appearance import SkinTone, skin_regions
from handmesh_model.synthesis.assembly import Assembly, Material
from handmesh_model.synthesis.colors import natural_color
from handmesh_model.synthesis.geometry import moved
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.noise import pick
from handmesh_model.synthesis.placement import PlacedHand
from handmesh_model.synthesis.rig import FOREARM_PART
from handmesh_model.topology import MEAN_HAND_SIZE

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
    hand: PlacedHand,
    tone: SkinTone,
    target: bool,
    owner: int = 0,
) -> None:
    """
    Put a hand with forearm in.

    :param target: whether it is a hand that the labels speak of, and ``owner`` its number.
    """
    regions = skin_regions(model)
    vertices = moved(hand.posed.vertices, hand.camera_from_wrist)
    assembly.add(
        vertices, model.faces_of(hand.side), skin_material(tone), model.rest_vertices,
        regions.pigments(tone), regions.nail, face_classes(model, target), owner,
    )  # fmt: skip
    weights, radii = _occluder_weights(model)
    joints = hand.posed.joints
    size = float(np.linalg.norm(joints[9] - joints[0]))
    centers = moved(weights @ joints, hand.camera_from_wrist)
    assembly.add_occluders(np.column_stack([centers, radii * (size / MEAN_HAND_SIZE)]))
