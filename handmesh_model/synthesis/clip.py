"""A video of hands that move smoothly, with what is true in each frame."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handmesh_model.checks import check_range
from handmesh_model.errors import DatasetError
from handmesh_model.hand import Side
from handmesh_model.output_files import written_beside
from handmesh_model.synthesis import staging
from handmesh_model.synthesis.actors import add_hand
from handmesh_model.synthesis.appearance import SkinTone, sample_skin
from handmesh_model.synthesis.assembly import Assembly
from handmesh_model.synthesis.backgrounds import paint_background
from handmesh_model.synthesis.camera_effects import develop
from handmesh_model.synthesis.checks import check_side
from handmesh_model.synthesis.finishing import NO_SHADOW, exposure, render
from handmesh_model.synthesis.frames import Frame, FrameHand, describe, frame_intrinsics
from handmesh_model.synthesis.geometry import quaternion_from_rotation, rotation_about, slerp
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.lighting import Light, sample_light
from handmesh_model.synthesis.placement import PlacedHand, place_hand
from handmesh_model.synthesis.poses import GESTURES, clip_to_limits
from handmesh_model.synthesis.vertices import put_before
from handmesh_model.synthesis.viewpoints import looking
from handmesh_model.video_files import write_video

FRAME_RATE = 30.0
"""Frames a second."""
MAX_SECONDS = 3600
"""Of the longest clip."""
_GESTURES = (
    ('open', 'fist', 'point', 'v', 'spread', 'ok', 'thumb_up', 'open'),
    ('rest', 'spread', 'loose_fist', 'pinch', 'open', 'point', 'spread', 'rest'),
)
_UP, _TOWARDS = (0.0, -1.0, 0.0), (0.0, 0.0, 1.0)
_VIEWS = (
    looking(_UP, _TOWARDS),
    looking((-0.35, -1, 0.1), (0.5, 0.2, 1)),
    looking((0.3, -1, 0.2), (-0.6, 0, 1)),
    looking((-0.8, -0.6, 0.1), (0.1, 0.3, 1)),
    looking(_UP, (0.75, 0, -1)),
)
_SIDES: tuple[Side, Side] = ('right', 'left')
_MIRROR_IMAGE = np.diag([-1.0, 1.0, 1.0])
_SECONDS_A_KEY = 0.9
_FOCAL_SHARE = 0.95


@dataclass(frozen=True, eq=False)
class _Actor:
    """One hand's keys: joint angles (K, 25), quaternions (K, 4), positions (K, 3) metres."""

    side: Side
    angles: np.ndarray
    quaternions: np.ndarray
    positions: np.ndarray
    shape: np.ndarray

    def at(self, key: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Angles, rotation and position at a (fractional) key."""
        first = int(np.clip(np.floor(key), 0, len(self.angles) - 2))
        share = float(np.clip(key - first, 0, 1))
        # Slow at the keys: a gesture is held for a moment.
        eased = share * share * (3 - 2 * share)
        angles = (1 - eased) * self.angles[first] + eased * self.angles[first + 1]
        rotation = slerp(self.quaternions[first], self.quaternions[first + 1], eased)
        position = _between(self.positions, key)
        return clip_to_limits(angles), rotation, position


def _between(points: np.ndarray, key: float) -> np.ndarray:
    """A Catmull-Rom curve through points (K, 3), one a key."""
    i = int(np.clip(np.floor(key), 0, len(points) - 2))
    t = float(np.clip(key - i, 0, 1))
    a, b, c, d = (points[int(np.clip(i + k, 0, len(points) - 1))] for k in (-1, 0, 1, 2))
    return 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )


@dataclass(frozen=True, eq=False)
class _Cast:
    """One person's hands: their keys and skin, and the key (N,) of each frame."""

    actors: list[_Actor]
    tone: SkinTone
    keys: np.ndarray

    @classmethod
    def of(cls, seed: int, seconds: float, model: HandModel, hand_count: int) -> _Cast:
        """The right hand stays in the picture; the left one comes in and leaves again."""
        rng = np.random.default_rng((seed, 0))
        last = max(1, round(seconds / _SECONDS_A_KEY))
        shape = rng.standard_normal(model.shape_count).clip(-1.2, 1.2)
        tone = sample_skin(rng)
        actors = [_cast(rng, number, last + 1, shape) for number in range(hand_count)]
        count = frame_count(seconds)
        return cls(actors, tone, np.arange(count) / max(count - 1, 1) * last)

    def hands(self, model: HandModel) -> Iterator[list[ClipHand]]:
        """The hands of each frame."""
        for key in self.keys:
            yield [_placed(model, actor, key) for actor in self.actors]


def _cast(rng: np.random.Generator, number: int, keys: int, shape: np.ndarray) -> _Actor:
    """The first or the second hand of the clip."""
    names = _GESTURES[number]
    angles = np.stack([GESTURES[names[k % len(names)]] for k in range(keys)])
    angles[:, :3] += rng.normal(0, 0.1, (keys, 3))
    rotations = [
        rotation_about(rng.standard_normal(3), float(rng.normal(0, 0.2)))
        @ _VIEWS[int(rng.integers(len(_VIEWS)))]
        for _ in range(keys)
    ]
    middle = np.array([0.10 if number == 0 else -0.13, 0.01, 0.47])
    positions = middle + rng.normal(0, 1, (keys, 3)) * np.array([0.025, 0.025, 0.05])
    if number == 1:
        positions[[0, 1, -1], 0] = -0.62
        positions[[0, 1, -1], 1] = 0.15
    quaternions = np.stack([quaternion_from_rotation(rotation) for rotation in rotations])
    return _Actor(_SIDES[number], angles, quaternions, positions, shape)


def _placed(model: HandModel, actor: _Actor, key: float) -> ClipHand:
    angles, rotation, position = actor.at(key)
    if actor.side == 'left':
        # In a mirror, the view of a right hand is that of a left one.
        rotation = _MIRROR_IMAGE @ rotation
    distance = float(np.sqrt(position @ position))
    posed = model.pose(angles, actor.shape)
    return ClipHand(angles, place_hand(posed, rotation, position / distance, distance))


@dataclass(frozen=True, eq=False)
class ClipHand:
    """
    A hand of a clip as it is posed, seen or not.

    :param angles: (25,) radians, see :data:`handmesh_model.angles.ANGLE_NAMES`.
    """

    angles: np.ndarray
    placed: PlacedHand

    @property
    def side(self) -> Side:
        """'left' or 'right'."""
        return self.placed.side


def frame_count(seconds: float) -> int:
    """How many frames a clip has."""
    return round(seconds * FRAME_RATE)


def clip_hands(seed: int, seconds: float, hand_count: int = 2) -> Iterator[list[ClipHand]]:
    """
    The hands of each frame of the clip of that seed, without its pictures.

    :param hand_count: 1 or 2.
    """
    model = HandModel.load()
    return _Cast.of(seed, seconds, model, hand_count).hands(model)


def render_clip(
    seed: int, seconds: float, width: int, height: int, hand_count: int = 2
) -> Iterator[Frame]:
    """
    The frames of a clip at :data:`FRAME_RATE`.

    :param hand_count: 1 or 2.
    """
    model = HandModel.load()
    cast = _Cast.of(seed, seconds, model, hand_count)
    frames = ([hand.placed for hand in hands] for hands in cast.hands(model))
    intrinsics = _intrinsics(width, height)
    return film(model, cast.tone, frames, seed, intrinsics, (width, height))


def _intrinsics(width: int, height: int) -> np.ndarray:
    return frame_intrinsics(width, height, _FOCAL_SHARE * max(width, height))


def film(
    model: HandModel,
    tone: SkinTone,
    frames: Iterable[Sequence[PlacedHand]],
    seed: int,
    intrinsics: np.ndarray,
    size: tuple[int, int],
) -> Iterator[Frame]:
    """
    Film one person's hands: fixed camera, room and light.

    :param tone: of their skin.
    :param frames: the hands of each frame, at least one.
    :param seed: of what stays the same: room, light and sleeves.
    :param intrinsics: (3, 3), pixel centres at integers.
    :param size: width and height, pixels, even.
    """
    background = paint_background(np.random.default_rng((seed, 1)), *size)
    light = sample_light(np.random.default_rng((seed, 2)))
    for number, hands in enumerate(frames):
        yield _film_frame(model, tone, hands, seed, number, background, light, intrinsics)


def _film_frame(
    model: HandModel,
    tone: SkinTone,
    hands: Sequence[PlacedHand],
    seed: int,
    number: int,
    background: np.ndarray,
    light: Light,
    intrinsics: np.ndarray,
) -> Frame:
    """
    One frame: hands with their arms before a background.

    :param number: of the frame; its noise is its own.
    :param background: (H, W, 3) linear RGB.
    """
    height, width = background.shape[:2]
    assembly = Assembly()
    for i, hand in enumerate(hands):
        add_hand(assembly, model, hand, tone, True, i)
        # The same random numbers in every frame: the same sleeve.
        wardrobe = np.random.default_rng((seed, 3))
        staging.dress(assembly, wardrobe, model, hand, tone, body=0.0)
    middle = hands[0].joints_camera.mean(axis=0)
    look = np.random.default_rng((seed, 4))
    picture = render(assembly, look, model, intrinsics, width, height, middle, light)
    put_before(picture.color, picture.cover, background, light.tint.astype(np.float32), NO_SHADOW)
    gain = min(exposure(background), 2.2)
    image = develop(look, picture.color, gain, noise=0.25, noise_seed=number + 1)
    listed = [describe(hand, i, picture, intrinsics, model) for i, hand in enumerate(hands)]
    return Frame(image, [hand for hand in listed if hand.visible > 0.05], intrinsics)


def write_clip(
    path: Path,
    seed: int = 14,
    seconds: float = 7.0,
    width: int = 640,
    height: int = 480,
    hand_count: int = 2,
) -> tuple[Path, Path]:
    """
    Write a clip as MPEG-4 and its truth as JSON beside it.

    The JSON holds ``made_by`` (a command), ``intrinsics`` (3, 3), ``width``, ``height``, ``rate``
    (frames a second) and for each of ``frames`` its ``hands``: ``side``, ``box`` (x_min, y_min,
    x_max, y_max in pixels), ``visible`` (share), ``joints_image`` (21, 2) pixels and
    ``joints_camera`` (21, 3) metres.

    :returns: the two files.
    :raises DatasetError: if a number is out of range.
    :raises OutputError: if a file cannot be written.
    """
    # Programs that only read clips do without it.
    from tqdm import tqdm

    _check(seed, seconds, width, height)
    beside = path.with_suffix('.json')
    with written_beside(path) as video, written_beside(beside) as text:
        listed: list[dict[str, Any]] = []
        frames = render_clip(seed, seconds, width, height, hand_count)
        shown = tqdm(frames, total=frame_count(seconds), unit='frame', disable=None)
        write_video(video, path, _pictures(shown, listed), FRAME_RATE, (width, height))
        truth = {
            'made_by': f'handmesh synthesize clip --seed {seed} '
            f'--seconds {np.format_float_positional(seconds, trim="-")} '
            f'--width {width} --height {height} --hands {hand_count}',
            'intrinsics': _intrinsics(width, height).tolist(),
            'width': width,
            'height': height,
            'rate': FRAME_RATE,
            'frames': listed,
        }
        text.write_text(json.dumps(truth, separators=(',', ':')) + '\n')
    return path, beside


def _check(seed: int, seconds: float, width: int, height: int) -> None:
    check_range('seed', seed, 0, error=DatasetError)
    check_side('width', width)
    check_side('height', height)
    check_seconds(seconds)


def check_seconds(seconds: float) -> None:
    """
    Check the length of a clip.

    :raises DatasetError: if it is less than a frame or more than :data:`MAX_SECONDS`.
    """
    if not 1 / FRAME_RATE <= seconds <= MAX_SECONDS:
        raise DatasetError(
            f'seconds is {seconds}, expected one frame (1/{FRAME_RATE:g}) to {MAX_SECONDS}'
        )


def _pictures(frames: Iterable[Frame], listed: list[dict[str, Any]]) -> Iterator[np.ndarray]:
    """The pictures of frames; what is true in each is listed on the way."""
    for frame in frames:
        listed.append({'hands': [_truth(hand) for hand in frame.hands]})
        yield frame.image


def _truth(hand: FrameHand) -> dict[str, Any]:
    box = hand.box
    corners = (box.x_min, box.y_min, box.x_max, box.y_max)
    return {
        'side': hand.side,
        'box': [round(float(value), 2) for value in corners],
        'visible': round(hand.visible, 3),
        'joints_image': np.round(hand.joints_image, 2).tolist(),
        'joints_camera': np.round(hand.joints_camera.astype(float), 5).tolist(),
    }
