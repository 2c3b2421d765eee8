"""How well a detector finds hands: on rendered frames kept apart, and on real pictures."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from handmesh_model.boxes import intersection_over_union
from handmesh_model.detector import HandDetector
from handmesh_model.hand import HandBox
from handmesh_model.network.hand_detector import HandDetectorNet
from handmesh_model.sample_rng import sample_rng
from handmesh_model.training.detector_frames import FRAME_SIZE, unpack
from handmesh_model.training.renderer import load_renderer

FRAMES = 200
SEED = 77_000_001
_FOUND_IOU = 0.5
_MOST_BOXES = 4
_SMALLEST_SHARE = 0.08
"""Hands smaller than this part of the picture's side are not asked for."""
_MARGIN = 0.1

Example = tuple[np.ndarray, list[HandBox]]


class Validation:
    """
    Pictures with known hands.

    :param renderer: renders frames, see :class:`DetectorTrainingConfig`.
    :param real: folder of real pictures, see :mod:`handmesh_model.datasets.real_images`.
    """

    def __init__(self, renderer: str, real: Path | None = None) -> None:
        render = load_renderer(renderer)
        self._rendered = [_example(render(sample_rng(SEED, i), FRAME_SIZE)) for i in range(FRAMES)]
        self._real: dict[str, list[Example]] = {}
        if real is not None:
            from handmesh_model.datasets.real_images import read_real_images

            self._real = {
                name: [
                    (sample.load(), [sample.vertex_box]) for sample in samples if sample.reliable
                ]
                for name, samples in read_real_images(real).items()
            }

    def measure(self, net: HandDetectorNet) -> dict[str, float]:
        """
        Figures of a network, which is left as it is.

        :returns: 'missed' share of hands, 'false' boxes a picture, 'side' share of wrong sides
            and 'side_unknown' share of unclear ones, which the mesh network decides, both among
            found hands; the same with the name of each real set before it.
        """
        detector = HandDetector(copy.deepcopy(net))
        figures = measure(detector, self._rendered)
        for name, examples in self._real.items():
            figures |= {f'{name}_{k}': v for k, v in measure(detector, examples).items()}
        return figures


def measure(detector: HandDetector, examples: Iterable[Example]) -> dict[str, float]:
    """See :meth:`Validation.measure`."""
    missed = false = hands = wrong_sides = unknown_sides = pictures = 0
    for rgb, truth in examples:
        boxes = detector.detect(rgb, _MOST_BOXES)
        height, width = rgb.shape[:2]
        asked = [box for box in truth if box.score and _is_asked_for(box, width, height)]
        found = [(hand, _best(hand, boxes)) for hand in asked]
        missed += sum(box is None for _, box in found)
        told = [(hand.side, box.side) for hand, box in found if box is not None]
        unknown_sides += sum(side is None for _, side in told)
        wrong_sides += sum(side is not None and side != true for true, side in told)
        false += sum(_best(box, truth, 0.3) is None for box in boxes)
        hands, pictures = hands + len(asked), pictures + 1
    return {
        'missed': missed / max(hands, 1),
        'false': false / max(pictures, 1),
        'side': wrong_sides / max(hands - missed, 1),
        'side_unknown': unknown_sides / max(hands - missed, 1),
    }


def _best(box: HandBox, others: Sequence[HandBox], least: float = _FOUND_IOU) -> HandBox | None:
    """The one of the others that covers the box best, if well enough."""
    best = max(others, key=lambda other: intersection_over_union(box, other), default=None)
    return best if best and intersection_over_union(box, best) >= least else None


def _is_asked_for(box: HandBox, width: int, height: int) -> bool:
    """Large enough, and its middle well inside the picture."""
    x, y = box.center
    inside = (
        _MARGIN * width < x < (1 - _MARGIN) * width
        and _MARGIN * height < y < (1 - _MARGIN) * height
    )
    return inside and box.longer_side > _SMALLEST_SHARE * max(width, height)


def _example(sample: dict[str, np.ndarray]) -> Example:
    """Ignored hands get a score of 0: they are neither asked for nor false."""
    frame = unpack(sample)
    boxes = [
        HandBox.around(
            corners.reshape(2, 2), score=float(not ignored), side='right' if right else 'left'
        )
        for corners, right, ignored in zip(frame.boxes, frame.right, frame.ignored, strict=True)
    ]
    return frame.image, boxes
