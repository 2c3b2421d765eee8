"""A video and a contact sheet of the pictures that come. Knows no ROS."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from handmesh_model.output_files import write_picture
from handmesh_model.video_files import open_video

SHEET_CELLS = 24
SHEET_COLUMNS = 6


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

        :param rgb: (H, W, 3) uint8.
        :raises OutputError: if no video can be written.
        """
        if self._writer is None:
            self._cell = _thumbnail_size(rgb)
            # Video codecs want even sizes.
            self._size = (rgb.shape[1] + rgb.shape[1] % 2, rgb.shape[0] + rgb.shape[0] % 2)
            self._writer = open_video(self._path, self._path, self._rate, self._size)
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

    def write_sheet(self, path: Path) -> None:
        """
        Write the contact sheet, if there are pictures.

        :raises OutputError: if it cannot be written.
        """
        sheet = self.sheet()
        if sheet is not None:
            write_picture(path, sheet)


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
