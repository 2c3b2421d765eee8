"""What demo_recorder keeps of the messages, and the figures it makes of them. Knows no ROS."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

SHEET_CELLS = 24
SHEET_COLUMNS = 6


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

    :param latencies: seconds from an image's stamp to its hands' arrival.
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
            'topics': {
                name: {'count': tally.count, 'rate_hz': round(tally.rate, 2)}
                for name, tally in self.topics.items()
            },
            'latency_ms': _spread([1000 * latency for latency in self.latencies]),
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


def _spread(values: list[float]) -> dict[str, float]:
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


class Film:
    """
    A video and a contact sheet of the pictures that come.

    :param path: of the video, mp4.
    :param rate: pictures a second.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self._path = path
        self._rate = rate
        self._writer: cv2.VideoWriter | None = None
        self._size = self._cell = (0, 0)
        self._every = 1
        self._kept: list[np.ndarray] = []
        self.count = 0

    def add(self, rgb: np.ndarray) -> None:
        """
        Append a picture; one of another size than the first is fitted into the first one's.

        :raises OSError: if no video can be written.
        """
        if self._writer is None:
            self._cell = _thumbnail_size(rgb)
            # Video codecs want even sizes.
            self._size = (rgb.shape[1] + rgb.shape[1] % 2, rgb.shape[0] + rgb.shape[0] % 2)
            code = cv2.VideoWriter_fourcc(*'mp4v')  # type: ignore[attr-defined]
            self._writer = cv2.VideoWriter(str(self._path), code, self._rate, self._size)
            if not self._writer.isOpened():
                raise OSError(f"cannot write a video to '{self._path}'")
        self._writer.write(cv2.cvtColor(_fitted(rgb, self._size), cv2.COLOR_RGB2BGR))
        if self.count % self._every == 0:
            self._kept.append(_fitted(rgb, self._cell))
            if len(self._kept) >= 2 * SHEET_CELLS:
                self._kept = self._kept[::2]
                self._every *= 2
        self.count += 1

    def close(self) -> None:
        """Finish the video."""
        if self._writer is not None:
            self._writer.release()

    def sheet(self) -> np.ndarray | None:
        """At most :data:`SHEET_CELLS` of the pictures, evenly spread, side by side, RGB."""
        if not self._kept:
            return None
        chosen = np.linspace(0, len(self._kept) - 1, min(SHEET_CELLS, len(self._kept)))
        cells = [self._kept[i] for i in chosen.round().astype(int)]
        columns = min(SHEET_COLUMNS, len(cells))
        cells += [np.zeros_like(cells[0])] * (-len(cells) % columns)
        rows = [np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)]
        return np.vstack(rows)


def _thumbnail_size(rgb: np.ndarray, longest: int = 320) -> tuple[int, int]:
    scale = min(1.0, longest / max(rgb.shape[:2]))
    return max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale))


def _fitted(rgb: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The whole picture in a frame of (width, height), black around it."""
    height, width = rgb.shape[:2]
    if (width, height) == size:
        return rgb
    scale = min(size[0] / width, size[1] / height)
    small = max(1, round(width * scale)), max(1, round(height * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.zeros((size[1], size[0], 3), dtype=np.uint8)
    canvas[: small[1], : small[0]] = cv2.resize(rgb, small, interpolation=way)
    return canvas
