"""The stages around the network, each on its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from handmesh_model.benchmark.frames import SIZES, clip_frames, clip_intrinsics
from handmesh_model.benchmark.timing import Effort, take_turns
from handmesh_model.crop import crop_hands
from handmesh_model.visualization import draw_hands

if TYPE_CHECKING:
    from handmesh_model.hand import Hand
    from handmesh_model.predictor import HandMeshPredictor

Progress = Callable[[str], None]


def measure_stages(
    predictor: HandMeshPredictor,
    effort: Effort,
    sizes: Sequence[tuple[int, int]] = SIZES,
    tell: Progress = print,
) -> dict[str, Any]:
    """
    Time each stage of one hand in one picture on its own: detect, crop, place, draw.

    :returns: figures of stages by size such as '640x480'; empty where no hand is found.
    """
    report: dict[str, Any] = {}
    for width, height in sizes:
        tell(f'  {width} x {height}')
        rgb = clip_frames(width, height, 1)[0]
        intrinsics = clip_intrinsics(width, height)
        hands = predictor.predict(rgb, intrinsics)[:1]
        timings = take_turns(_stages(predictor, rgb, intrinsics, hands), effort) if hands else {}
        report[f'{width}x{height}'] = {name: t.figures() for name, t in timings.items()}
    return report


def _stages(
    predictor: HandMeshPredictor, rgb: np.ndarray, intrinsics: np.ndarray, hands: list[Hand]
) -> dict[str, Callable[[], object]]:
    boxes = [hand.box for hand in hands]
    estimates = predictor.estimator.estimate(rgb, boxes)
    size = predictor.estimator.input_size
    return {
        'detect': lambda: predictor.detect(rgb),
        'crop': lambda: crop_hands(rgb, boxes, size),
        'place': lambda: [predictor.place(e, intrinsics) for e in estimates],
        'draw': lambda: draw_hands(rgb, hands, predictor.topology, intrinsics),
    }
