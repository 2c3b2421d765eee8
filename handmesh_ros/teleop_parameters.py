"""The parameters of grasp_teleop_node; see :mod:`handmesh_ros.parameters` for how tables work."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from handmesh_model.errors import ConfigError
from handmesh_model.teleop.clutch import CLUTCHES
from handmesh_model.teleop.config import TeleopConfig
from handmesh_ros.parameters import parameter

_DEFAULT = TeleopConfig()


def _row(name: str, description: str, **row: Any) -> Any:
    """A parameter that the teleoperation itself knows, with its default from there."""
    return parameter(getattr(_DEFAULT, name), description, read_only=True, **row)


@dataclass(frozen=True)
class TeleopParameters:
    """Parameters of grasp_teleop_node."""

    side: str = parameter(
        'right', 'Which hand is followed.', choices=('right', 'left', 'any'), read_only=True
    )
    rate: float = parameter(100.0, 'Commands a second.', low=20.0, high=1000.0, read_only=True)
    max_age: float = parameter(
        0.5,
        'Hands whose image is older than this many seconds, or as far ahead of the clock, are not '
        'fresh; 0 takes any age, but none without a stamp.',
        low=0.0,
        high=3600.0,
        read_only=True,
    )
    watchdog: float = _row(
        'watchdog',
        'Seconds after the last fresh hand within which the robot is told to be safe.',
        low=0.02,
        high=10.0,
    )
    safe_hand: str = _row(
        'safe_hand',
        'What gripper and robot hand do when there is no fresh hand.',
        choices=('hold', 'open'),
    )
    clutch: str = _row(
        'clutch',
        'Gesture that engages: ring and little finger curled, a thumb held up, or none.',
        choices=CLUTCHES,
    )
    clutch_delay: float = _row(
        'clutch_delay',
        "Seconds that the gesture is to be held; 'toggle' wants half a second at least.",
        low=0.0,
        high=5.0,
    )
    mapping: str = _row(
        'mapping',
        'The robot moves as the hand since it was gripped, or stands where the hand is.',
        choices=('relative', 'absolute'),
    )
    scale: float = _row(
        'scale', 'Metres of the robot for a metre of the hand.', low=0.01, high=10.0
    )
    base_frame: str = parameter(
        'base_link', "Frame of target and twist; that of the robot's base.", read_only=True
    )
    camera_frame: str = parameter(
        '',
        "Frame of the hands that are followed, that of base_from_camera's camera; others are "
        'refused. Empty: the first that comes.',
        read_only=True,
    )
    base_from_camera: str = _row(
        'base_from_camera',
        "Pose of the camera's optical frame in the base: 'x y z roll pitch yaw', metres, radians.",
    )
    home: str = _row(
        'home',
        "Target to begin with, in the base frame: 'x y z roll pitch yaw', metres, radians.",
    )
    workspace: str = _row(
        'workspace', "Bounds of the target: 'x_min x_max y_min y_max z_min z_max', metres."
    )
    gain: float = _row(
        'gain', 'How fast the target goes to the hand, per second.', low=0.5, high=100.0
    )
    max_speed: float = _row('max_speed', 'Of the target, m/s.', low=0.001, high=10.0)
    max_turn_speed: float = _row('max_turn_speed', 'Of the target, rad/s.', low=0.01, high=30.0)
    max_joint_speed: float = _row(
        'max_joint_speed', "Of the robot hand's joints, rad/s.", low=0.01, high=100.0
    )
    max_opening_speed: float = _row(
        'max_opening_speed', 'Of the gripper, openings a second.', low=0.01, high=100.0
    )
    closed_distance: float = _row(
        'closed_distance',
        'Tips of thumb and index finger this far apart, in lengths of the palm, close a gripper.',
        low=0.0,
        high=1.0,
    )
    open_distance: float = _row(
        'open_distance', 'This far apart they open it wide.', low=0.2, high=3.0
    )
    gripper_stroke: float = parameter(
        0.085,
        'Metres between the fingers of the open gripper.',
        low=0.001,
        high=1.0,
        read_only=True,
    )
    filter_cutoff: float = _row(
        'filter_cutoff', 'One Euro filter of the wrist: hertz when still.', low=0.05, high=100.0
    )
    filter_slope: float = _row(
        'filter_slope',
        'One Euro filter of the wrist: what a metre or radian a second adds, hertz.',
        low=0.0,
        high=1000.0,
    )
    joint_prefix: str = parameter(
        '', 'Put before the joints of a hand like people have.', read_only=True
    )
    robot_hand_file: str = parameter(
        '',
        "YAML with the robot hand's joints, their sources and limits; empty: like people's.",
        read_only=True,
    )
    retargeting_config: str = parameter(
        '',
        'Configuration of dex-retargeting; where given, it moves the robot hand.',
        read_only=True,
    )
    urdf_folder: str = parameter(
        '', 'Folder of the robot hands that the configuration names.', read_only=True
    )

    def config(self) -> TeleopConfig:
        """
        What the teleoperation itself is told.

        :raises ConfigError: if the watchdog would trip before every command, or as
            :class:`TeleopConfig` says.
        """
        if self.watchdog <= 1 / self.rate:
            raise ConfigError(
                f"parameter 'watchdog' is {self.watchdog:g} s, expected more than the "
                f'{1 / self.rate:g} s between commands (rate {self.rate:g})'
            )
        return TeleopConfig(**{f.name: getattr(self, f.name) for f in fields(TeleopConfig)})
