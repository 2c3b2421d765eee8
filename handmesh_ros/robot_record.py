"""What robot_sim keeps of a run, and its picture beside the camera's. Knows no ROS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from handmesh_model.joints import BONES, FINGERS
from handmesh_model.teleop.grasp_teleop import Mode
from handmesh_model.teleop.grasps import GraspType
from handmesh_model.teleop.joint_angles import TELEOP_ANGLES
from handmesh_model.visualization import FINGER_COLORS

_MODE_COLORS = {
    Mode.SAFE: (200, 60, 50),
    Mode.PAUSED: (190, 150, 40),
    Mode.ENGAGED: (50, 150, 80),
}
_BAR = 26
SIZE = (480, 360)
"""Width and height of each picture, pixels."""


class RobotRecord:
    """Rows of figures by the stamp of the image, and how the modes changed."""

    def __init__(self) -> None:
        self._angles: list[tuple[int, np.ndarray]] = []
        self._rows: list[dict[str, Any]] = []
        self._jpegs: list[bytes] = []
        self._modes: list[int] = []
        self.last_hand = 0.0
        """time.monotonic() at which the last hand came."""
        self._safe_after = float('nan')

    def add_angles(self, stamp: int, angles: np.ndarray) -> None:
        """The person's (20,) angles at a stamp, nanoseconds."""
        self._angles.append((stamp, angles))

    def add_mode(self, mode: int, now: float) -> None:
        """A mode that was told; only changes are kept."""
        if self._modes and self._modes[-1] == mode:
            return
        if self._modes and mode == Mode.SAFE:
            self._safe_after = now - self.last_hand
        self._modes.append(mode)

    def add_row(self, rgb: np.ndarray, row: dict[str, Any]) -> None:
        """
        What the camera saw and the robot did at one moment.

        :param rgb: (H, W, 3) uint8; kept small.
        :param row: arrays and numbers, the same names each time.
        """
        small = cv2.resize(rgb, SIZE, interpolation=cv2.INTER_AREA)
        _, jpeg = cv2.imencode('.jpg', cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        self._jpegs.append(jpeg.tobytes())
        self._rows.append(row)

    def save(self, path: Path, **more: Any) -> None:
        """Write everything as arrays."""
        names = self._rows[0] if self._rows else {}
        columns: dict[str, Any] = {
            name: np.array([row[name] for row in self._rows]) for name in names
        }
        arrays: dict[str, Any] = {
            'angle_stamps': np.array([stamp for stamp, _ in self._angles], dtype=np.int64),
            'angles': np.reshape([a for _, a in self._angles], (-1, len(TELEOP_ANGLES))),
            'modes': np.array(self._modes, dtype=np.uint8),
            'safe_after': np.array(self._safe_after),
            'jpegs': np.frombuffer(b''.join(self._jpegs), dtype=np.uint8),
            'jpeg_sizes': np.array([len(jpeg) for jpeg in self._jpegs], dtype=np.int64),
        }
        np.savez(path, **arrays, **columns, **more)


def side_by_side(rgb: np.ndarray, robot: np.ndarray, row: dict[str, Any]) -> np.ndarray:
    """
    The camera's image with the followed hand's bones, the robot's picture, and a line of text.

    :param rgb: (H, W, 3) uint8, as large as ``robot``.
    :param row: as robot_sim records it.
    """
    height, width = robot.shape[:2]
    left = rgb.copy()
    if np.isfinite(row['joints_image']).all():
        _draw_bones(left, row['joints_image'] * (width, height))
    bar = np.full((_BAR, 2 * width, 3), 28, dtype=np.uint8)
    mode = Mode(int(row['mode']))
    cv2.rectangle(bar, (0, 0), (width, _BAR), _MODE_COLORS[mode], -1)
    _write(bar, mode.name, 8)
    kind = GraspType(int(row['grasp'])).name.lower()
    text = f'{kind} {row["confidence"]:.2f}'
    if np.isfinite(row['opening']):
        text += f'   gripper {100 * row["opening"]:.0f} % open'
    _write(bar, text, width + 8)
    return np.vstack([np.hstack([left, robot]), bar])


def _write(bar: np.ndarray, text: str, x: int) -> None:
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(bar, text, (x, _BAR - 8), font, 0.5, (255, 255, 255), 1, cv2.LINE_AA)


def _draw_bones(canvas: np.ndarray, points: np.ndarray) -> None:
    pixels = np.clip(np.nan_to_num(points), -4000, 4000).round().astype(int).tolist()
    for parent, child in BONES:
        color = FINGER_COLORS[FINGERS[(child - 1) // 4]]
        cv2.line(canvas, pixels[parent], pixels[child], color, 2, cv2.LINE_AA)
