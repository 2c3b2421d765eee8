"""What the detector is trained to say: a bell over each hand's middle, its side and its box."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from handmesh_model.network.hand_detector import (
    DETECTOR_STRIDE,
    REFERENCE_SIZE,
    DetectorOutputs,
)
from handmesh_model.training.detector_frames import LabelledFrame

_BELL = 0.16
"""Standard deviation of the bell over the box's width and height."""
_LEAST_BELL = 0.45
"""The same in cells at least."""
_REGRESSION_FROM = 0.35
"""Height of the bell from which cells answer for side and box."""
_SIDE_WEIGHT, _BOX_WEIGHT = 0.5, 0.7


class DetectorTargets(NamedTuple):
    """Maps (B, H/8, W/8) that the outputs are compared with."""

    heat: Tensor
    """0..1, 1 in the cell of each hand's middle."""
    counted: Tensor
    """0 or 1, whether the heat of this cell counts."""
    weight: Tensor
    """0..1, how much side and box count here."""
    side: Tensor
    """1 right, 0 left."""
    box: Tensor
    """(B, 4, H/8, W/8) as :class:`DetectorOutputs`."""


def targets_of(frames: list[LabelledFrame]) -> DetectorTargets:
    """
    Maps for a batch of frames of one size.

    A cell belongs to the hand whose bell is highest there.
    """
    maps = [_maps(frame) for frame in frames]
    return DetectorTargets(*(torch.from_numpy(np.stack(m)) for m in zip(*maps, strict=True)))


def _maps(frame: LabelledFrame) -> tuple[np.ndarray, ...]:
    rows, columns = (side // DETECTOR_STRIDE for side in frame.image.shape[:2])
    heat, weight, side = (np.zeros((rows, columns), np.float32) for _ in range(3))
    counted, box = np.ones((rows, columns), np.float32), np.zeros((4, rows, columns), np.float32)
    # Cell centres in pixels.
    x = (np.arange(columns) + 0.5) * DETECTOR_STRIDE - 0.5
    y = ((np.arange(rows) + 0.5) * DETECTOR_STRIDE - 0.5)[:, None]
    for corners, right, ignored in zip(frame.boxes, frame.right, frame.ignored, strict=True):
        x_min, y_min, x_max, y_max = corners
        if ignored:
            reach = DETECTOR_STRIDE / 2
            inside = (x > x_min - reach) & (x < x_max + reach)
            counted[inside & (y > y_min - reach) & (y < y_max + reach)] = 0
            continue
        dx, dy = (x_min + x_max) / 2 - x, (y_min + y_max) / 2 - y
        spread_x = max(_BELL * (x_max - x_min), _LEAST_BELL * DETECTOR_STRIDE)
        spread_y = max(_BELL * (y_max - y_min), _LEAST_BELL * DETECTOR_STRIDE)
        bell = np.exp(-((dx / spread_x) ** 2 + (dy / spread_y) ** 2) / 2)
        row, column = np.unravel_index(int(np.argmax(bell)), bell.shape)
        bell[row, column] = 1
        mine = bell > heat
        heat[mine] = bell[mine]
        weight[mine] = np.where(bell >= _REGRESSION_FROM, bell, 0)[mine]
        side[mine] = right
        box[0][mine] = np.broadcast_to(dx / DETECTOR_STRIDE, bell.shape)[mine]
        box[1][mine] = np.broadcast_to(dy / DETECTOR_STRIDE, bell.shape)[mine]
        box[2][mine] = np.log((x_max - x_min) / REFERENCE_SIZE)
        box[3][mine] = np.log((y_max - y_min) / REFERENCE_SIZE)
    counted[weight > 0] = 1
    return heat, counted, weight, side, box


def detector_loss(outputs: DetectorOutputs, targets: DetectorTargets) -> dict[str, Tensor]:
    """
    Focal loss on the heat, as in "Objects as Points" (2019), equation 1, with alpha 2 and beta 4;
    cross-entropy on the side and L1 on the box, weighted by the bell.

    :returns: 'heat', 'side', 'box' and their weighted sum 'total'.
    """
    probability = outputs.heat.sigmoid()
    middle = (targets.heat >= 1).float()
    found = (1 - probability) ** 2 * functional.logsigmoid(outputs.heat) * middle
    empty = (1 - targets.heat) ** 4 * probability**2 * functional.logsigmoid(-outputs.heat)
    hands = middle.sum().clamp(min=1)
    heat = -((found + empty * (1 - middle)) * targets.counted).sum() / hands
    total_weight = targets.weight.sum().clamp(min=1)
    side = functional.binary_cross_entropy_with_logits(
        outputs.side, targets.side, targets.weight, reduction='sum'
    )
    box = (outputs.box - targets.box).abs().sum(dim=1) * targets.weight
    losses = {'heat': heat, 'side': side / total_weight, 'box': box.sum() / total_weight}
    losses['total'] = heat + _SIDE_WEIGHT * losses['side'] + _BOX_WEIGHT * losses['box']
    return losses
