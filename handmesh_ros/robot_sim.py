"""
A simulated robot hand and gripper that do what grasp_teleop_node tells them.

Subscribes to ``teleop/target``, ``teleop/joints``, ``teleop/gripper``, ``teleop/grasp`` and
``teleop/angles``, and to ``image`` and ``hands`` for the picture beside its own. Publishes
``robot/joint_states`` and, where somebody looks, ``robot/image``. With the parameter ``out`` it
writes robot.npz there when it ends, also after an error; demo_teleop makes film and figures of it.
Needs the extra ``ar``.
"""

from __future__ import annotations

if __name__ == '__main__':
    from handmesh_ros import stop_signals

    stop_signals.end_at_once()

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from geometry_msgs.msg import PoseStamped
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Float64, Header

from handmesh_model.output_files import written_beside
from handmesh_model.teleop.joint_angles import TELEOP_ANGLES
from handmesh_model.teleop.poses import pose_from_xyz_rpy, six_numbers
from handmesh_model.teleop.simulated_picture import draw_robot
from handmesh_model.teleop.simulated_robot import STROKE, SimulatedRobot
from handmesh_ros import executable, msg, recording
from handmesh_ros.images import rgb_to_image
from handmesh_ros.parameters import parameter
from handmesh_ros.processes import ROBOT_READY
from handmesh_ros.qos import SENSOR
from handmesh_ros.robot_record import SIZE, RobotRecord, side_by_side
from handmesh_ros.ros_parameters import ParameterServer
from handmesh_ros.stamps import stamp_to_nanoseconds
from handmesh_ros.transforms import transform_to_matrix

_PERIOD = 0.02
_LONGEST = 0.2
"""Seconds of the robot's time that are made up for at most when the machine has been busy."""


@dataclass(frozen=True)
class SimParameters:
    """Parameters of robot_sim."""

    out: str = parameter('', 'Folder for robot.npz; empty for none.', read_only=True)
    base_from_camera: str = parameter(
        '0 0 0 0 0 0', "As grasp_teleop_node has it: 'x y z roll pitch yaw'.", read_only=True
    )
    pace: float = parameter(
        1.0,
        'Seconds of the robot for a second of the clock: below 1 for busy computers.',
        low=0.01,
        high=1.0,
        read_only=True,
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
        self._out = recording.make_folder(self.settings.out) if self.settings.out else None
        # A robot that runs for days shall not keep what nobody writes.
        self._record = None if self._out is None else RobotRecord()
        self._is_placed = self._is_ready = False
        # Nothing before the first hand is followed.
        self._joints_told = np.full(len(TELEOP_ANGLES), np.nan)
        self._width_told = STROKE
        self._grasp: msg.Grasp | None = None
        self._tracked: dict[int, msg.Hand] = {}
        self._intrinsics: np.ndarray | None = None
        self._last = time.monotonic()
        self._listen()

    def _listen(self) -> None:
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        # What is commanded is good as long as it is the newest; what is recorded shall be all.
        for topic, kind, callback, profile in (
            ('teleop/target', PoseStamped, self._on_target, SENSOR),
            ('teleop/joints', JointState, self._on_joints, SENSOR),
            ('teleop/gripper', Float64, self._on_gripper, SENSOR),
            ('teleop/grasp', msg.Grasp, self._on_grasp, SENSOR),
            ('teleop/angles', JointState, self._on_angles, qos),
            ('hands', msg.HandArray, self._on_hands, qos),
            ('camera_info', CameraInfo, self._on_info, qos),
            ('image', Image, self._on_image, qos),
        ):
            self.create_subscription(kind, topic, callback, profile)
        self._states = self.create_publisher(JointState, 'robot/joint_states', qos)
        self._images = self.create_publisher(Image, 'robot/image', qos)
        # It moves by the monotonic clock, as the teleoperation commands.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_PERIOD, self._on_timer, clock=steady)

    def serve(self) -> None:
        """
        Move until told to end, then write what was seen, also after an error.

        :raises OutputError: if it cannot be written.
        """
        recording.write_after(self, lambda: executable.spin(self), self._write)

    def _write(self) -> None:
        if self._out is None or self._record is None:
            return
        matrix = np.zeros((3, 3)) if self._intrinsics is None else self._intrinsics
        camera = {'intrinsics': matrix, 'world_from_camera': self._world_from_camera}
        with written_beside(self._out / 'robot.npz') as part:
            self._record.save(part, **camera)
        self.get_logger().info(f"Written to '{self._out}'")

    def _on_target(self, message: PoseStamped) -> None:
        target = transform_to_matrix(message.pose)
        if target is None:
            return
        if not self._is_placed:
            self._is_placed = True
            self._robot.jump_wrist(target)
        self._robot.move_wrist(target)

    def _on_joints(self, message: JointState) -> None:
        angles = _angles(message)
        if angles is None:
            self.get_logger().error(
                f'joints are {message.name} at {list(message.position)}, expected one finite '
                f'position for each of {TELEOP_ANGLES}',
                once=True,
            )
            return
        self._joints_told = angles
        self._robot.bend(angles)

    def _on_gripper(self, message: Float64) -> None:
        if not np.isfinite(message.data):
            text = f'the width of the gripper is {message.data}, expected a finite one, metres'
            self.get_logger().error(text, once=True)
            return
        self._robot.open_gripper(message.data)
        self._width_told = message.data

    def _on_grasp(self, message: msg.Grasp) -> None:
        self._grasp = message
        if self._record is not None:
            self._record.add_mode(message.mode, time.monotonic())
        if not self._is_ready:
            self._is_ready = True
            self.get_logger().info(ROBOT_READY)

    def _on_angles(self, message: JointState) -> None:
        angles = _angles(message)
        if self._record is not None and angles is not None:
            self._record.add_angles(stamp_to_nanoseconds(message.header.stamp), angles)

    def _on_hands(self, message: msg.HandArray) -> None:
        tracked = (hand for hand in message.hands if hand.state == msg.Hand.TRACKED)
        self._tracked = {hand.track_id: hand for hand in tracked}
        if self._tracked and self._record is not None:
            self._record.last_hand = time.monotonic()

    def _on_info(self, message: CameraInfo) -> None:
        matrix = np.reshape(message.k, (3, 3))
        if message.width and matrix.any():
            scale = np.diag([SIZE[0] / message.width, SIZE[1] / message.height, 1])
            self._intrinsics = scale @ matrix

    def _on_timer(self) -> None:
        now = time.monotonic()
        self._robot.step(min(now - self._last, _LONGEST) * self.settings.pace)
        self._last = now
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id='robot')
        names = [*TELEOP_ANGLES, 'gripper']
        positions = [*self._robot.positions.tolist(), self._robot.gripper_width]
        self._states.publish(JointState(header=header, name=names, position=positions))

    def _on_image(self, message: Image) -> None:
        """Keep what the camera saw and what the robot does at that moment."""
        if self._intrinsics is None or self._grasp is None:
            return
        rgb = recording.readable(self, message)
        if rgb is None:
            return
        row = self._row(message, self._grasp)
        if self._record is not None:
            self._record.add_row(rgb, row)
        if self._images.get_subscription_count() > 0:
            robot, camera = self._robot, self._world_from_camera
            picture = draw_robot(robot.model, robot.data, camera, self._intrinsics, SIZE)
            both = side_by_side(cv2.resize(rgb, SIZE), picture, row)
            self._images.publish(rgb_to_image(both, message.header))

    def _row(self, message: Image, grasp: msg.Grasp) -> dict[str, Any]:
        hand = self._tracked.get(grasp.track_id)
        joints = np.full((21, 2), np.nan)
        # 0 is nobody in Grasp, but in Hand it is each hand that belongs to no track.
        if hand is not None and grasp.track_id:
            joints = np.reshape(hand.joints_image, (21, 2)) / (message.width, message.height)
        return {
            'stamps': stamp_to_nanoseconds(message.header.stamp),
            'told': self._joints_told,
            'reached': self._robot.positions,
            'width_told': self._width_told,
            'width': self._robot.gripper_width,
            'holds': self._robot.holds_block,
            'qpos': self._robot.data.qpos.copy(),
            'joints_image': joints,
            'mode': grasp.mode,
            'grasp': grasp.type,
            'confidence': grasp.confidence,
            'opening': grasp.opening,
        }


def _angles(message: JointState) -> np.ndarray | None:
    """(20,) radians, in our order; None where it has not one finite position for each."""
    if len(message.position) != len(message.name):
        # ROS allows a JointState without positions.
        return None
    told = dict(zip(message.name, message.position, strict=True))
    angles = np.array([told.get(name, np.nan) for name in TELEOP_ANGLES])
    return angles if np.isfinite(angles).all() else None


def main(args: Sequence[str] | None = None) -> int:
    """Do what is told."""
    return executable.run(RobotSim, lambda node: node.serve(), args)


if __name__ == '__main__':
    sys.exit(main())
