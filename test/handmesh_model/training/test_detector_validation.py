"""What is counted when a detector is measured."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from handmesh_model.hand import HandBox, Side
from handmesh_model.training.detector_validation import measure


class Scripted:
    """A detector that finds the hand of each picture with the next of the sides given."""

    def __init__(self, *sides: Side | None) -> None:
        self._sides = iter(sides)

    def detect(self, rgb: np.ndarray, most: int) -> list[HandBox]:
        return [HandBox(60, 60, 140, 140, score=0.9, side=next(self._sides))]


def test_unclear_sides_are_not_wrong_ones() -> None:
    hand = HandBox(60, 60, 140, 140, score=1.0, side='right')
    pictures = [(np.zeros((200, 200, 3), np.uint8), [hand])] * 5
    detector = Scripted('right', None, 'left', None, None)
    figures = measure(cast(Any, detector), pictures)
    assert (figures['missed'], figures['false']) == (0, 0)
    assert figures['side'] == pytest.approx(1 / 5)
    assert figures['side_unknown'] == pytest.approx(3 / 5)
