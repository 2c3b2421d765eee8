"""Pictures to measure with: the demo clip, at any size, without end."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from handmesh_model.errors import ImageError

CLIP = Path(__file__).parents[1] / 'assets' / 'demo_clip.mp4'
SIZES = ((640, 480), (1280, 720))
"""Widths and heights of camera images."""
RATE = 30.0
"""Images a second that the clip was made for."""


def clip_frames(width: int, height: int, count: int) -> list[np.ndarray]:
    """
    Frames of the clip, to be played there and back, fitted into pictures of a size.

    :returns: (height, width, 3) uint8 RGB each; fewer than ``count`` if the clip is shorter.
    :raises ImageError: if the clip cannot be read.
    """
    return [_fitted(frame, width, height) for frame in _decoded(count)]


def clip_intrinsics(width: int, height: int) -> np.ndarray:
    """The clip's camera matrix (3, 3) for pictures of :func:`clip_frames`."""
    facts = json.loads(CLIP.with_suffix('.json').read_text(encoding='utf-8'))
    scale, left, top = _placement(facts['width'], facts['height'], width, height)
    matrix = np.array(facts['intrinsics'], dtype=np.float64)
    matrix[:2] *= scale
    # Pixel centres are at whole numbers: the corner of the picture is at -0.5.
    matrix[:2, 2] += (left + (scale - 1) / 2, top + (scale - 1) / 2)
    return matrix


def there_and_back(count: int, number: int) -> int:
    """Which of ``count`` frames is the ``number``-th shown, with no jump at the ends."""
    period = max(1, 2 * count - 2)
    step = number % period
    return step if step < count else period - step


@lru_cache(maxsize=1)
def _decoded(count: int) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(CLIP))
    frames: list[np.ndarray] = []
    while len(frames) < count:
        found, bgr = capture.read()
        if not found:
            break
        frames.append(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
    capture.release()
    if not frames:
        raise ImageError(f"cannot read the demo clip '{CLIP}'")
    return frames


def _placement(
    clip_width: int, clip_height: int, width: int, height: int
) -> tuple[float, int, int]:
    """Scale of the clip in a picture, and the columns and rows beside it."""
    scale = min(width / clip_width, height / clip_height)
    left = (width - round(clip_width * scale)) // 2
    return scale, left, (height - round(clip_height * scale)) // 2


def _fitted(frame: np.ndarray, width: int, height: int) -> np.ndarray:
    scale, left, top = _placement(frame.shape[1], frame.shape[0], width, height)
    if scale != 1:
        size = round(frame.shape[1] * scale), round(frame.shape[0] * scale)
        frame = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)
    right, bottom = width - left - frame.shape[1], height - top - frame.shape[0]
    border = (top, bottom, left, right)
    return cv2.copyMakeBorder(frame, *border, cv2.BORDER_REPLICATE) if any(border) else frame
