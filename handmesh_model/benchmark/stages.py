"""The stages around the network, each on its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from handmesh_model.benchmark.frames import SIZES, clip_frames, clip_intrinsics
from handmesh_model.benchmark.timing import Effort, take_turns
from handmesh_model.view import View
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

    The first two have the picture's way to the device in them where one computes on it, since
    each begins with a picture that is new; all of a frame has it once.

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

    def detect() -> None:
        predictor.begin(rgb)
        predictor.detect(rgb)

    def crop() -> None:
        predictor.begin(rgb)
        # The network's input as it is made for this backend, on its device.
        crops, _ = predictor.estimator._crops(rgb, boxes)
        wait_for_device(crops)

    return {
        'detect': detect,
        'crop': crop,
        'place': lambda: [predictor.place(e, View(intrinsics)) for e in estimates],
        'draw': lambda: draw_hands(rgb, hands, predictor.topology, intrinsics),
    }


def wait_for_device(made: np.ndarray | Tensor) -> None:
    """Wait until what was begun on a GPU is there; arrays and tensors of the CPU are."""
    if isinstance(made, Tensor) and made.device.type == 'cuda':
        torch.cuda.current_stream(made.device).synchronize()
