"""Hands at known places, a tracker that looks at them instead of pictures, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handmesh_model.boxes import intersection_over_union
from handmesh_model.estimator import Estimate, HandEstimator
from handmesh_model.hand import Hand, HandBox, Side
from handmesh_model.predictor import HandMeshPredictor
from handmesh_model.stopwatch import Stopwatch
from handmesh_model.topology import HandTopology
from handmesh_model.tracker import HandTracker, TrackerSettings

IMAGE = np.zeros((480, 640, 3), np.uint8)


@dataclass
class World:
    """Hands at known places, seen by a perfect network and detector."""

    topology: HandTopology
    hands: dict[str, tuple[float, float, Side]]
    size: float = 100.0
    drawn: float = 1.0
    searches: int = 0
    runs: int = 0

    def box(self, name: str) -> HandBox:
        x, y, side = self.hands[name]
        half = self.size / 2
        return HandBox(x - half, y - half, x + half, y + half, score=0.9, side=side)

    def detect(self, rgb: np.ndarray) -> list[HandBox]:
        self.searches += 1
        return [self.box(name) for name in self.hands]

    def estimate(self, rgb: np.ndarray, boxes: Sequence[HandBox]) -> list[Estimate]:
        self.runs += bool(boxes)
        return [self.look(box) for box in boxes]

    def look(self, box: HandBox) -> Estimate:
        """The hand that the box shows best, or a shape of noise with low presence."""
        names = sorted(self.hands, key=lambda n: -intersection_over_union(box, self.box(n)))
        seen = bool(names) and intersection_over_union(box, self.box(names[0])) > 0.3
        shown = self.box(names[0]) if seen else box
        assert self.topology.template is not None
        flat = self.topology.template[:, :2].astype(float)
        flat = (flat - flat.min(axis=0)) / np.ptp(flat, axis=0)
        corner = np.array([shown.x_min, shown.y_min])
        flat = (flat - 0.5) * self.drawn + 0.5
        pixels = corner + flat * (shown.width, shown.height)
        depth = np.zeros(len(pixels))
        agrees = (box.side or 'right') == (shown.side or 'right')
        return Estimate(
            source=box,
            presence=0.95 if seen else 0.05,
            side_agreement=0.95 if agrees else 0.05,
            joints_image=pixels[:21],
            joints_depth=depth[:21],
            vertices_image=pixels,
            vertices_depth=depth,
            confidence=np.ones(21),
        )


def make(
    topology: HandTopology, hands: dict[str, tuple[float, float, Side]], **settings: Any
) -> tuple[World, HandTracker]:
    """A tracker whose predictor looks at a world instead of pictures."""
    world = World(topology, hands)
    predictor = HandMeshPredictor.__new__(HandMeshPredictor)
    estimator = HandEstimator.__new__(HandEstimator)
    estimator.depth_axis = 'camera'
    estimator.tells_presence = estimator.tells_side = True
    estimator.estimate = world.estimate  # type: ignore[method-assign]
    predictor.estimator, predictor.topology, predictor.max_hands = estimator, topology, 2
    predictor.detect = world.detect  # type: ignore[method-assign]
    predictor.stopwatch, predictor.hand_size, predictor.side = Stopwatch(), None, None
    return world, HandTracker(predictor, TrackerSettings(**settings))


def states(hands: Sequence[Hand]) -> list[tuple[int, str, str]]:
    """Id, side and state of each."""
    return [(hand.track_id, hand.side, hand.state.value) for hand in hands]
