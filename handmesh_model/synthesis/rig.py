"""
The skeleton of the open hand: where joints sit, how they turn, which vertices follow them.

Everything here is in millimetres in the frame of the mean hand: origin wrist, x to the middle
knuckle where the data's own rig has it, y to the thumb side, z out of the back of the hand.

The data's rig puts the knuckle pivots at the webs between the fingers, 12 to 15 mm too far out, so
that a fist pierces the back of the hand. The pivots below sit in the heads of the metacarpal
bones: proximal phalanx lengths are 1.6 to 1.8 times the middle phalanx (Buryanov & Kotiuk 2010)
and the centre is about 10 mm under the skin of the knuckle. The base of the thumb is placed at the
trapezium, 32 mm from the wrist.
"""

from __future__ import annotations

import numpy as np

from handmesh_model.joints import FINGERS

BONES = (
    'lowerarm01.R',
    'lowerarm02.R',
    'wrist.R',
    *(f'metacarpal{i}.R' for i in range(1, 5)),
    *(f'finger{i}-{j}.R' for i in range(1, 6) for j in range(1, 4)),
)
"""Bones of the data's rig that move hand and forearm."""

SEGMENTS = (
    'forearm',
    'palm',
    *(f'{f}_{j}' for f in FINGERS for j in (1, 2, 3)),
)
"""Our 17 rigid segments; finger segments are numbered from the palm outwards."""
FOREARM, PALM = 0, 1
FOREARM_PART = 6
"""Beside the parts of the hand: palm 0, thumb to pinky 1..5."""
PART_OF_SEGMENT = np.array([FOREARM_PART, 0, *np.repeat(np.arange(1, 6), 3)])
"""(17,) part that each of :data:`SEGMENTS` belongs to."""

KNUCKLE_PIVOTS = {
    'thumb_cmc': (24.0, 20.0, -6.5),
    'thumb_mcp': (50.2, 45.2, -26.5),
    'index_mcp': (88.0, 23.2, -7.5),
    'middle_mcp': (88.5, 1.0, -4.0),
    'ring_mcp': (83.0, -16.5, -4.5),
    'pinky_mcp': (73.5, -32.0, -7.5),
}
"""Pivots placed by anatomy; the others are the data's own."""

KNUCKLE_BLEND = 10.0
"""Half width of the zone in which the skin over a knuckle passes from palm to finger."""


def smoothstep(x: np.ndarray) -> np.ndarray:
    """0 below -1, 1 above +1, with a continuous slope in between."""
    t = np.clip((x + 1) / 2, 0, 1)
    return t * t * (3 - 2 * t)


def segment_weights(vertices: np.ndarray, weights: np.ndarray, pivots: dict) -> np.ndarray:
    """
    Skinning weights for :data:`SEGMENTS`, with the knuckle zones rebuilt around the new pivots.

    :param vertices: (N, 3) mean hand.
    :param weights: (N, len(BONES)) weights of the data's rig.
    :param pivots: joint name -> (3,), all 21 joints.
    :returns: (N, 17), rows sum to one.
    """
    column = {bone: weights[:, i] for i, bone in enumerate(BONES)}
    result = np.zeros((len(vertices), len(SEGMENTS)))
    result[:, FOREARM] = column['lowerarm01.R'] + column['lowerarm02.R']
    result[:, PALM] = column['wrist.R']
    for finger, name in enumerate(FINGERS, start=1):
        first = SEGMENTS.index(f'{name}_1')
        for j in range(3):
            result[:, first + j] = column[f'finger{finger}-{j + 1}.R']
        if finger == 1:
            _extend_thumb(vertices, result, first, pivots)
            continue
        ray = column[f'metacarpal{finger - 1}.R'] + result[:, first]
        follows = _knuckle_share(vertices, name, pivots)
        result[:, first] = ray * follows
        result[:, PALM] += ray * (1 - follows)
    return result / result.sum(axis=1, keepdims=True)


def _knuckle_share(vertices: np.ndarray, name: str, pivots: dict) -> np.ndarray:
    """How far each vertex follows the proximal phalanx rather than the palm; (N,) 0..1."""
    pivot = np.asarray(pivots[f'{name}_mcp'])
    outwards = np.asarray(pivots[f'{name}_pip']) - pivot
    outwards /= np.linalg.norm(outwards)
    inwards = pivot / np.linalg.norm(pivot)
    axis = (outwards + inwards) / np.linalg.norm(outwards + inwards)
    # On the palm side the crease lies a little further out than the pivot.
    offset = np.where(vertices[:, 2] < pivot[2], 3.0, 0.0)
    return smoothstep(((vertices - pivot) @ axis - offset) / KNUCKLE_BLEND)


def _extend_thumb(vertices: np.ndarray, result: np.ndarray, first: int, pivots: dict) -> None:
    """Let the ball of the thumb follow the metacarpal from its new, deeper pivot on."""
    base, knuckle = (np.asarray(pivots[f'thumb_{j}']) for j in ('cmc', 'mcp'))
    bone = knuckle - base
    length = np.linalg.norm(bone)
    along = (vertices - base) @ (bone / length)
    radius = np.linalg.norm(vertices - base - along[:, None] * (bone / length), axis=1)
    near = smoothstep((20.0 - radius) / 8.0)
    wanted = smoothstep((along - 0.45 * length) / (0.45 * length)) * near
    moved = np.clip(wanted - result[:, first : first + 3].sum(axis=1), 0, result[:, PALM])
    result[:, PALM] -= moved
    result[:, first] += moved
