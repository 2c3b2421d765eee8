"""What robot_sim keeps of a run, and its picture beside the camera's. Knows no ROS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from handmesh_model.joints import BONES, FINGERS
from handmesh_model.teleop.grasp_teleop import Mode
from handmesh_model.teleop.grasps import GraspType
from handmesh_model.visualization import FINGER_COLORS

_MODE_COLORS = {
    Mode.SAFE: (200, 60, 50),
    Mode.PAUSED: (190, 150, 40),
    Mode.ENGAGED: (50, 150, 80),
}
_BAR = 26


class RobotRecord:
    """Rows of figures by the stamp of the image, and how the modes changed."""

    def __init__(self) -> None:
        self._angles: list[tuple[int, np.ndarray]] = []
        self._states: list[tuple[Any, ...]] = []
        self._modes: list[tuple[float, int]] = []
        self.last_hand = 0.0
        """time.monotonic() at which the last hand came."""
        self.safe_after = float('nan')
        """Seconds from the last hand of all to the first command that was safe."""

    def add_angles(self, stamp: int, angles: np.ndarray) -> None:
        """The person's (20,) angles in the image of a stamp, nanoseconds."""
        self._angles.append((stamp, angles))

    def add_mode(self, mode: int, now: float) -> None:
        """A mode that was told; only changes are kept."""
        if self._modes and self._modes[-1][1] == mode:
            return
        if self._modes and mode == Mode.SAFE:
            self.safe_after = now - self.last_hand
        self._modes.append((now, mode))

    def add_state(
        self,
        stamp: int,
        told: np.ndarray | None,
        reached: np.ndarray,
        width_told: float,
        width: float,
        holds: bool,
    ) -> None:
        """Where joints and gripper are told to be and are, when the image of a stamp came."""
        if told is not None:
            self._states.append((stamp, told.copy(), reached, width_told, width, holds))

    def save(self, path: Path) -> None:
        """Write everything as arrays."""
        stamps, told, reached, width_told, width, holds = (
            zip(*self._states, strict=True) if self._states else ((),) * 6
        )
        np.savez_compressed(
            path,
            angle_stamps=np.array([stamp for stamp, _ in self._angles], dtype=np.int64),
            angles=np.reshape([a for _, a in self._angles], (len(self._angles), -1)),
            stamps=np.array(stamps, dtype=np.int64),
            told=np.reshape(told, (len(stamps), -1)),
            reached=np.reshape(reached, (len(stamps), -1)),
            width_told=np.array(width_told),
            width=np.array(width),
            holds=np.array(holds, dtype=bool),
            modes=np.array([mode for _, mode in self._modes], dtype=np.uint8),
            safe_after=np.array(self.safe_after),
        )


def side_by_side(
    rgb: np.ndarray, robot: np.ndarray, hands: list[Any], grasp: Any | None
) -> np.ndarray:
    """
    The camera's image with the hands' bones, the robot's picture, and a line of text.

    :param hands: Hand messages.
    :param grasp: a Grasp message.
    """
    height, width = robot.shape[:2]
    scale = width / rgb.shape[1], height / rgb.shape[0]
    left = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
    for hand in hands:
        _draw_bones(left, np.reshape(hand.joints_image, (21, 2)) * scale)
    bar = np.full((_BAR, 2 * width, 3), 28, dtype=np.uint8)
    if grasp is not None:
        mode = Mode(grasp.mode)
        cv2.rectangle(bar, (0, 0), (width, _BAR), _MODE_COLORS[mode], -1)
        _write(bar, f'{mode.name}: {grasp.reason}', 8)
        kind = GraspType(grasp.type).name.lower()
        text = f'{kind} {grasp.confidence:.2f}   gripper {100 * grasp.opening:.0f} % open'
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
