"""What grasp_teleop_node says, as messages; knows no node."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import Pose, Quaternion, Twist, Vector3
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from handmesh_ros.conversions import pose_to_msg


class ContinuousPoses:
    """
    Poses of one topic as messages, each quaternion of the sign that is nearer to the last one's.

    q and -q are one rotation, but not for those who blend or filter the numbers. With w >= 0
    always, a pose near a half turn, as a tool that points down has, would go to and fro.
    """

    def __init__(self) -> None:
        self._last: Quaternion | None = None

    def to_msg(self, pose: np.ndarray) -> Pose:
        """A (4, 4) rigid transform, metres, as the topic's next message."""
        message = pose_to_msg(pose)
        q, last = message.orientation, self._last
        if last is not None and q.x * last.x + q.y * last.y + q.z * last.z + q.w * last.w < 0:
            q.x, q.y, q.z, q.w = -q.x, -q.y, -q.z, -q.w
        self._last = q
        return message


def twist_to_msg(twist: np.ndarray) -> Twist:
    """(6,) metres and radians a second as a message."""
    linear, angular = (Vector3(x=x, y=y, z=z) for x, y, z in twist.reshape(2, 3).tolist())
    return Twist(linear=linear, angular=angular)


def joint_state(
    header: Header,
    names: Sequence[str],
    positions: np.ndarray,
    velocities: np.ndarray | None = None,
) -> JointState:
    """(N,) radians, and radians a second where they are known, as a message."""
    message = JointState(header=header, name=list(names), position=positions.tolist())
    if velocities is not None:
        message.velocity = velocities.tolist()
    return message
