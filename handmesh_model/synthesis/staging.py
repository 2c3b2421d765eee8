"""What surrounds a hand: its arm and sleeve, things, other hands; or what only resembles one."""

from __future__ import annotations

import numpy as np

from handmesh_model.synthesis.actors import add_hand, cloth_material
from handmesh_model.synthesis.appearance import SkinTone, sample_skin
from handmesh_model.synthesis.arms import Arm, add_arm, add_loose_arm, add_sleeve
from handmesh_model.synthesis.assembly import Assembly
from handmesh_model.synthesis.bystanders import add_body, add_head, add_thing
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.placement import MIRROR, PlacedHand, place_hand, sample_hand
from handmesh_model.synthesis.viewpoints import sample_rotation


def dress(
    assembly: Assembly,
    rng: np.random.Generator,
    model: HandModel,
    hand: PlacedHand,
    tone: SkinTone,
    body: float = 0.35,
) -> None:
    """An arm, and by chance a sleeve and a body (with probability ``body``)."""
    with_body = bool(rng.random() < body)
    arm = Arm(rng, model, hand, with_body)
    cloth = cloth_material(rng)
    choice = rng.random()
    if choice < 0.4:
        start = float(rng.uniform(-0.012, 0.05) if rng.random() < 0.6 else rng.uniform(0.05, 0.25))
        add_sleeve(assembly, rng, arm, start * arm.scale, cloth)
        if start > arm.mesh_end - 0.02:
            add_arm(assembly, arm, tone)
    elif choice < 0.97:
        add_arm(assembly, arm, tone)
        if rng.random() < 0.6:
            add_sleeve(assembly, rng, arm, float(arm.along[-1]) - 0.12, cloth)
    if with_body:
        add_body(assembly, rng, arm, tone, cloth)


def add_things(assembly: Assembly, rng: np.random.Generator, hand: PlacedHand) -> None:
    """By chance something in the hand, or before it."""
    joints = hand.joints_camera.astype(np.float64)
    rotation = hand.camera_from_wrist[:, :3]
    chance = rng.random()
    if chance < 0.08:
        size = float(rng.uniform(0.008, 0.04))
        palm = (joints[0] + 2 * joints[9] + joints[6] + joints[18]) / 5
        center = palm - rotation[:, 2] * (0.014 + 0.9 * size)
        axis = rotation[:, 1] + 0.35 * rng.standard_normal(3)
        add_thing(assembly, rng, center, size, axis)
    elif chance < 0.12:
        middle = joints.mean(axis=0)
        reach = float(np.sqrt(((joints - middle) ** 2).sum(1)).max())
        angle = rng.uniform(0, 2 * np.pi)
        aside = np.array([np.cos(angle), np.sin(angle), 0]) * reach * rng.uniform(0.45, 1.1)
        center = (middle + aside) * float(rng.uniform(0.72, 0.93))
        add_thing(
            assembly, rng, center, reach * float(rng.uniform(0.08, 0.4)), rng.standard_normal(3)
        )
    if rng.random() < 0.06:
        center = joints.mean(axis=0) + rng.uniform(-0.2, 0.2, 3)
        center[2] = joints[:, 2].max() + rng.uniform(0.02, 0.3)
        size = float(rng.uniform(0.02, 0.08))
        add_thing(assembly, rng, center, size, rng.standard_normal(3))


def add_other_hand(
    assembly: Assembly,
    rng: np.random.Generator,
    model: HandModel,
    hand: PlacedHand,
    tone: SkinTone,
) -> None:
    """A second hand of the same or another person beside the first."""
    rotation = sample_rotation(rng)
    if rng.random() < 0.6:
        rotation = rotation @ MIRROR
    middle = hand.joints_camera.mean(axis=0).astype(np.float64)
    angle = rng.uniform(0, 2 * np.pi)
    away = rng.uniform(0.09, 0.2)
    position = middle + np.array(
        [np.cos(angle) * away, np.sin(angle) * away, rng.normal(0.03, 0.07)]
    )
    distance = float(np.sqrt(position @ position))
    if position[2] < 0.12:
        return
    other = place_hand(sample_hand(rng, model), rotation, position / distance, distance)
    if rng.random() < 0.5:
        tone = sample_skin(rng)
    add_hand(assembly, model, other, tone, False)


def add_distractors(assembly: Assembly, rng: np.random.Generator, reach: float = 0.12) -> None:
    """
    What may be taken for a hand: a head, a bare arm, things.

    :param reach: metres from the optical axis.
    """
    tone = sample_skin(rng)
    for chance, add in ((0.3, add_head), (0.35, add_loose_arm), (0.4, _add_loose_thing)):
        center = np.array([*rng.uniform(-reach, reach, 2), rng.uniform(0.5, 0.8)])
        if rng.random() <= chance:
            add(assembly, rng, center, tone)


def _add_loose_thing(
    assembly: Assembly, rng: np.random.Generator, center: np.ndarray, tone: SkinTone
) -> None:
    size = float(rng.uniform(0.01, 0.06))
    add_thing(assembly, rng, center, size, rng.standard_normal(3))
