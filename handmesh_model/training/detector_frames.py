"""Whole pictures for training the detector: how they travel, and how each is varied when drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from handmesh_model.camera import project
from handmesh_model.training.augmentation import Augmenter
from handmesh_model.training.batches import Fields
from handmesh_model.training.config import AugmentationConfig

FRAME_SIZE = 256
"""Side of the rendered frames, pixels; more than the detector's input, so that one can zoom in."""
MOST_HANDS = 4
"""Hands of one rendered frame that are labelled."""
_SHAPES = ((1.0, 1.0), (1.0, 0.75), (1.0, 0.75), (1.0, 0.5625), (0.75, 1.0), (0.5625, 1.0))
"""Width and height of pictures over their longer side."""
_SMALLEST, _LARGEST = 0.10, 1.05
"""Hand's longer side over the picture's shorter one."""
_MOST_ZOOM = 2.5
_SMALLEST_PIXELS = 9.0
"""Smaller hands are neither taught nor punished."""
_SEEN_ENOUGH = 0.3
_HIDDEN, _HALF_HIDDEN = 0.7, 0.35
_TURN_SHARE, _BEHIND_SHARE, _SOFT_SHARE = 0.12, 0.85, 0.6
_LEAST_FIT = 0.55
"""Least zoom of a frame over the one at which it just fits."""


@dataclass(frozen=True, eq=False)
class LabelledFrame:
    """
    A picture and its hands.

    :param image: (H, W, 3) uint8 RGB.
    :param boxes: (K, 4) float64 x_min, y_min, x_max, y_max, pixels.
    :param right: (K,) bool.
    :param ignored: (K,) bool, hands that are neither to be found nor counted as false.
    """

    image: np.ndarray
    boxes: np.ndarray
    right: np.ndarray
    ignored: np.ndarray


def frame_renderer() -> Callable[[np.random.Generator, int], dict[str, Any]]:
    """What renderer processes call; frames are packed as their pool wants them."""
    from handmesh_model.synthesis.frames import render_frame
    from handmesh_model.synthesis.hand_model import HandModel

    model = HandModel.load()

    def render(rng: np.random.Generator, size: int) -> dict[str, Any]:
        frame = render_frame(rng, model, size, size)
        # The whole hand counts, also where the picture cuts it: crops are to be cut around it.
        points = [project(hand.vertices_camera, frame.intrinsics) for hand in frame.hands]
        boxes = [np.concatenate([p.min(axis=0), p.max(axis=0)]) for p in points]
        right = np.array([hand.side == 'right' for hand in frame.hands], dtype=bool)
        ignored = np.array([hand.visible < _SEEN_ENOUGH for hand in frame.hands], dtype=bool)
        return pack(LabelledFrame(frame.image, np.reshape(boxes, (-1, 4)), right, ignored))

    return render


def frame_fields(size: int) -> Fields:
    """
    The arrays in which a frame of at most :data:`MOST_HANDS` hands travels.

    :param size: pixels of the square frame.
    """
    return {
        'image': ((size, size, 3), 'uint8'),
        'boxes': ((MOST_HANDS, 4), 'float32'),
        'right': ((MOST_HANDS,), 'bool'),
        'ignored': ((MOST_HANDS,), 'bool'),
        'count': ((), 'int64'),
    }


def pack(frame: LabelledFrame) -> dict[str, Any]:
    """A square frame as :func:`frame_fields` has it; hands beyond the most are left out."""
    count = min(len(frame.boxes), MOST_HANDS)
    fields = frame_fields(len(frame.image))
    sample = {name: np.zeros(shape, kind) for name, (shape, kind) in fields.items()}
    for name in ('boxes', 'right', 'ignored'):
        sample[name][:count] = getattr(frame, name)[:count]
    return {**sample, 'image': frame.image, 'count': np.int64(count)}


def unpack(sample: dict[str, np.ndarray]) -> LabelledFrame:
    """The inverse of :func:`pack`."""
    taken = slice(int(sample['count']))
    boxes = sample['boxes'][taken].astype(np.float64)
    return LabelledFrame(sample['image'], boxes, sample['right'][taken], sample['ignored'][taken])


class FrameAugmenter:
    """
    Makes pictures as the detector sees them: letterboxed, hands of all sizes anywhere, any light.

    :param size: side of the square that is filled; the network's input.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._colors = Augmenter(AugmentationConfig(), size)

    def vary(
        self, frame: LabelledFrame, other: LabelledFrame, rng: np.random.Generator
    ) -> LabelledFrame:
        """
        One variation of a frame.

        :param frame: of any size.
        :param other: another one, which at times is put behind the first.
        """
        shape = _SHAPES[int(rng.integers(len(_SHAPES)))]
        width, height = (round(self.size * part) for part in shape)
        if rng.random() < _TURN_SHARE:
            frame = _quarter_turn(frame, int(rng.integers(1, 4)))
        affine = _view(frame, width, height, rng)
        color = tuple(int(c) for c in rng.integers(0, 256, 3))
        canvas = np.full((height, width, 3), color, dtype=np.uint8)
        behind: list[LabelledFrame] = []
        if not _covers(frame, affine, width, height) and rng.random() < _BEHIND_SHARE:
            cover = _covering_view(other, width, height, rng)
            cv2.warpAffine(other.image, cover, (width, height), dst=canvas)
            cut = _seen(_moved(other, cover), width, height)
            behind = [_hide(cut, affine, frame.image.shape, width, height)]
        _put(canvas, frame.image, affine, soft=rng.random() < _SOFT_SHARE)
        image = self._letterboxed(canvas, rng)
        parts = [_moved(frame, affine), *behind]
        result = LabelledFrame(
            image,
            np.concatenate([part.boxes for part in parts]),
            np.concatenate([part.right for part in parts]),
            np.concatenate([part.ignored for part in parts]),
        )
        return _flipped(_seen(result, width, height), rng, width)

    def _letterboxed(self, canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        image = np.zeros((self.size, self.size, 3), dtype=np.uint8)
        image[: canvas.shape[0], : canvas.shape[1]] = canvas
        image = self._colors.photometric(image, rng)
        image[canvas.shape[0] :] = 0
        image[:, canvas.shape[1] :] = 0
        return image


def _view(frame: LabelledFrame, width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """(2, 3) frame to canvas: one of its hands gets a random size and place."""
    least = _LEAST_FIT * _fit(frame, width, height)
    if not len(frame.boxes):
        return _covering_view(frame, width, height, rng)
    box = frame.boxes[int(rng.integers(len(frame.boxes)))]
    sides = box[2:] - box[:2]
    wanted = min(width, height) * float(np.exp(rng.uniform(np.log(_SMALLEST), np.log(_LARGEST))))
    zoom = float(np.clip(wanted / sides.max(), least, _MOST_ZOOM))
    half = sides * zoom / 2
    room = np.maximum(np.array([width, height]) / 2 - half, 0) if rng.random() < 0.85 else None
    canvas_middle = np.array([width, height]) / 2
    reach = canvas_middle * 0.95 if room is None else room
    target = canvas_middle + reach * rng.uniform(-1, 1, 2)
    shift = target - zoom * (box[:2] + box[2:]) / 2
    return np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]])


def _covers(frame: LabelledFrame, affine: np.ndarray, width: int, height: int) -> bool:
    """Whether the frame leaves nothing of the canvas free."""
    low = affine[:, 2]
    high = low + affine[0, 0] * (np.array(frame.image.shape[1::-1]) - 1)
    return bool((low <= 0).all() and (high >= (width - 1, height - 1)).all())


def _put(canvas: np.ndarray, image: np.ndarray, affine: np.ndarray, soft: bool) -> None:
    """Lay a picture over the canvas; soft edges keep edges from telling where hands are."""
    size = (canvas.shape[1], canvas.shape[0])
    if not soft:
        flags, border = cv2.INTER_LINEAR, cv2.BORDER_TRANSPARENT
        cv2.warpAffine(image, affine, size, canvas, flags, border)
        return
    alpha = cv2.warpAffine(_feather(*image.shape[:2]), affine, size)[..., None]
    moved = cv2.warpAffine(image, affine, size, borderMode=cv2.BORDER_REPLICATE)
    canvas[:] = canvas + (moved.astype(np.float32) - canvas) * alpha


@lru_cache(maxsize=4)
def _feather(height: int, width: int) -> np.ndarray:
    """(H, W) float32: 0 at the border, 1 from a twelfth of the side on."""
    y, x = np.ogrid[:height, :width]
    from_border = np.minimum(np.minimum(x, width - 1 - x), np.minimum(y, height - 1 - y))
    return np.clip(from_border / (max(height, width) / 12), 0, 1).astype(np.float32)


def _fit(frame: LabelledFrame, width: int, height: int) -> float:
    """Zoom at which the frame just fits into the canvas."""
    return min(width / frame.image.shape[1], height / frame.image.shape[0])


def _covering_view(
    frame: LabelledFrame, width: int, height: int, rng: np.random.Generator
) -> np.ndarray:
    """(2, 3) frame to canvas, without a gap."""
    rows, columns = frame.image.shape[:2]
    least = max(width / (columns - 2), height / (rows - 2))
    zoom = least * float(np.exp(rng.uniform(0, np.log(2.2))))
    x = -rng.uniform(0, zoom * (columns - 1) - width + 1)
    y = -rng.uniform(0, zoom * (rows - 1) - height + 1)
    return np.array([[zoom, 0, x], [0, zoom, y]])


def _moved(frame: LabelledFrame, affine: np.ndarray) -> LabelledFrame:
    boxes = frame.boxes * affine[0, 0] + np.tile(affine[:, 2], 2)
    return LabelledFrame(frame.image, boxes, frame.right, frame.ignored)


def _hide(
    frame: LabelledFrame, affine: np.ndarray, shape: tuple[int, ...], width: int, height: int
) -> LabelledFrame:
    """Take away hands whose visible part lies behind a picture put before them."""
    corner = affine[:, 2]
    opposite = corner + affine[0, 0] * np.array([shape[1], shape[0]])
    boxes = np.clip(frame.boxes, 0, [width, height, width, height])
    low = np.maximum(boxes[:, :2], corner)
    high = np.minimum(boxes[:, 2:], opposite)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    hidden = np.prod(np.maximum(high - low, 0), axis=1) / np.maximum(area, 1e-9)
    kept = hidden < _HIDDEN
    ignored = (frame.ignored | (hidden > _HALF_HIDDEN))[kept]
    return LabelledFrame(frame.image, frame.boxes[kept], frame.right[kept], ignored)


def _seen(frame: LabelledFrame, width: int, height: int) -> LabelledFrame:
    """Leave out hands outside the picture; ignore those whose middle is outside, or tiny ones."""
    low, high = frame.boxes[:, :2], frame.boxes[:, 2:]
    size = np.array([width, height])
    touches = ((high > 0) & (low < size)).all(axis=1)
    middle = (low + high) / 2
    inside = ((middle >= 0) & (middle <= size - 1)).all(axis=1)
    tiny = (high - low).max(axis=1) < _SMALLEST_PIXELS
    ignored = frame.ignored | ~inside | tiny
    return LabelledFrame(frame.image, frame.boxes[touches], frame.right[touches], ignored[touches])


def _flipped(frame: LabelledFrame, rng: np.random.Generator, width: int) -> LabelledFrame:
    """Every other picture mirrored: left hands become right ones."""
    if rng.random() < 0.5:
        return frame
    image = frame.image.copy()
    image[:, :width] = frame.image[:, :width][:, ::-1]
    boxes = frame.boxes.copy()
    boxes[:, [0, 2]] = width - 1 - frame.boxes[:, [2, 0]]
    return LabelledFrame(image, boxes, ~frame.right, frame.ignored)


def _quarter_turn(frame: LabelledFrame, turns: int) -> LabelledFrame:
    image, boxes = frame.image, frame.boxes
    for _ in range(turns):
        height = image.shape[0]
        # Turning clockwise, x' = height - 1 - y, y' = x.
        boxes = np.column_stack(
            [height - 1 - boxes[:, 3], boxes[:, 0], height - 1 - boxes[:, 1], boxes[:, 2]]
        )
        image = np.rot90(image, -1)
    return LabelledFrame(np.ascontiguousarray(image), boxes, frame.right, frame.ignored)
