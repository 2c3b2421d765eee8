"""
A simulated robot hand and gripper that do what grasp_teleop_node tells them, and film themselves.

Subscribes to ``teleop/target``, ``teleop/joints``, ``teleop/gripper``, ``teleop/grasp`` and
``teleop/angles``, and to ``image`` and ``hands`` for the picture beside its own. Publishes
``robot/joint_states`` and ``robot/image``. With the parameter ``out`` it writes robot.mp4,
contact_sheet.png and robot.npz there when it is told to end. Needs the extra ``ar``.
"""

from __future__ import annotations

if __name__ == '__main__':
    from handmesh_ros import stop_signals

    stop_signals.end_at_once()

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Float64, Header

from handmesh_model.errors import ConfigError
from handmesh_model.teleop.joint_angles import TELEOP_ANGLES
from handmesh_model.teleop.poses import pose_from_xyz_rpy, six_numbers
from handmesh_model.teleop.simulated_picture import draw_robot
from handmesh_model.teleop.simulated_robot import STROKE, SimulatedRobot
from handmesh_ros import executable, msg
from handmesh_ros.conversions import msg_to_pose, stamp_to_nanoseconds
from handmesh_ros.images import image_to_rgb, rgb_to_image
from handmesh_ros.parameters import parameter
from handmesh_ros.record import Film
from handmesh_ros.robot_record import RobotRecord, side_by_side
from handmesh_ros.ros_parameters import ParameterServer

READY = 'Robot ready'
"""Logged once it hears the teleoperation; whoever starts a camera may wait for it."""
SIZE = (480, 360)
"""Width and height of its picture, pixels."""
_PERIOD = 0.02
_LONGEST = 0.2
"""Seconds of the robot's time that are made up for at most when the machine has been busy."""


@dataclass(frozen=True)
class SimParameters:
    """Parameters of robot_sim."""

    out: str = parameter(
        '', 'Folder for the film and the figures; empty for none.', read_only=True
    )
    base_from_camera: str = parameter(
        '0 0 0 0 0 0', "As grasp_teleop_node has it: 'x y z roll pitch yaw'.", read_only=True
    )
    rate: float = parameter(
        30.0, 'Pictures a second of the film.', low=0.1, high=240.0, read_only=True
    )


class RobotSim(Node):
    """
    The robot.

    :raises ConfigError: if a parameter is wrong or ``out`` cannot be made.
    """

    def __init__(self) -> None:
        super().__init__('robot_sim')
        self.settings = ParameterServer(self, SimParameters).check()
        camera = six_numbers(self.settings.base_from_camera, 'base_from_camera')
        self._world_from_camera = pose_from_xyz_rpy(camera)
        self._robot = SimulatedRobot()
        self._record = RobotRecord()
        self._out = Path(self.settings.out) if self.settings.out else None
        self._film = self._make_film()
        self._is_placed = self._is_ready = False
        self._told: dict[str, Any] = {}
        self._intrinsics: np.ndarray | None = None
        self._last = time.monotonic()
        self._listen()

    def _make_film(self) -> Film | None:
        if self._out is None:
            return None
        try:
            self._out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"parameter 'out': cannot make '{self._out}': {error}") from error
        return Film(self._out / 'robot.mp4', self.settings.rate)

    def _listen(self) -> None:
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        topics = {
            'teleop/target': (PoseStamped, self._on_target),
            'teleop/joints': (JointState, self._on_joints),
            'teleop/gripper': (Float64, self._on_gripper),
            'teleop/grasp': (msg.Grasp, self._on_grasp),
            'teleop/angles': (JointState, self._on_angles),
            'hands': (msg.HandArray, self._on_hands),
            'camera_info': (CameraInfo, self._on_info),
            'image': (Image, self._on_image),
        }
        for topic, (kind, callback) in topics.items():
            self.create_subscription(kind, topic, callback, qos)
        self._states = self.create_publisher(JointState, 'robot/joint_states', qos)
        self._images = self.create_publisher(Image, 'robot/image', qos)
        self.create_timer(_PERIOD, self._on_timer)

    def serve(self) -> None:
        """Move until told to end, then write what was seen."""
        executor = SingleThreadedExecutor()
        executor.add_node(self)
        while not executable.is_over(self):
            executor.spin_once(timeout_sec=0.1)
        if self._out is not None and self._film is not None:
            self._write(self._out, self._film)

    def _on_target(self, message: PoseStamped) -> None:
        target = msg_to_pose(message.pose)
        if not self._is_placed:
            self._is_placed = True
            self._robot.jump_wrist(target)
        self._robot.move_wrist(target)

    def _on_joints(self, message: JointState) -> None:
        told = dict(zip(message.name, message.position, strict=True))
        if set(TELEOP_ANGLES) <= set(told):
            self._told['joints'] = np.array([told[name] for name in TELEOP_ANGLES])
            self._robot.bend(self._told['joints'])
        else:
            self.get_logger().error(
                f'joints are {message.name}, expected {TELEOP_ANGLES}', once=True
            )

    def _on_gripper(self, message: Float64) -> None:
        self._robot.open_gripper(message.data)
        self._told['width'] = message.data

    def _on_grasp(self, message: msg.Grasp) -> None:
        self._told['grasp'] = message
        self._record.add_mode(message.mode, time.monotonic())
        if not self._is_ready:
            self._is_ready = True
            self.get_logger().info(READY)

    def _on_angles(self, message: JointState) -> None:
        stamp = stamp_to_nanoseconds(message.header.stamp)
        self._record.add_angles(stamp, np.array(message.position))

    def _on_hands(self, message: msg.HandArray) -> None:
        tracked = [hand for hand in message.hands if hand.state == msg.Hand.TRACKED]
        self._told['hands'] = tracked
        if tracked:
            self._record.last_hand = time.monotonic()

    def _on_info(self, message: CameraInfo) -> None:
        matrix = np.reshape(message.k, (3, 3))
        if message.width and matrix.any():
            scale = np.diag([SIZE[0] / message.width, SIZE[1] / message.height, 1])
            self._intrinsics = scale @ matrix

    def _on_timer(self) -> None:
        now = time.monotonic()
        self._robot.step(min(now - self._last, _LONGEST))
        self._last = now
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id='robot')
        names = [*TELEOP_ANGLES, 'gripper']
        positions = [*self._robot.positions.tolist(), self._robot.gripper_width]
        self._states.publish(JointState(header=header, name=names, position=positions))

    def _on_image(self, message: Image) -> None:
        """Film what the camera saw and what the robot does at that moment."""
        self._record.add_state(
            stamp_to_nanoseconds(message.header.stamp),
            self._told.get('joints'),
            self._robot.positions,
            self._told.get('width', STROKE),
            self._robot.gripper_width,
            self._robot.holds_block,
        )
        is_watched = self._images.get_subscription_count() > 0
        if (self._film is None and not is_watched) or self._intrinsics is None:
            return
        robot, camera = self._robot, self._world_from_camera
        picture = draw_robot(robot.model, robot.data, camera, self._intrinsics, SIZE)
        hands = self._told.get('hands', [])
        both = side_by_side(image_to_rgb(message), picture, hands, self._told.get('grasp'))
        if self._film is not None:
            self._film.add(both)
        if is_watched:
            self._images.publish(rgb_to_image(both, message.header))

    def _write(self, out: Path, film: Film) -> None:
        film.close()
        sheet = film.sheet()
        if sheet is not None:
            bgr = cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(out / 'contact_sheet.png'), bgr)
        self._record.save(out / 'robot.npz')
        self.get_logger().info(f"Written to '{out}'")


def main(args: Sequence[str] | None = None) -> int:
    """Do what is told."""
    return executable.run(RobotSim, lambda node: node.serve(), args)


if __name__ == '__main__':
    sys.exit(main())
