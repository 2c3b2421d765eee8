"""Clips of the performances: pictures, and the true hands in each of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handmesh_model.ar.performances import RATE, Performance
from handmesh_model.errors import DatasetError
from handmesh_model.hand import Hand, HandBox, Side
from handmesh_model.npz_files import read_arrays
from handmesh_model.output_files import written_beside
from handmesh_model.synthesis.appearance import sample_skin
from handmesh_model.synthesis.clip import film
from handmesh_model.synthesis.clip_truth import true_hand
from handmesh_model.synthesis.frames import Frame, frame_intrinsics, image_points
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.renderer_version import renderer_version
from handmesh_model.video_files import write_video

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
    tone = sample_skin(np.random.default_rng((seed, 0)))
    intrinsics = clip_intrinsics(width, height)
    return film(model, tone, performance.frames, seed, intrinsics, (width, height))


def write_performance(path: Path, performance: Performance, seed: int) -> None:
    """
    Write a clip (.mp4), its camera (.json) and its truth (.npz) beside each other.

    :param path: of the video, which is there when it is whole.
    :raises OutputError: if a file cannot be written.
    """
    facts = {
        'made_by': _made_by(performance, seed),
        'intrinsics': clip_intrinsics().tolist(),
        'width': WIDTH,
        'height': HEIGHT,
        'rate': RATE,
    }
    truth = truth_of(performance)
    # Each takes its place when those further in have: is_written() takes the JSON's word for all.
    with written_beside(path.with_suffix('.json')) as text:
        text.write_text(json.dumps(facts) + '\n', encoding='utf-8')
        with written_beside(path.with_suffix('.npz')) as arrays:
            np.savez_compressed(
                arrays,
                joints_camera=truth.joints_camera,
                vertices_camera=truth.vertices_camera,
                sides=np.array(truth.sides),
            )
            with written_beside(path) as video:
                pictures = (frame.image for frame in render_performance(performance, seed))
                write_video(video, path, pictures, RATE, (WIDTH, HEIGHT))


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
        f'renderer {renderer_version(entries=(__name__,))}'
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
    joints: np.ndarray, vertices: np.ndarray, number: int, name: str, intrinsics: np.ndarray
) -> Hand:
    side: Side = 'left' if name == 'left' else 'right'
    # Around the whole hand, also where the picture cuts it.
    box = HandBox.around(image_points(vertices, intrinsics), side=side, track_id=number)
    return true_hand(joints, vertices, side, number, intrinsics, box)
