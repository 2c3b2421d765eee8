"""
Turns hands into what robots take: a pose and a twist to follow, a gripper's opening, joint angles.

Needs nothing but the topic ``hands``. Sends at a steady rate whatever happens: when the hand is
lost or stale the commands are safe, and the robot need not watch for silence while the node lives.

===================  =============================  =============================================
``teleop/target``    geometry_msgs/PoseStamped      where the robot shall be, base frame
``teleop/twist``     geometry_msgs/TwistStamped     how it gets there, for servoing, base frame
``teleop/gripper``   std_msgs/Float64               metres between the gripper's fingers
``teleop/joints``    sensor_msgs/JointState         the robot hand's joints
``teleop/grasp``     handmesh_ros/Grasp             mode, reason, kind of grasp, opening
``teleop/wrist``     geometry_msgs/PoseStamped      the person's wrist, filtered, camera frame
``teleop/angles``    sensor_msgs/JointState         the person's 20 joint angles
===================  =============================  =============================================

The stamps of the last two are the time that the hand's geometry holds for.
"""

from __future__ import annotations

if __name__ == '__main__':
    from handmesh_ros import stop_signals

    stop_signals.end_at_once()

import sys
import time
from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped, Twist, TwistStamped, Vector3
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64, Header

from handmesh_model.hand import ScaleSource, Side
from handmesh_model.teleop.grasp_teleop import Command, GraspTeleop, Mode
from handmesh_model.teleop.joint_angles import TELEOP_ANGLES
from handmesh_model.teleop.robot_hand import RobotHand, human_hand, load_robot_hand
from handmesh_model.teleop.seen_hand import SeenHand
from handmesh_ros import executable, msg
from handmesh_ros.conversions import (
    SCALE_SOURCES,
    SIDES,
    pose_to_msg,
    stamp_to_nanoseconds,
    stamp_to_seconds,
)
from handmesh_ros.ros_parameters import ParameterServer
from handmesh_ros.stamps import UNSTAMPED
from handmesh_ros.teleop_parameters import TeleopParameters
from handmesh_ros.transforms import transform_to_matrix

TOPICS: dict[str, type] = {
    'teleop/target': PoseStamped,
    'teleop/twist': TwistStamped,
    'teleop/gripper': Float64,
    'teleop/joints': JointState,
    'teleop/grasp': msg.Grasp,
    'teleop/wrist': PoseStamped,
    'teleop/angles': JointState,
}
_SIDE_NAMES: dict[int, Side] = {number: side for side, number in SIDES.items()}  # type: ignore[misc]
_SCALE_SOURCES = {number: source for source, number in SCALE_SOURCES.items()}
_LAST_WORD = 1.0
"""Seconds at most that the end waits for robots to have heard the last commands."""


class GraspTeleopNode(Node):
    """
    Follows one hand.

    :raises ConfigError: if a parameter or a file that one names is wrong.
    """

    def __init__(self) -> None:
        super().__init__('grasp_teleop_node')
        self.settings = ParameterServer(self, TeleopParameters).check()
        self._teleop = GraspTeleop(self.settings.config(), self._robot_hand())
        self._track: int | None = None
        self._image: Header | None = None
        self._geometry = Header()
        self._is_news = False
        self._mode: Mode | None = None
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
        self._out = {t: self.create_publisher(kind, t, qos) for t, kind in TOPICS.items()}
        # The newest only: a hand that has to be sent again is stale by then.
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.create_subscription(msg.HandArray, 'hands', self._on_hands, newest)
        # Simulated time may stand still; the watchdog must not.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(1 / self.settings.rate, self._on_timer, clock=steady)

    def _robot_hand(self) -> RobotHand:
        settings = self.settings
        if settings.retargeting_config:
            from handmesh_model.teleop.retargeting import DexHand

            return DexHand(settings.retargeting_config, settings.urdf_folder)
        if settings.robot_hand_file:
            return load_robot_hand(settings.robot_hand_file)
        return human_hand(settings.joint_prefix)

    def serve(self) -> None:
        """Follow until told to end; the last that is said is safe."""
        executor = SingleThreadedExecutor()
        executor.add_node(self)
        while not executable.is_over(self):
            executor.spin_once(timeout_sec=0.1)
        if self.context.ok():
            self._teleop.lose()
            self._on_timer()
            self._wait_until_heard()

    def _wait_until_heard(self) -> None:
        """Stay until robots have the last commands: those under way would end with the process."""
        end = time.monotonic() + _LAST_WORD
        for publisher in self._out.values():
            publisher.wait_for_all_acked(Duration(seconds=max(0.0, end - time.monotonic())))

    def _on_hands(self, message: msg.HandArray) -> None:
        tracked = {h.track_id: h for h in message.hands if h.state == msg.Hand.TRACKED}
        ours = {n: h for n, h in tracked.items() if self.settings.side in ('any', _side(h))}
        held = {h.track_id for h in message.hands if h.state == msg.Hand.HELD}
        if self._track not in ours:
            if self._track in held:
                # Not seen just now: the watchdog decides for how long that is good enough.
                return
            self._teleop.lose()
            self._track = max(ours, key=lambda n: ours[n].score) if ours else None
        if self._track is None or self._refuse_if_off(message.header):
            return
        hand = ours[self._track]
        if not self._teleop.see(seen_hand(hand, message.header), time.monotonic()):
            return
        stamp, frame = _geometry_stamp(hand, message.header), message.header.frame_id
        self._image, self._geometry = message.header, Header(stamp=stamp, frame_id=frame)
        self._is_news = True

    def _refuse_if_off(self, header: Header) -> bool:
        """Whether hands of an image are not known to be of about now; it is told then."""
        why = self._why_off(stamp_to_nanoseconds(header.stamp))
        if not why:
            return False
        self._teleop.refuse(why, time.monotonic())
        self.get_logger().warning(f'not followed: {why}', throttle_duration_sec=5.0)
        return True

    def _why_off(self, stamp: int) -> str:
        """Why hands of an image of this stamp, nanoseconds, are not to be followed, or ''."""
        if stamp == UNSTAMPED:
            # Of no age that could be judged, nor newer than the ones before.
            return 'hands carry no stamp (0), their age is not known (camera without stamps?)'
        now = self.get_clock().now().nanoseconds
        # Of the image, not of what is predicted from it, which is no fresher for being predicted
        # and may lie ahead of now.
        age = (now - stamp) * 1e-9
        limit = self.settings.max_age
        # Ahead of a clock that is slow, they may be of any age.
        if not 0 < limit < abs(age):
            return ''
        off = f'{age:.2f} s old' if age > 0 else f'{-age:.2f} s ahead of the clock'
        return f'hands are {off}, max_age {limit:g} s (clock? use_sim_time?)'

    def _on_timer(self) -> None:
        command = self._teleop.command(time.monotonic(), 1 / self.settings.rate)
        if command.mode is not self._mode:
            self._mode = command.mode
            text = f'{command.mode.name}: {command.reason}'
            # rclpy knows callers by their line, and wants one severity of each.
            if command.mode is Mode.SAFE:
                self.get_logger().warning(text)
            else:
                self.get_logger().info(text)
        if command.mode is Mode.ENGAGED and command.wrist is None:
            self.get_logger().warning(
                'hands come without metres (no usable camera_info for handmesh_node, or the hand '
                'is too far off the axis for its lens): fingers and gripper follow, position and '
                'turn of the target are held',
                once=True,
            )
        self._publish(command)

    def _publish(self, command: Command) -> None:
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=self.settings.base_frame)
        out = self._out
        out['teleop/target'].publish(PoseStamped(header=header, pose=pose_to_msg(command.target)))
        out['teleop/twist'].publish(TwistStamped(header=header, twist=_twist(command.twist)))
        out['teleop/gripper'].publish(Float64(data=command.opening * self.settings.gripper_stroke))
        names = self._teleop.robot_hand.names
        joints = _joint_state(header, names, command.positions, command.velocities)
        out['teleop/joints'].publish(joints)
        out['teleop/grasp'].publish(self._grasp(command, header))
        if self._is_news and command.angles is not None:
            # What was seen is said once.
            seen, self._is_news = self._geometry, False
            out['teleop/angles'].publish(_joint_state(seen, TELEOP_ANGLES, command.angles))
            if command.wrist is not None:
                pose = PoseStamped(header=seen, pose=pose_to_msg(command.wrist))
                out['teleop/wrist'].publish(pose)

    def _grasp(self, command: Command, header: Header) -> msg.Grasp:
        message = msg.Grasp(
            header=header,
            mode=int(command.mode),
            reason=command.reason,
            track_id=command.track_id,
            type=int(command.grasp.type),
            confidence=float(command.grasp.confidence),
            opening=command.opening,
        )
        if command.angles is not None and self._image is not None:
            message.image_stamp = self._image.stamp
        return message


def seen_hand(hand: msg.Hand, header: Header) -> SeenHand:
    """
    A hand of a message with this header, as the teleoperation takes it.

    Without a usable pose of the wrist its place is not known in metres.
    """
    return SeenHand(
        stamp=stamp_to_seconds(_geometry_stamp(hand, header)),
        image_stamp=stamp_to_seconds(header.stamp),
        side=_side(hand),
        track_id=hand.track_id,
        joints=np.reshape(hand.joints_camera, (21, 3)).astype(np.float64),
        camera_from_wrist=transform_to_matrix(hand.wrist.pose) if hand.metric_valid else None,
        scale_source=_SCALE_SOURCES.get(hand.scale_source, ScaleSource.NONE),
        hand_size=hand.hand_size,
    )


def _geometry_stamp(hand: msg.Hand, header: Header) -> Time:
    """The time that joints and wrist hold for."""
    # Other publishers and recordings may leave it out.
    return hand.geometry_stamp if stamp_to_nanoseconds(hand.geometry_stamp) else header.stamp


def _side(hand: msg.Hand) -> Side:
    return _SIDE_NAMES.get(hand.side, 'right')


def _twist(twist: np.ndarray) -> Twist:
    linear, angular = (Vector3(x=x, y=y, z=z) for x, y, z in twist.reshape(2, 3).tolist())
    return Twist(linear=linear, angular=angular)


def _joint_state(
    header: Header,
    names: Sequence[str],
    positions: np.ndarray,
    velocities: np.ndarray | None = None,
) -> JointState:
    message = JointState(header=header, name=list(names), position=positions.tolist())
    if velocities is not None:
        message.velocity = velocities.tolist()
    return message


def main(args: Sequence[str] | None = None) -> int:
    """Follow hands."""
    return executable.run(GraspTeleopNode, lambda node: node.serve(), args)


if __name__ == '__main__':
    sys.exit(main())
