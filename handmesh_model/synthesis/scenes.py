"""Finished pictures with labels: crops for the mesh network, whole frames for the detector."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from handmesh_model.crop import CROP_MARGIN
from handmesh_model.joints import MIDDLE_KNUCKLE, WRIST
from handmesh_model.synthesis import actors
from handmesh_model.synthesis.appearance import SkinTone, sample_skin, skin_regions
from handmesh_model.synthesis.assembly import Assembly, Picture, put_before
from handmesh_model.synthesis.backgrounds import paint_background
from handmesh_model.synthesis.camera_effects import blur, compress, develop, lose_resolution
from handmesh_model.synthesis.hand_model import HandModel, PosedHand
from handmesh_model.synthesis.lighting import Light, sample_light
from handmesh_model.synthesis.poses import sample_pose
from handmesh_model.synthesis.viewpoints import sample_distance, sample_rotation
from handmesh_model.topology import HandTopology

NEGATIVE_SHARE, MIRRORED_SHARE = 0.08, 0.10
"""Shares of crops without a hand, and of crops that show a left hand."""
IGNORE = 255
"""Mask value of pixels that count neither as hand nor as background."""


@dataclass(frozen=True, eq=False)
class PlacedHand:
    """
    A posed hand in the camera frame.

    :param camera_from_wrist: (3, 4), a mirroring in it for left hands.
    :param vertices_camera: (V, 3) float32 metres, the network's mesh.
    :param joints_camera: (21, 3) float32 metres.
    """

    posed: PosedHand
    camera_from_wrist: np.ndarray
    vertices_camera: np.ndarray
    joints_camera: np.ndarray


def place_hand(
    model: HandModel, posed: PosedHand, rotation: np.ndarray, ray: np.ndarray, distance: float
) -> PlacedHand:
    """
    Put the middle of a hand at a distance along a ray.

    :param rotation: (3, 3) camera from wrist frame; of determinant -1 for a left hand.
    :param ray: (3,) unit, camera frame.
    """
    low, high = posed.joints.min(axis=0), posed.joints.max(axis=0)
    shift = ray * distance - rotation @ ((low + high) / 2)
    transform = np.column_stack([rotation, shift])
    return PlacedHand(
        posed,
        transform,
        actors.moved(posed.mesh, transform),
        actors.moved(posed.joints, transform),
    )


def sample_hand(rng: np.random.Generator, model: HandModel) -> PosedHand:
    """A random pose and shape."""
    shape = rng.standard_normal(model.shape_count).clip(-2.5, 2.5)
    return model.pose(sample_pose(rng), shape)


def _ray(rng: np.random.Generator) -> np.ndarray:
    """Direction in which the hand is seen, up to about 30 degrees off the optical axis."""
    ray = np.array([*rng.uniform(-0.45, 0.45, 2), 1.0])
    return ray / np.sqrt(ray @ ray)


def crop_intrinsics(
    rng: np.random.Generator | None, vertices_camera: np.ndarray, size: int
) -> np.ndarray:
    """
    The camera matrix of the square crop around a hand.

    :param rng: moves and scales the crop as a detector would be off; None for an exact crop.
    :returns: (3, 3), pixel centres at integers.
    """
    flat = vertices_camera[:, :2] / vertices_camera[:, 2:]
    low, high = flat.min(axis=0), flat.max(axis=0)
    side = CROP_MARGIN * float((high - low).max())
    center = (low + high) / 2
    if rng is not None:
        scale = float(np.clip(np.exp(rng.normal(0.06, 0.16)), 0.8, 1.5))
        center = center + rng.normal(0, 0.045, 2).clip(-0.12, 0.12) * side
        side *= scale
    focal = size / side
    middle = (size - 1) / 2 - focal * center
    return np.array([[focal, 0, middle[0]], [0, focal, middle[1]], [0, 0, 1.0]])


def _dress(
    assembly: Assembly,
    rng: np.random.Generator,
    model: HandModel,
    hand: PlacedHand,
    tone: SkinTone,
) -> None:
    """An arm, and by chance a sleeve and a body."""
    arm = actors.Arm(rng, model, hand.posed, hand.camera_from_wrist)
    skin = actors.skin_material(tone)
    cloth = actors.cloth_material(rng)
    choice = rng.random()
    if choice < 0.4:
        start = float(rng.uniform(-0.012, 0.05) if rng.random() < 0.6 else rng.uniform(0.05, 0.25))
        actors.add_sleeve(assembly, rng, arm, start * arm.scale, cloth)
        if start > arm.mesh_end - 0.02:
            actors.add_arm(assembly, rng, arm, tone, skin)
    elif choice < 0.97:
        actors.add_arm(assembly, rng, arm, tone, skin)
        if rng.random() < 0.6:
            actors.add_sleeve(assembly, rng, arm, float(arm.along[-1]) - 0.12, cloth)
    if rng.random() < 0.35:
        actors.add_body(assembly, rng, arm, tone, cloth)


def _add_things(assembly: Assembly, rng: np.random.Generator, hand: PlacedHand) -> None:
    """By chance something in the hand, or before it."""
    joints = hand.joints_camera.astype(np.float64)
    rotation = hand.camera_from_wrist[:, :3]
    chance = rng.random()
    if chance < 0.10:
        size = float(rng.uniform(0.008, 0.04))
        palm = (joints[0] + 2 * joints[9] + joints[6] + joints[18]) / 5
        center = palm - rotation[:, 2] * (0.014 + 0.9 * size)
        axis = rotation[:, 1] + 0.35 * rng.standard_normal(3)
        actors.add_thing(assembly, rng, center, size, axis)
    elif chance < 0.16:
        middle = joints.mean(axis=0)
        reach = float(np.sqrt(((joints - middle) ** 2).sum(1)).max())
        angle = rng.uniform(0, 2 * np.pi)
        aside = np.array([np.cos(angle), np.sin(angle), 0]) * reach * rng.uniform(0.45, 1.1)
        center = (middle + aside) * float(rng.uniform(0.72, 0.93))
        actors.add_thing(
            assembly, rng, center, reach * float(rng.uniform(0.08, 0.4)), rng.standard_normal(3)
        )
    if rng.random() < 0.06:
        center = joints.mean(axis=0) + rng.uniform(-0.2, 0.2, 3)
        center[2] = joints[:, 2].max() + rng.uniform(0.02, 0.3)
        size = float(rng.uniform(0.02, 0.08))
        actors.add_thing(assembly, rng, center, size, rng.standard_normal(3))


def _add_other_hand(
    assembly: Assembly,
    rng: np.random.Generator,
    model: HandModel,
    hand: PlacedHand,
    tone: SkinTone,
) -> None:
    """A second hand of the same or another person beside the first."""
    rotation = sample_rotation(rng)
    if rng.random() < 0.6:
        rotation = rotation @ np.diag([1.0, -1.0, 1.0])
    middle = hand.joints_camera.mean(axis=0).astype(np.float64)
    angle = rng.uniform(0, 2 * np.pi)
    away = rng.uniform(0.09, 0.2)
    position = middle + np.array(
        [np.cos(angle) * away, np.sin(angle) * away, rng.normal(0.03, 0.07)]
    )
    distance = float(np.sqrt(position @ position))
    if position[2] < 0.12:
        return
    other = place_hand(model, sample_hand(rng, model), rotation, position / distance, distance)
    if rng.random() < 0.5:
        tone = sample_skin(rng)
    actors.add_hand(assembly, model, other.posed, other.camera_from_wrist, tone, False)


def _without_hand(assembly: Assembly, rng: np.random.Generator) -> None:
    """What may be taken for a hand: a head, a bare arm, things."""
    tone = sample_skin(rng)
    for chance in (0.3, 0.35, 0.4):
        center = np.array([*rng.uniform(-0.12, 0.12, 2), rng.uniform(0.5, 0.8)])
        if rng.random() > chance:
            continue
        if chance == 0.3:
            actors.add_head(assembly, rng, center, tone)
        elif chance == 0.35:
            _loose_arm(assembly, rng, tone, center)
        else:
            size = float(rng.uniform(0.01, 0.06))
            actors.add_thing(assembly, rng, center, size, rng.standard_normal(3))


def _loose_arm(
    assembly: Assembly, rng: np.random.Generator, tone: SkinTone, center: np.ndarray
) -> None:
    """An arm whose hand is not in the picture."""
    direction = rng.standard_normal(3) * np.array([1, 1, 0.4])
    direction /= np.sqrt(direction @ direction)
    steps = np.linspace(-0.6, 0.6, 12)
    bow = np.cross(direction, np.array([0, 0, 1.0])) * rng.normal(0, 0.3)
    path = center + steps[:, None] * direction + (steps**2)[:, None] * bow
    width = rng.uniform(0.025, 0.05)
    vertices, faces = actors.tube(path, width * (1 + 0.15 * np.sin(steps * 6)), 14)
    pigments = np.array([tone.melanin, tone.blood, tone.gloss], dtype=np.float32)
    if rng.random() < 0.6:
        rest = vertices + actors.FAR_FROM_PAINT
        assembly.add(vertices, faces, actors.skin_material(tone), rest, pigments)
    else:
        assembly.add(vertices, faces, actors.cloth_material(rng), vertices - center)


def render_crop_sample(
    rng: np.random.Generator, model: HandModel, size: int = 128
) -> dict[str, np.ndarray]:
    """
    A random training crop.

    :param size: side of the crop, pixels; even.
    :returns: image (S, S, 3) uint8 RGB; vertices (V, 3) and joints (21, 3) float32, crop pixels x, y
        and root-relative depth in metres at reference size; mask (S/2, S/2) uint8, 1 hand, 255
        ignore; mesh_valid bool; presence, side float32, see the training batch.
    """
    present = rng.random() >= NEGATIVE_SHARE
    mirrored = bool(rng.random() < MIRRORED_SHARE)
    hand = place_hand(
        model, sample_hand(rng, model), sample_rotation(rng), _ray(rng), sample_distance(rng)
    )
    intrinsics = crop_intrinsics(rng, hand.vertices_camera, size)
    assembly, tone = Assembly(), sample_skin(rng)
    if present:
        actors.add_hand(assembly, model, hand.posed, hand.camera_from_wrist, tone, True)
        _dress(assembly, rng, model, hand, tone)
        _add_things(assembly, rng, hand)
        if rng.random() < 0.1:
            _add_other_hand(assembly, rng, model, hand, tone)
        center = hand.joints_camera.mean(axis=0)
    else:
        _without_hand(assembly, rng)
        intrinsics = crop_intrinsics(None, _NEGATIVE_REGION * rng.uniform(0.5, 1.2), size)
        center = np.array([0, 0, 0.6])
    light = sample_light(rng)
    picture = _render(assembly, rng, model, intrinsics, size, size, center, light)
    image = _finish_crop(rng, picture, size, light)
    sample = _labels(hand, intrinsics, picture.cover)
    image, sample = (_mirror(image, sample, size)) if mirrored and present else (image, sample)
    sample['image'] = image
    sample['mesh_valid'] = np.bool_(present and not mirrored)
    sample['presence'] = np.float32(present)
    sample['side'] = np.float32(-1.0 if not present else 0.0 if mirrored else 1.0)
    return sample


_NEGATIVE_REGION = np.array([[-0.1, -0.1, 0.6], [0.1, 0.1, 0.6]])


def _render(
    assembly: Assembly,
    rng: np.random.Generator,
    model: HandModel,
    intrinsics: np.ndarray,
    width: int,
    height: int,
    center: np.ndarray,
    light: Light,
) -> Picture:
    seed = rng.uniform(0, 64, 2).astype(np.float32)
    exponent = float(np.exp(rng.uniform(np.log(6), np.log(40))))
    paint = skin_regions(model).paint
    return assembly.picture(
        intrinsics, width, height, light, paint, np.asarray(center), exponent, seed
    )


def _shadow_on_background(rng: np.random.Generator, cover: np.ndarray) -> np.ndarray:
    """A soft shadow of what is before it, as on a near wall or table; (H, W) 0..1."""
    shift = rng.normal(0, 0.07, 2) * cover.shape[0]
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
    size = (cover.shape[1], cover.shape[0])
    shadow = cv2.warpAffine(cover, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    sigma = float(rng.uniform(0.01, 0.07)) * cover.shape[0]
    return cv2.GaussianBlur(shadow, (0, 0), sigma) * float(rng.uniform(0.2, 0.75))


def _compose(
    rng: np.random.Generator, picture: Picture, width: int, height: int, light: Light
) -> np.ndarray:
    """Background, shadow on it, and what is before it; linear light, in the picture's own array."""
    background = paint_background(rng, width, height)
    gain = light.tint * np.exp(rng.normal(-0.05, 0.45))
    shadow = _NO_SHADOW
    if rng.random() < 0.25:
        shadow = _shadow_on_background(rng, np.ascontiguousarray(picture.cover[..., 0]))
    put_before(picture.color, picture.cover, background, gain.astype(np.float32), shadow)
    return picture.color


_NO_SHADOW = np.zeros((0, 0), dtype=np.float32)


def _exposure(linear: np.ndarray) -> float:
    """Gain that brings the picture's mean green, highlights held back, to a middle grey."""
    return 0.24 / (float(np.minimum(linear[::4, ::4, 1], 1.0).mean()) + 0.03)


def _finish_crop(
    rng: np.random.Generator, picture: Picture, size: int, light: Light
) -> np.ndarray:
    linear = blur(rng, _compose(rng, picture, size, size, light))
    image = develop(rng, linear, min(_exposure(linear), 2.2))
    if rng.random() < 0.35:
        image = lose_resolution(rng, image, 0.3)
    if rng.random() < 0.5:
        image = compress(rng, image)
    if rng.random() < 0.12:
        _cut_at_border(rng, image)
    return image


def _cut_at_border(rng: np.random.Generator, image: np.ndarray) -> None:
    """Black where the crop runs off the photograph."""
    size = image.shape[0]
    for side in range(4):
        if rng.random() < 0.4:
            cut = int(size * float(rng.beta(1, 3)) * 0.4)
            rows = image if side % 2 == 0 else image.transpose(1, 0, 2)
            rows[: cut if side < 2 else 0] = 0
            if side >= 2:
                rows[size - cut :] = 0


def _labels(hand: PlacedHand, intrinsics: np.ndarray, cover: np.ndarray) -> dict[str, np.ndarray]:
    size = float(np.linalg.norm(hand.posed.joints[MIDDLE_KNUCKLE] - hand.posed.joints[WRIST]))
    reference = HandTopology.open_hand().hand_size
    sample = {
        name: _crop_points(points, intrinsics, hand.joints_camera[WRIST, 2], reference / size)
        for name, points in (('vertices', hand.vertices_camera), ('joints', hand.joints_camera))
    }
    shape = (cover.shape[1] // 2, cover.shape[0] // 2)
    half = cv2.resize(cover, shape, interpolation=cv2.INTER_AREA)
    mask = (half[..., 1] > 0.5).astype(np.uint8)
    mask[(half[..., 2] > 0.35) & (half[..., 1] <= 0.5)] = IGNORE
    sample['mask'] = mask
    return sample


def _crop_points(
    points: np.ndarray, intrinsics: np.ndarray, root_depth: float, scale: float
) -> np.ndarray:
    """(N, 3) float32: crop pixels and root-relative depth at reference size."""
    out = np.empty(points.shape, dtype=np.float32)
    out[:, :2] = points[:, :2] / points[:, 2:] * intrinsics[0, 0] + intrinsics[:2, 2]
    out[:, 2] = (points[:, 2] - root_depth) * scale
    return out


def _mirror(
    image: np.ndarray, sample: dict[str, np.ndarray], size: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The crop as a left hand would give it if it were not mirrored."""
    sample['mask'] = np.ascontiguousarray(sample['mask'][:, ::-1])
    for name in ('vertices', 'joints'):
        sample[name][:, 0] = size - 1 - sample[name][:, 0]
    return np.ascontiguousarray(image[:, ::-1]), sample
