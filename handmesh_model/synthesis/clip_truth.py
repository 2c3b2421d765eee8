"""The true hands of a synthetic clip, as the predictor would hand them out if it made no error."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handmesh_model.errors import DatasetError
from handmesh_model.hand import Hand, HandBox, ScaleSource, Side
from handmesh_model.joints import MIDDLE_KNUCKLE, WRIST
from handmesh_model.synthesis.clip import ClipHand, check_seconds, clip_hands, frame_count
from handmesh_model.synthesis.frames import image_points
from handmesh_model.wrist import wrist_frame

TRACK_IDS: dict[Side, int] = {'right': 1, 'left': 2}
_AGREEMENT = 1e-4
"""Metres between the joints in the file and those posed again; the file rounds to 0.01 mm."""


@dataclass(frozen=True, eq=False)
class TrueHand:
    """
    A hand that is seen in a frame.

    :param angles: (25,) radians, see :data:`handmesh_model.angles.ANGLE_NAMES`.
    """

    hand: Hand
    angles: np.ndarray


def load_clip_truth(video: Path) -> list[list[TrueHand]]:
    """
    The hands in each frame of a clip that :func:`handmesh_model.synthesis.clip.write_clip` made.

    The JSON beside the clip says how it was made and which hands are seen; meshes and angles are
    posed again from that, and held to the joints in the file.

    :param video: the clip; the JSON lies beside it.
    :raises DatasetError: if the JSON is missing or is not the truth of such a clip.
    """
    path = video.with_suffix('.json')
    try:
        facts = json.loads(path.read_text(encoding='utf-8'))
        seed, seconds, hand_count = _recipe(facts)
        intrinsics = np.array(facts['intrinsics'], dtype=np.float64).reshape(3, 3)
        listed = [frame['hands'] for frame in facts['frames']]
        check_seconds(seconds)
        if frame_count(seconds) != len(listed):
            raise ValueError(
                f'it lists {len(listed)} frames, its recipe makes {frame_count(seconds)}'
            )
        posed = clip_hands(seed, seconds, hand_count)
        return [
            [_checked(hand, _of_side(frame, hand['side']), intrinsics) for hand in hands]
            for hands, frame in zip(listed, posed, strict=True)
        ]
    except (DatasetError, OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"'{path}' is not the truth of a clip by 'handmesh synthesize clip': {error}"
        ) from error


def _recipe(facts: dict[str, Any]) -> tuple[int, float, int]:
    """Seed, seconds, and how many hands."""
    # Older clips leave out what has its default.
    pattern = (
        r'handmesh synthesize clip --seed (\d+) --seconds (\d{1,4}(?:\.\d{1,20})?)'
        r'(?: --width \d+ --height \d+ --hands ([12]))?'
    )
    match = re.fullmatch(pattern, facts['made_by'])
    if not match:
        raise ValueError(f'made_by is {facts["made_by"]!r}')
    return int(match[1]), float(match[2]), int(match[3] or 2)


def _of_side(hands: list[ClipHand], side: str) -> ClipHand:
    for hand in hands:
        if hand.side == side:
            return hand
    raise ValueError(f'it lists a {side!r} hand, its recipe makes none')


def _checked(listed: dict[str, Any], posed: ClipHand, intrinsics: np.ndarray) -> TrueHand:
    joints = posed.placed.joints_camera.astype(np.float64)
    vertices = posed.placed.vertices_camera.astype(np.float64)
    error = np.abs(joints - np.array(listed['joints_camera'])).max()
    if not error < _AGREEMENT:
        raise ValueError(f'joints posed again are {1000 * error:.3g} mm off')
    x_min, y_min, x_max, y_max = map(float, listed['box'])
    side, track_id = posed.side, TRACK_IDS[posed.side]
    box = HandBox(x_min, y_min, x_max, y_max, 1.0, side, track_id)
    return TrueHand(true_hand(joints, vertices, side, track_id, intrinsics, box), posed.angles)


def true_hand(
    joints: np.ndarray,
    vertices: np.ndarray,
    side: Side,
    track_id: int,
    intrinsics: np.ndarray,
    box: HandBox,
) -> Hand:
    """
    A hand as the predictor would hand it out if it made no error.

    :param joints: (21, 3) float64 metres, camera frame; ``vertices`` (V, 3) likewise.
    :param intrinsics: (3, 3) pixels.
    """
    return Hand(
        side=side,
        score=1.0,
        box=box,
        joints_image=image_points(joints, intrinsics),
        joints_confidence=np.ones(len(joints)),
        vertices_image=image_points(vertices, intrinsics),
        joints_camera=joints,
        vertices_camera=vertices,
        wrist_pose=wrist_frame(joints, side),
        scale_source=ScaleSource.PARAMETER,
        hand_size=float(np.linalg.norm(joints[MIDDLE_KNUCKLE] - joints[WRIST])),
        track_id=track_id,
    )
