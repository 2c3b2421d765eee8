"""Finds hands in a whole picture: letterbox, network, peaks, boxes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from handmesh_model.backends.detector import create_detector_runner
from handmesh_model.boxes import intersection_over_union
from handmesh_model.checkpoints import fill, state_in_float32, write_safetensors
from handmesh_model.device_image import DeviceImage, resized_on_device
from handmesh_model.errors import BackendError, CheckpointError
from handmesh_model.grey_pictures import skin_tinted
from handmesh_model.hand import HandBox
from handmesh_model.network.hand_detector import (
    DETECTOR_MULTIPLE,
    DETECTOR_STRIDE,
    REFERENCE_SIZE,
    DetectorOutputs,
    HandDetectorNet,
)
from handmesh_model.shrinking import resized

DETECTOR_INPUT = 192
"""Longer side of the picture as the detector sees it, pixels."""
SCORE_THRESHOLD = 0.3
"""Boxes of less are not reported; the mesh network has the last word on presence."""
LEAST_WIDTH, MOST_WIDTH = 2, 512
"""Of the network; the shipped one has 24, and a file may say anything."""
_SHOWN = 100
"""Characters of a description in an error message."""
_SAME_HAND_IOU = 0.45
_UNSURE = 0.45
"""A side's probability within this of a half is reported as unknown: the mesh network, which sees
the hand larger, is the better judge."""


class Letterbox(NamedTuple):
    """A picture made small, and how to get back: x_image = (x + 0.5) / scale - 0.5."""

    image: np.ndarray | torch.Tensor
    """(h, w, 3) uint8, h and w multiples of 32, the picture at the top left, black elsewhere."""
    scale_x: float
    scale_y: float


def letterbox(rgb: np.ndarray, longer_side: int = DETECTOR_INPUT) -> Letterbox:
    """
    Scale a picture so that its longer side fits, and pad it to what the network takes.

    :param rgb: (H, W, 3) uint8.
    """
    height, width = rgb.shape[:2]
    small_width, small_height = _small_size(width, height, longer_side)
    image = np.zeros((_padded(small_height), _padded(small_width), 3), dtype=np.uint8)
    image[:small_height, :small_width] = resized(rgb, small_width, small_height)
    return Letterbox(image, small_width / width, small_height / height)


def letterbox_on_device(image: torch.Tensor, longer_side: int = DETECTOR_INPUT) -> Letterbox:
    """The same for a picture that lies on a device already, (H, W, 3) uint8."""
    height, width = image.shape[:2]
    small_width, small_height = _small_size(width, height, longer_side)
    shape = (_padded(small_height), _padded(small_width), 3)
    padded = torch.zeros(shape, dtype=torch.uint8, device=image.device)
    padded[:small_height, :small_width] = resized_on_device(image, small_height, small_width)
    return Letterbox(padded, small_width / width, small_height / height)


def _small_size(width: int, height: int, longer_side: int) -> tuple[int, int]:
    scale = longer_side / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _padded(side: int) -> int:
    return -(-side // DETECTOR_MULTIPLE) * DETECTOR_MULTIPLE


class HandDetector:
    """
    The detector's network at work.

    :param net: in any mode; its normalisations are folded in place, for inference.
    :param device: where it runs.
    :param backend: what runs the mesh network beside it; 'openvino' runs the detector too.
    """

    def __init__(
        self, net: HandDetectorNet, device: torch.device | str = 'cpu', backend: str = 'eager'
    ) -> None:
        self.device = torch.device(device)
        self.runner = create_detector_runner(backend, net, self.device)

    def detect(
        self, rgb: np.ndarray | DeviceImage, max_hands: int = 2, threshold: float = SCORE_THRESHOLD
    ) -> list[HandBox]:
        """
        Hands of a picture, best first.

        :param rgb: (H, W, 3) uint8, or a picture that may lie on the device already.
        :param max_hands: boxes at most.
        :param threshold: least score of a box.
        :returns: boxes in pixels of the picture; ``side`` is None where it is not clear.
        :raises BackendError: if running the network fails or gives no finite numbers.
        """
        picture = rgb if isinstance(rgb, DeviceImage) else DeviceImage(rgb)
        if self.device.type == 'cpu':
            small = letterbox(picture.rgb)
        else:
            small = letterbox_on_device(picture.on(self.device))
        # Small as the maps are, the CPU is done with them before a GPU has begun.
        seen = self.runner.run(skin_tinted(small.image))
        maps = DetectorOutputs(*(values.cpu() for values in seen))
        for name, values in maps._asdict().items():
            # Nothing is a peak among NaN, and no hands would be found for ever.
            if not torch.isfinite(values).all():
                raise BackendError(
                    f"the detector on {self.device} gave NaN or infinite values in '{name}', "
                    'expected finite ones'
                )
        boxes = decode(maps, max_hands, threshold)[0]
        height, width = picture.rgb.shape[:2]
        return [_in_picture(box, small, width, height) for box in boxes]


def _in_picture(box: HandBox, small: Letterbox, width: int, height: int) -> HandBox:
    x_min, x_max = ((x + 0.5) / small.scale_x - 0.5 for x in (box.x_min, box.x_max))
    y_min, y_max = ((y + 0.5) / small.scale_y - 0.5 for y in (box.y_min, box.y_max))
    # A centre in the padding would give a crop of nothing.
    x_shift = min(0.0, width - 1 - (x_min + x_max) / 2)
    y_shift = min(0.0, height - 1 - (y_min + y_max) / 2)
    corners = (x_min + x_shift, y_min + y_shift, x_max + x_shift, y_max + y_shift)
    return HandBox(*corners, score=box.score, side=box.side)


def decode(outputs: DetectorOutputs, max_hands: int, threshold: float) -> list[list[HandBox]]:
    """
    Boxes from the network's maps, for each picture of the batch, best first.

    A cell is a peak if no neighbour is higher; of peaks whose boxes overlap the best one stays.

    :returns: boxes in pixels of the network's input.
    """
    heat = outputs.heat.sigmoid()
    highest = torch.nn.functional.max_pool2d(heat[:, None], 3, 1, 1)[:, 0]
    peaks = ((heat >= highest) & (heat >= threshold)).cpu().numpy()
    heat_array, sides = heat.cpu().numpy(), outputs.side.sigmoid().cpu().numpy()
    maps = outputs.box.cpu().numpy()
    found = []
    for i, peak in enumerate(peaks):
        rows, columns = np.nonzero(peak)
        order = np.argsort(-heat_array[i, rows, columns])
        boxes: list[HandBox] = []
        for row, column in zip(rows[order], columns[order], strict=True):
            if len(boxes) == max_hands:
                break
            x, y, width, height = maps[i, :, row, column].tolist()
            cx = (column + 0.5 + x) * DETECTOR_STRIDE - 0.5
            cy = (row + 0.5 + y) * DETECTOR_STRIDE - 0.5
            # Bounds on the logarithm keep an untrained network from overflowing.
            half_w, half_h = (
                REFERENCE_SIZE / 2 * np.exp(np.clip((width, height), -4, 4))
            ).tolist()
            probability = float(sides[i, row, column])
            side = None
            if abs(probability - 0.5) > _UNSURE:
                side = 'right' if probability > 0.5 else 'left'
            corners = (cx - half_w, cy - half_h, cx + half_w, cy + half_h)
            box = HandBox(*corners, score=float(heat_array[i, row, column]), side=side)  # type: ignore[arg-type]
            if all(intersection_over_union(box, other) < _SAME_HAND_IOU for other in boxes):
                boxes.append(box)
        found.append(boxes)
    return found


def save_detector(path: str | Path, net: HandDetectorNet, facts: dict[str, object]) -> None:
    """
    Write the detector's weights as safetensors.

    :param net: before a :class:`HandDetector` has folded its normalisations.
    :param facts: what the weights' card should know, JSON-able.
    """
    metadata = {'detector': json.dumps({'width': net.width}), 'facts': json.dumps(facts)}
    write_safetensors(path, net.state_dict(), metadata)


def load_detector(path: str | Path) -> HandDetectorNet:
    """
    Read weights written by :func:`save_detector`.

    :raises CheckpointError: if the file is missing, damaged, or not a detector's.
    """
    try:
        with safe_open(str(path), 'pt') as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read detector weights '{path}': {error}") from error
    if 'detector' not in metadata:
        raise CheckpointError(f"'{path}' holds no detector; its metadata are {sorted(metadata)}")
    width = _width(metadata['detector'], path)
    # Without storage until the weights are known to fit.
    with torch.device('meta'):
        net = HandDetectorNet(width)
    fill(net, state_in_float32(state), f"detector weights '{path}' do not fit a width of {width}")
    return net


def _width(description: str, path: str | Path) -> int:
    """:raises CheckpointError: if the description is not that of a detector."""
    try:
        values = json.loads(description)
    except (RecursionError, ValueError) as error:
        raise CheckpointError(
            f"'{path}' has a damaged description of its detector: {error}"
        ) from error
    width = values.get('width') if isinstance(values, dict) and len(values) == 1 else None
    if type(width) is not int or not LEAST_WIDTH <= width <= MOST_WIDTH:
        raise CheckpointError(
            f"'{path}' describes its detector as {description[:_SHOWN]}, expected "
            f'{{"width": {LEAST_WIDTH} to {MOST_WIDTH}}}'
        )
    return width
