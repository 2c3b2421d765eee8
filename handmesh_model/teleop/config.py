"""How a robot is to follow a hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handmesh_model.errors import ConfigError
from handmesh_model.teleop.poses import pose_from_xyz_rpy, six_numbers


@dataclass(frozen=True)
class TeleopConfig:
    """
    How to follow. Lengths in metres, angles in radians, times in seconds.

    :param workspace: 'x_min x_max y_min y_max z_min z_max' in the base frame.
    :param home: 'x y z roll pitch yaw' of the robot to begin with, in the base frame and within
        the workspace.
    :param base_from_camera: the same of the camera.
    :param closed_distance: thumb to index finger, in lengths of the hand, that closes a gripper.
    :param open_distance: the same that opens it wide.
    :param watchdog: seconds after the last fresh hand within which the robot is safe.
    :param safe_hand: 'hold' or 'open'.
    :raises ConfigError: if ``closed_distance`` is not below ``open_distance``.
    """

    clutch: str = 'curl'
    clutch_delay: float = 0.15
    mapping: str = 'relative'
    scale: float = 1.0
    workspace: str = '-1 1 -1 1 -1 1'
    home: str = '0 0 0 0 0 0'
    base_from_camera: str = '0 0 0 0 0 0'
    gain: float = 15.0
    max_speed: float = 0.5
    max_turn_speed: float = 2.5
    max_joint_speed: float = 8.0
    max_opening_speed: float = 5.0
    closed_distance: float = 0.2
    open_distance: float = 1.1
    filter_cutoff: float = 2.0
    filter_slope: float = 8.0
    watchdog: float = 0.1
    safe_hand: str = 'hold'

    def __post_init__(self) -> None:
        if self.closed_distance >= self.open_distance:
            raise ConfigError(
                f'closed_distance is {self.closed_distance:g}, expected less than open_distance, '
                f'which is {self.open_distance:g}'
            )

    def bounds(self) -> np.ndarray:
        """
        (3, 2) lowest and highest x, y, z of the workspace; a lowest that is the highest holds it.

        :raises ConfigError: if it cannot be read, or a lowest is above the highest.
        """
        bounds = six_numbers(self.workspace, 'workspace').reshape(3, 2)
        for axis, (low, high) in zip('xyz', bounds, strict=True):
            if low > high:
                raise ConfigError(
                    f"workspace is '{self.workspace}', expected {axis}_min {low:g} not above "
                    f'{axis}_max {high:g}'
                )
        return bounds

    def home_pose(self) -> np.ndarray:
        """
        (4, 4) of the robot to begin with.

        :raises ConfigError: if it or the workspace cannot be read, or it is outside of that.
        """
        home = pose_from_xyz_rpy(six_numbers(self.home, 'home'))
        if not np.array_equal(home[:3, 3], np.clip(home[:3, 3], *self.bounds().T)):
            raise ConfigError(
                f"home is '{self.home}', expected x y z within the workspace '{self.workspace}'"
            )
        return home
