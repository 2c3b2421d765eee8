"""Clips of the performances: pictures, and the true hands in each of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from handmesh_model.ar.performances import RATE, Performance
from handmesh_model.errors import DatasetError
from handmesh_model.hand import Hand, HandBox, ScaleSource, Side
from handmesh_model.joints import MIDDLE_KNUCKLE, WRIST
from handmesh_model.npz_files import read_arrays
from handmesh_model.output_files import written_beside
from handmesh_model.synthesis.appearance import sample_skin
from handmesh_model.synthesis.backgrounds import paint_background
from handmesh_model.synthesis.clip import film_frame
from handmesh_model.synthesis.frames import Frame, frame_intrinsics, image_points
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.lighting import sample_light
from handmesh_model.synthesis.renderer_version import renderer_version
from handmesh_model.video_files import open_video
from handmesh_model.wrist import wrist_frame

WIDTH, HEIGHT = 640, 480
FOCAL = 600.0
"""Pixels; a camera of about 56 degrees."""
_ARRAYS = ('joints_camera', 'vertices_camera', 'sides')


@dataclass(frozen=True, eq=False)
class Truth:
    """
    The true hands of a clip of N frames with H hands each.

    :param joints_camera: (N, H, 21, 3) float32 metres.
    :param vertices_camera: (N, H, V, 3) float32 metres.
    :param sides: 'left' or 'right' of each of the H hands.
    """

    joints_camera: np.ndarray
    vertices_camera: np.ndarray
    sides: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.joints_camera)


def truth_of(performance: Performance) -> Truth:
    """The hands of a performance as arrays."""
    frames = performance.frames
    return Truth(
        np.array([[hand.joints_camera for hand in f] for f in frames], dtype=np.float32),
        np.array([[hand.vertices_camera for hand in f] for f in frames], dtype=np.float32),
        performance.sides,
    )


def clip_intrinsics(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """(3, 3) camera matrix of the clips, pixels."""
    return frame_intrinsics(width, height, FOCAL * width / WIDTH)


def render_performance(
    performance: Performance, seed: int, width: int = WIDTH, height: int = HEIGHT
) -> Iterator[Frame]:
    """
    The frames of a performance before a painted room, with the project's own renderer.

    :param seed: of room, light, skin and sleeves.
    """
    model = HandModel.load()
    background = paint_background(np.random.default_rng((seed, 1)), width, height)
    light = sample_light(np.random.default_rng((seed, 2)))
    tone = sample_skin(np.random.default_rng((seed, 0)))
    intrinsics = clip_intrinsics(width, height)
    for number, hands in enumerate(performance.frames):
        tones = [tone] * len(hands)
        yield film_frame(model, tones, hands, seed, number, background, light, intrinsics)


def write_performance(path: Path, performance: Performance, seed: int) -> None:
    """
    Write a clip (.mp4), its camera (.json) and its truth (.npz) beside each other.

    :param path: of the video, which is there when it is whole.
    :raises OutputError: if the video cannot be written.
    """
    with written_beside(path) as part:
        writer = open_video(part, path, RATE, (WIDTH, HEIGHT))
        for frame in render_performance(performance, seed):
            writer.write(cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
        writer.release()
    facts = {
        'made_by': _made_by(performance, seed),
        'intrinsics': clip_intrinsics().tolist(),
        'width': WIDTH,
        'height': HEIGHT,
        'rate': RATE,
    }
    path.with_suffix('.json').write_text(json.dumps(facts) + '\n', encoding='utf-8')
    truth = truth_of(performance)
    np.savez_compressed(
        path.with_suffix('.npz'),
        joints_camera=truth.joints_camera,
        vertices_camera=truth.vertices_camera,
        sides=np.array(truth.sides),
    )


def is_written(path: Path, performance: Performance, seed: int) -> bool:
    """
    Whether a clip is there that :func:`write_performance` wrote, of this performance and with the
    renderer of now.

    The video is not read: :func:`write_performance` leaves none that is not whole.

    :param path: of the video.
    """
    if not path.is_file():
        return False
    try:
        facts = json.loads(path.with_suffix('.json').read_text(encoding='utf-8'))
        truth = read_truth(path.with_suffix('.npz'))
    except (OSError, ValueError, DatasetError):
        return False
    ours = truth_of(performance)
    return (
        isinstance(facts, dict)
        and facts.get('made_by') == _made_by(performance, seed)
        and truth.sides == ours.sides
        and np.array_equal(truth.joints_camera, ours.joints_camera)
        and np.array_equal(truth.vertices_camera, ours.vertices_camera)
    )


def _made_by(performance: Performance, seed: int) -> str:
    return (
        f'handmesh_model.ar.clips, performance {performance.name}, seed {seed}, '
        f'renderer {renderer_version()}'
    )


def read_truth(path: Path) -> Truth:
    """
    Read the truth beside a clip.

    :param path: of the .npz; no pickles are read.
    :raises DatasetError: if it is missing, damaged, or its arrays do not fit.
    """
    try:
        arrays = read_arrays(path)
        joints, vertices, names = (arrays[name] for name in _ARRAYS)
    except (ValueError, KeyError) as error:
        raise DatasetError(f"cannot read truth '{path}': {error}") from error
    sides = tuple(str(side) for side in np.atleast_1d(names))
    fits = (
        joints.ndim == vertices.ndim == 4
        and joints.shape[:2] == vertices.shape[:2]
        and joints.shape[1:] == (len(sides), 21, 3)
        and vertices.shape[3] == 3
        and set(sides) <= {'left', 'right'}
    )
    if not fits:
        raise DatasetError(
            f"truth '{path}' has joints {joints.shape}, vertices {vertices.shape} and sides "
            f'{sides}, expected (N, H, 21, 3), (N, H, V, 3) and H sides'
        )
    return Truth(joints, vertices, sides)


def true_hands(truth: Truth, intrinsics: np.ndarray) -> list[list[Hand]]:
    """
    The hands of each frame as the predictor would hand them out if it made no error.

    :param intrinsics: (3, 3) pixels.
    """
    return [
        [
            _true_hand(
                joints.astype(np.float64), vertices.astype(np.float64), number, side, intrinsics
            )
            for number, (joints, vertices, side) in enumerate(
                zip(frame_joints, frame_vertices, truth.sides, strict=True), start=1
            )
        ]
        for frame_joints, frame_vertices in zip(
            truth.joints_camera, truth.vertices_camera, strict=True
        )
    ]


def _true_hand(
    joints: np.ndarray, vertices: np.ndarray, number: int, side: str, intrinsics: np.ndarray
) -> Hand:
    pixels = image_points(vertices, intrinsics)
    kind: Side = 'left' if side == 'left' else 'right'
    return Hand(
        side=kind,
        score=1.0,
        box=HandBox.around(pixels, side=kind, track_id=number),
        joints_image=image_points(joints, intrinsics),
        joints_confidence=np.ones(len(joints)),
        vertices_image=pixels,
        joints_camera=joints,
        vertices_camera=vertices,
        wrist_pose=wrist_frame(joints, kind),
        scale_source=ScaleSource.PARAMETER,
        hand_size=float(np.linalg.norm(joints[MIDDLE_KNUCKLE] - joints[WRIST])),
        track_id=number,
    )
