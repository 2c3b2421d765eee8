"""What recorders keep of the messages, and the figures they make of them. Knows no ROS."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass
class Tally:
    """How many messages a topic brought, and when (seconds, any clock that does not go back)."""

    count: int = 0
    first: float = 0.0
    last: float = 0.0

    def add(self, now: float) -> None:
        """One more message."""
        self.first = now if not self.count else self.first
        self.last = now
        self.count += 1

    @property
    def rate(self) -> float:
        """Messages a second between the first and the last."""
        return (self.count - 1) / (self.last - self.first) if self.last > self.first else 0.0


@dataclass
class HandRow:
    """One hand in one image; arrays as in the Hand message."""

    stamp: int
    side: int
    track_id: int
    state: int
    score: float
    box: np.ndarray
    joints_image: np.ndarray
    joints_camera: np.ndarray


@dataclass
class Record:
    """
    Everything that is reported in the end.

    :param latencies: seconds from an image's stamp to its hands' arrival, of those that carry one.
    :param answers: number of tracked hands by image stamp, nanoseconds.
    """

    topics: dict[str, Tally] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    answers: dict[int, int] = field(default_factory=dict)
    hands: list[HandRow] = field(default_factory=list)
    diagnostics: dict[str, dict[str, str]] = field(default_factory=dict)

    def report(self, sent: list[dict[str, Any]]) -> dict[str, Any]:
        """
        The figures of a run.

        :param sent: a line of folder_camera's for each image sent; if there is none, the images
            answered are taken for those sent.
        """
        frames = frames_by_stamp(sent) or {stamp: i for i, stamp in enumerate(self.answers)}
        answered = {frame for stamp, frame in frames.items() if stamp in self.answers}
        with_hands = {frame for stamp, frame in frames.items() if self.answers.get(stamp)}
        total = len(set(frames.values()))
        figures: dict[str, Any] = {
            'frames': {
                'sent': total,
                'answered': len(answered),
                'dropped': total - len(answered),
                'with_hands': len(with_hands),
                'hands_found_share': round(len(with_hands) / total, 4) if total else 0.0,
            },
            'topics': topic_figures(self.topics),
            'latency_ms': spread([1000 * latency for latency in self.latencies]),
            'diagnostics': self.diagnostics,
        }
        return figures

    def arrays(self, sent: list[dict[str, Any]]) -> dict[str, np.ndarray]:
        """
        All hands as arrays of N rows, to be measured against a reference.

        ``frame`` is the number of the image in its source, -1 where it is not known.
        """
        frames = frames_by_stamp(sent)
        rows = self.hands
        return {
            'frame': np.array([frames.get(row.stamp, -1) for row in rows], dtype=np.int64),
            'stamp': np.array([row.stamp for row in rows], dtype=np.int64),
            'side': np.array([row.side for row in rows], dtype=np.uint8),
            'track_id': np.array([row.track_id for row in rows], dtype=np.int64),
            'state': np.array([row.state for row in rows], dtype=np.uint8),
            'score': np.array([row.score for row in rows], dtype=np.float32),
            'box': _stack([row.box for row in rows], (4,)),
            'joints_image': _stack([row.joints_image for row in rows], (21, 2)),
            'joints_camera': _stack([row.joints_camera for row in rows], (21, 3)),
            'frames_sent': np.array(sorted(set(frames.values())), dtype=np.int64),
        }


def frames_by_stamp(sent: list[dict[str, Any]]) -> dict[int, int]:
    """Frame number by stamp in nanoseconds."""
    return {line['stamp']: line['frame'] for line in sent}


def read_frames_file(path: str | Path) -> list[dict[str, Any]]:
    """Lines that folder_camera wrote; none if there is no such file."""
    path = Path(path)
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding='utf-8').splitlines()]


def topic_figures(tallies: Mapping[str, Tally]) -> dict[str, dict[str, float]]:
    """Messages of each topic, and how many came in a second."""
    return {
        name: {'count': tally.count, 'rate_hz': round(tally.rate, 2)}
        for name, tally in tallies.items()
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, 95th percentile and largest of some values; nothing if there are none."""
    if not values:
        return {}
    median, high = np.percentile(values, (50, 95))
    return {
        'median': round(float(median), 2),
        'p95': round(float(high), 2),
        'max': round(max(values), 2),
    }


def _stack(arrays: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    return np.reshape(np.array(arrays, dtype=np.float32), (len(arrays), *shape))
