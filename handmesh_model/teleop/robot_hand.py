"""Which joints a robot hand has, and how a person's 20 angles move them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from handmesh_model.brief import brief
from handmesh_model.errors import ConfigError
from handmesh_model.hand import Side
from handmesh_model.teleop.joint_angles import HUMAN_LIMITS, TELEOP_ANGLES
from handmesh_model.yaml_files import read_yaml

_KEYS = ('name', 'from', 'scale', 'offset', 'lower', 'upper')
_MAX_JOINTS = 200


class RobotHand(Protocol):
    """A hand that can be told joint positions."""

    @property
    def names(self) -> tuple[str, ...]:
        """(N,) joints."""

    @property
    def open(self) -> np.ndarray:
        """(N,) positions of the open hand, radians."""

    def goal(self, joints: np.ndarray, side: Side, angles: np.ndarray) -> np.ndarray:
        """
        Positions (N,) that show what a person's hand shows, within limits.

        :param joints: (21, 3) metres, camera frame; ``angles`` (20,) radians.
        """


@dataclass(frozen=True, eq=False)
class LinearHand:
    """
    Each joint follows one of the 20 angles: position = scale * angle + offset, within limits.

    :param sources: (N,) which of the 20 angles.
    :param limits: (N, 2) lowest and highest position, radians.
    """

    names: tuple[str, ...]
    sources: np.ndarray
    scales: np.ndarray
    offsets: np.ndarray
    limits: np.ndarray

    @property
    def open(self) -> np.ndarray:
        """(N,) positions of straight fingers side by side."""
        return np.clip(self.offsets, *self.limits.T)

    def goal(self, joints: np.ndarray, side: Side, angles: np.ndarray) -> np.ndarray:
        """(N,) positions for a person's (20,) angles."""
        return np.clip(self.scales * angles[self.sources] + self.offsets, *self.limits.T)


def human_hand(prefix: str = '') -> LinearHand:
    """A hand with the 20 joints of people and their limits, named as the angles are."""
    count = len(TELEOP_ANGLES)
    names = tuple(prefix + name for name in TELEOP_ANGLES)
    return LinearHand(names, np.arange(count), np.ones(count), np.zeros(count), HUMAN_LIMITS)


def load_robot_hand(path: str | Path) -> LinearHand:
    """
    A robot hand described by a YAML file.

    ``joints`` lists them: ``name`` of the robot's joint, ``from`` one of the 20 angles, ``lower``
    and ``upper`` limits in radians, and, if they differ from 1 and 0, ``scale`` and ``offset``.

    :raises ConfigError: if the file cannot be read or does not say that.
    """
    path = Path(path).expanduser()
    content = read_yaml(path, 'the robot hand in')
    try:
        joints = content['joints'] if isinstance(content, dict) else None
        if not isinstance(joints, list) or not 0 < len(joints) <= _MAX_JOINTS:
            raise ValueError(f"expected 'joints', a list of 1 to {_MAX_JOINTS}")
        rows = [_joint(row) for row in joints]
        names = tuple(row[0] for row in rows)
        if len(set(names)) < len(names):
            raise ValueError('a name occurs twice')
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"cannot read the robot hand in '{path}': {error}") from error
    numbers = np.array([row[2] for row in rows])
    sources = np.array([row[1] for row in rows])
    return LinearHand(names, sources, numbers[:, 0], numbers[:, 1], numbers[:, 2:])


def _joint(row: Any) -> tuple[str, int, list[float]]:
    """Name, source, and scale, offset, lower, upper."""
    if not isinstance(row, dict) or not set(row) <= set(_KEYS):
        raise ValueError(f'a joint is {brief(row)}, expected {", ".join(_KEYS)}')
    name, source = row.get('name'), row.get('from')
    if not isinstance(name, str) or not name:
        raise ValueError(f'the name of a joint is {brief(name)}')
    if source not in TELEOP_ANGLES:
        raise ValueError(
            f"joint '{name}' is from {brief(source)}, expected one of {TELEOP_ANGLES}"
        )
    values: dict[str, Any] = {'scale': 1.0, 'offset': 0.0} | row
    numbers: list[Any] = [values.get(key) for key in _KEYS[2:]]
    if not all(type(value) in (int, float) and np.isfinite(value) for value in numbers):
        raise ValueError(f"joint '{name}' has {_KEYS[2:]} {brief(numbers)}, expected numbers")
    if numbers[2] > numbers[3]:
        raise ValueError(f"joint '{name}' has lower {numbers[2]} above upper {numbers[3]}")
    return name, TELEOP_ANGLES.index(source), [float(value) for value in numbers]
