"""
Turns hands into what robots take: a pose and a twist to follow, a gripper's opening, joint angles.

Needs nothing but the topic ``hands``. Sends at a steady rate whatever happens: when the hand is
lost or stale the commands are safe, and the robot need not watch for silence while the node lives.
Until a hand is followed for the first time, ``teleop/target``, ``teleop/gripper`` and
``teleop/joints`` are silent: nobody has said where the robot shall be.

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
from collections import deque
from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import PoseStamped, TwistStamped
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64, Header

from handmesh_model.teleop.grasp_teleop import Command, GraspTeleop, Mode
from handmesh_model.teleop.joint_angles import TELEOP_ANGLES
from handmesh_model.teleop.robot_hand import RobotHand, human_hand, load_robot_hand
from handmesh_ros import executable, msg
from handmesh_ros.frame_names import frame_name
from handmesh_ros.qos import SENSOR
from handmesh_ros.ros_parameters import ParameterServer
from handmesh_ros.stamps import UNSTAMPED, stamp_to_nanoseconds
from handmesh_ros.teleop_hands import followable, geometry_stamp, seen_hand
from handmesh_ros.teleop_messages import ContinuousPoses, joint_state, twist_to_msg
from handmesh_ros.teleop_parameters import TeleopParameters

TOPICS: dict[str, type] = {
    'teleop/target': PoseStamped,
    'teleop/twist': TwistStamped,
    'teleop/gripper': Float64,
    'teleop/joints': JointState,
    'teleop/grasp': msg.Grasp,
    'teleop/wrist': PoseStamped,
    'teleop/angles': JointState,
}
_LAST_WORD = 1.0
"""Seconds at most that the end waits for robots to have heard the last commands."""
_LOGGED, _LOG_TIME = 6, 10.0
"""Changes of mode that are logged at most within so many seconds; the newest is logged then."""


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
        self._first_frame: str | None = None
        self._mode: Mode | None = None
        self._logged: deque[float] = deque(maxlen=_LOGGED)
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
        self._targets, self._wrists = ContinuousPoses(), ContinuousPoses()
        self._out = {t: self.create_publisher(kind, t, qos) for t, kind in TOPICS.items()}
        # What stops a robot comes first: an error in what follows does not keep it back.
        self._publishing = (
            self._publish_twist,
            self._publish_grasp,
            self._publish_goals,
            self._publish_seen,
        )
        # The newest only: a hand that has to be sent again is stale by then.
        self.create_subscription(msg.HandArray, 'hands', self._on_hands, SENSOR)
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
        """Follow until told to end; the last that is said is safe, also after an error."""
        try:
            executable.spin(self)
        finally:
            if self.context.ok():
                self._say_last()
                self._wait_until_heard()

    def _say_last(self) -> None:
        """Say that the robot is to stop and stay, by each topic that can say it."""
        command = self._teleop.stop(time.monotonic())
        self._log(command)
        for publish in self._publishing:
            try:
                publish(command, self._header())
            except Exception as error:  # of any kind: it may be the one that has led here
                self.get_logger().error(f'cannot say the last: {error!r}')

    def _wait_until_heard(self) -> None:
        """Stay until robots have the last commands: those under way would end with the process."""
        end = time.monotonic() + _LAST_WORD
        for publisher in self._out.values():
            publisher.wait_for_all_acked(Duration(seconds=max(0.0, end - time.monotonic())))

    def _on_hands(self, message: msg.HandArray) -> None:
        header = message.header
        if why := self._why_not_alone():
            self._teleop.lose()
            self._refuse(why)
            return
        if why := self._why_elsewhere(header.frame_id):
            self._refuse(why)
            return
        ours = followable(message, self.settings.side)
        held = {h.track_id for h in message.hands if h.state == msg.Hand.HELD}
        if self._track not in ours:
            if self._track in held:
                # Not seen just now: the watchdog decides for how long that is good enough.
                return
            self._teleop.lose()
            self._track = max(ours, key=lambda n: ours[n].score) if ours else None
        if self._track is None:
            return
        if why := self._why_off(stamp_to_nanoseconds(header.stamp)):
            self._refuse(why)
            return
        self._see(ours[self._track], header)

    def _see(self, hand: msg.Hand, header: Header) -> None:
        try:
            is_taken = self._teleop.see(seen_hand(hand, header), time.monotonic())
        except Exception as error:  # of any kind: a robot hand may bring a solver of its own
            self._teleop.lose()
            self._refuse(f'the hand cannot be followed: {error!r}')
            return
        if is_taken:
            stamp, frame = geometry_stamp(hand, header), header.frame_id
            if self._first_frame is None:
                self._first_frame = frame
            self._image, self._geometry = header, Header(stamp=stamp, frame_id=frame)
            self._is_news = True

    def _refuse(self, why: str) -> None:
        """Say that hands come which must not be followed."""
        self._teleop.refuse(why, time.monotonic())
        self.get_logger().warning(f'not followed: {why}', throttle_duration_sec=5.0)

    def _why_not_alone(self) -> str:
        """Why this node must not command, or ''."""
        topic = self._out['teleop/target'].topic_name
        count = self.count_publishers(topic)
        if count <= 1:
            return ''
        return f'{count} publishers on {topic}, expected this node alone (namespaces?)'

    def _why_elsewhere(self, frame: str) -> str:
        """Why hands of this frame are not to be followed, or ''."""
        expected = self.settings.camera_frame or self._first_frame
        if expected is None or frame_name(frame) == frame_name(expected):
            return ''
        return (
            f"hands are of frame '{frame}', expected '{expected}' (another camera? parameter "
            'camera_frame)'
        )

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
        self._log(command)
        if command.mode is Mode.ENGAGED and command.wrist is None:
            self.get_logger().warning(
                'hands come without metres (no usable camera_info for handmesh_node, or the hand '
                'is too far off the axis for its lens): fingers and gripper follow, position and '
                'turn of the target are held',
                once=True,
            )
        header = self._header()
        for publish in self._publishing:
            publish(command, header)

    def _log(self, command: Command) -> None:
        """Log another mode, but not each of many in a row."""
        now = time.monotonic()
        is_flood = len(self._logged) == _LOGGED and now - self._logged[0] < _LOG_TIME
        if command.mode is self._mode or is_flood:
            return
        self._mode = command.mode
        self._logged.append(now)
        text = f'{command.mode.name}: {command.reason}'
        # rclpy knows callers by their line, and wants one severity of each.
        if command.mode is Mode.SAFE:
            self.get_logger().warning(text)
        else:
            self.get_logger().info(text)

    def _header(self) -> Header:
        return Header(stamp=self.get_clock().now().to_msg(), frame_id=self.settings.base_frame)

    def _publish_twist(self, command: Command, header: Header) -> None:
        twist = TwistStamped(header=header, twist=twist_to_msg(command.twist))
        self._out['teleop/twist'].publish(twist)

    def _publish_grasp(self, command: Command, header: Header) -> None:
        self._out['teleop/grasp'].publish(self._grasp(command, header))

    def _publish_goals(self, command: Command, header: Header) -> None:
        if not command.has_followed:
            return
        target = PoseStamped(header=header, pose=self._targets.to_msg(command.target))
        self._out['teleop/target'].publish(target)
        width = command.opening * self.settings.gripper_stroke
        self._out['teleop/gripper'].publish(Float64(data=width))
        names = self._teleop.robot_hand.names
        joints = joint_state(header, names, command.positions, command.velocities)
        self._out['teleop/joints'].publish(joints)

    def _publish_seen(self, command: Command, header: Header) -> None:
        """What was seen, once, by its own header."""
        if not self._is_news or command.angles is None:
            return
        seen, self._is_news = self._geometry, False
        angles = joint_state(seen, TELEOP_ANGLES, command.angles)
        self._out['teleop/angles'].publish(angles)
        if command.wrist is not None:
            pose = PoseStamped(header=seen, pose=self._wrists.to_msg(command.wrist))
            self._out['teleop/wrist'].publish(pose)

    def _grasp(self, command: Command, header: Header) -> msg.Grasp:
        message = msg.Grasp(
            header=header,
            mode=int(command.mode),
            reason=command.reason,
            track_id=command.track_id,
            type=int(command.grasp.type),
            confidence=float(command.grasp.confidence),
            opening=command.opening if command.has_followed else np.nan,
        )
        if command.angles is not None and self._image is not None:
            message.image_stamp = self._image.stamp
        return message


def main(args: Sequence[str] | None = None) -> int:
    """Follow hands."""
    return executable.run(GraspTeleopNode, lambda node: node.serve(), args)


if __name__ == '__main__':
    sys.exit(main())
