"""Whole pictures with any number of hands of both sides, for training and testing a detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handmesh_model.hand import HandBox, Side
from handmesh_model.synthesis import staging
from handmesh_model.synthesis.actors import add_hand
from handmesh_model.synthesis.appearance import SkinTone, sample_skin
from handmesh_model.synthesis.assembly import Assembly, Picture
from handmesh_model.synthesis.finishing import finish_frame, render
from handmesh_model.synthesis.geometry import moved
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.lighting import sample_light
from handmesh_model.synthesis.noise import pick
from handmesh_model.synthesis.placement import MIRROR, PlacedHand, place_hand, sample_hand
from handmesh_model.synthesis.rasterizer import rasterize
from handmesh_model.synthesis.rig import FOREARM_PART
from handmesh_model.synthesis.vertices import project
from handmesh_model.synthesis.viewpoints import sample_rotation

HAND_LENGTH = 0.18
"""Metres; what a hand's share of a frame's height is measured by."""
_LEAST_VISIBLE = 0.12
_HAND_COUNTS = (0.2, 0.45, 0.28, 0.07)


@dataclass(frozen=True, eq=False)
class FrameHand:
    """
    One hand of a frame.

    :param box: tight around the network's mesh, cut at the picture's border, pixels.
    :param joints_image: (21, 2) pixels.
    :param joints_camera: (21, 3) metres; vertices_camera (V, 3) metres.
    :param visible: share of the hand's silhouette that is in the picture and not covered.
    """

    box: HandBox
    joints_image: np.ndarray
    joints_camera: np.ndarray
    vertices_camera: np.ndarray
    visible: float

    @property
    def side(self) -> Side:
        """'left' or 'right', as its box has it."""
        assert self.box.side is not None
        return self.box.side


@dataclass(frozen=True, eq=False)
class Frame:
    """
    A picture and its hands.

    :param image: (H, W, 3) uint8 RGB.
    :param intrinsics: (3, 3), pixel centres at integers.
    """

    image: np.ndarray
    hands: list[FrameHand]
    intrinsics: np.ndarray


def frame_intrinsics(width: int, height: int, focal: float) -> np.ndarray:
    """A camera matrix with the principal point in the middle; ``focal`` in pixels."""
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]])


def render_frame(
    rng: np.random.Generator,
    model: HandModel,
    width: int = 320,
    height: int = 240,
    hand_count: int | None = None,
) -> Frame:
    """
    A random picture; hands measure a tenth to four fifths of its height.

    :param width: pixels, even; ``height`` likewise.
    :param hand_count: hands put in (one that ends up hidden is not listed); None draws it.
    """
    intrinsics = frame_intrinsics(
        width, height, float(max(width, height) * rng.uniform(0.65, 1.3))
    )
    count = pick(rng, _HAND_COUNTS) if hand_count is None else hand_count
    assembly, tone = Assembly(), sample_skin(rng)
    hands: list[PlacedHand] = []
    for number in range(count):
        hand = _place(rng, model, intrinsics, width, height, hands)
        if number and rng.random() < 0.3:
            tone = sample_skin(rng)
        add_hand(assembly, model, hand, tone, True, number)
        staging.dress(assembly, rng, model, hand, tone, body=0.5)
        staging.add_things(assembly, rng, hand)
        hands.append(hand)
    if not hands or rng.random() < 0.2:
        _distract(assembly, rng, tone, bool(hands))
    light = sample_light(rng)
    middle = hands[0].joints_camera.mean(axis=0) if hands else np.array([0, 0, 0.6])
    picture = render(assembly, rng, model, intrinsics, width, height, middle, light)
    image = finish_frame(rng, picture, width, height, light)
    listed = [
        describe(hand, number, picture, intrinsics, model) for number, hand in enumerate(hands)
    ]
    return Frame(image, [h for h in listed if h.visible >= _LEAST_VISIBLE], intrinsics)


def _distract(
    assembly: Assembly, rng: np.random.Generator, tone: SkinTone, has_hands: bool
) -> None:
    for _ in range(1 if has_hands else int(rng.integers(1, 3))):
        staging.add_distractors(assembly, rng, reach=0.35)


def _place(
    rng: np.random.Generator,
    model: HandModel,
    intrinsics: np.ndarray,
    width: int,
    height: int,
    others: list[PlacedHand],
) -> PlacedHand:
    """A hand of either side, mostly inside the picture and not right before another."""
    focal = intrinsics[0, 0]
    rotation = sample_rotation(rng)
    if rng.random() < 0.5:
        rotation = rotation @ MIRROR
    posed = sample_hand(rng, model)
    share = float(np.exp(rng.uniform(np.log(0.1), np.log(0.8))))
    distance = float(np.clip(focal * HAND_LENGTH / (share * height), 0.18, 6.0))
    radius = 0.5 * focal * HAND_LENGTH / distance
    for _ in range(8):
        inset = min(0.35 * radius, 0.4 * min(width, height))
        spot = rng.uniform([inset, inset], [width - inset, height - inset])
        gaps = [np.hypot(*(spot - _middle(other, intrinsics))) for other in others]
        if not gaps or min(gaps) > 1.3 * radius:
            break
    ray = np.array([*((spot - intrinsics[:2, 2]) / focal), 1.0])
    return place_hand(posed, rotation, ray / np.sqrt(ray @ ray), distance)


def _middle(hand: PlacedHand, intrinsics: np.ndarray) -> np.ndarray:
    return image_points(hand.joints_camera, intrinsics).mean(axis=0)


def image_points(points: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """(N, 2) float64 pixels of (N, 3) points in the camera frame."""
    homogeneous = points.astype(np.float64) @ intrinsics.T
    return homogeneous[:, :2] / homogeneous[:, 2:]


def describe(
    hand: PlacedHand, owner: int, picture: Picture, intrinsics: np.ndarray, model: HandModel
) -> FrameHand:
    """
    A placed hand's labels.

    :param owner: the number it was put into the assembly with.
    """
    height, width = picture.color.shape[:2]
    seen = int(np.count_nonzero(picture.owners == owner))
    corners = image_points(hand.vertices_camera, intrinsics)
    limit = np.array([width - 1, height - 1])
    box = HandBox.around(np.clip(corners, 0, limit), side=hand.side)
    return FrameHand(
        box=box,
        joints_image=image_points(hand.joints_camera, intrinsics),
        joints_camera=hand.joints_camera,
        vertices_camera=hand.vertices_camera,
        visible=min(1.0, seen / max(_alone(hand, intrinsics, model), 1.0)),
    )


def _alone(hand: PlacedHand, intrinsics: np.ndarray, model: HandModel) -> float:
    """Samples that the hand's silhouette would have in a picture that has room for it."""
    faces = model.faces_of(hand.side)
    faces = faces[(model.part != FOREARM_PART)[faces].all(axis=1)]
    points = project(moved(hand.posed.vertices, hand.camera_from_wrist), intrinsics)
    used = points[np.unique(faces)]
    low, high = used[:, :2].min(axis=0), used[:, :2].max(axis=0)
    # Coarse where the hand is large: this is only a share.
    step = max(1.0, float((high - low).max()) / 200)
    points[:, :2] = (points[:, :2] - low) / step + 1
    size = np.ceil((high - low) / step).astype(int) + 3
    depth = np.zeros((size[1], size[0]), dtype=np.float32)
    rasterize(points, faces, depth, np.empty(depth.shape, dtype=np.int32))
    return float((depth > 0).sum()) * step * step
