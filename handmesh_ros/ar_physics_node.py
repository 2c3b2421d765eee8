"""
Virtual things that hands push, pinch, carry and drop, or a stream that is poured over them.

Listens to ``hands`` and ``topology``, and publishes ``objects`` (MarkerArray): where everything is
at the time of the hands, with their header. Time passes from one message to the next, so that the
same hands always do the same. Things start on a floor before the camera; see docs/ar.md.
"""

from __future__ import annotations

if __name__ == '__main__':
    from handmesh_ros import stop_signals

    stop_signals.end_at_once()

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from visualization_msgs.msg import MarkerArray

from handmesh_model.ar.hand_collider import HandShape, WorldHand
from handmesh_model.ar.stage import load_stage
from handmesh_model.extras import need
from handmesh_ros import executable, msg
from handmesh_ros.ar_hands import SeenHand, Surface, seen_hands, surface_of
from handmesh_ros.ar_markers import world_markers
from handmesh_ros.ar_parameters import PhysicsParameters
from handmesh_ros.qos import LATCHED
from handmesh_ros.ros_parameters import ParameterServer
from handmesh_ros.stamps import UNSTAMPED, stamp_to_nanoseconds, stamp_to_seconds

if TYPE_CHECKING:
    from handmesh_model.ar.world import HandWorld

_SAME_SIZE = 0.02
"""Relative change of a hand's size from which its capsules are measured again."""


class ArPhysicsNode(Node):
    """
    See the module's docstring.

    :raises ConfigError: if a parameter or the stage is wrong, or MuJoCo is not installed.
    """

    def __init__(self) -> None:
        super().__init__('ar_physics_node')
        settings = ParameterServer(self, PhysicsParameters).check()
        self._world = _world_of(settings.stage)
        self._surface: Surface | None = None
        self._shapes: dict[int, tuple[float, HandShape]] = {}
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self._objects = self.create_publisher(MarkerArray, 'objects', qos)
        self.create_subscription(msg.HandTopology, 'topology', self._on_topology, LATCHED)
        self.create_subscription(msg.HandArray, 'hands', self._on_hands, 10)
        self.get_logger().info(f"Ready: stage '{settings.stage}'")

    def _on_topology(self, message: Any) -> None:
        self._surface = surface_of(message)
        self._shapes.clear()

    def _on_hands(self, message: Any) -> None:
        hands = seen_hands(message)
        self._shapes = {
            hand.track_id: self._shapes[hand.track_id]
            for hand in hands
            if hand.track_id in self._shapes
        }
        bodies = [
            WorldHand(
                hand.track_id,
                hand.joints_camera,
                hand.wrist_pose[:3, :3],
                self._shape_of(hand),
                hand.tracked,
            )
            for hand in hands
        ]
        if stamp_to_nanoseconds(message.header.stamp) == UNSTAMPED:
            self.get_logger().warning(
                'hands carry no stamp (0): no time passes between them, objects stand still',
                once=True,
            )
        why = self._world.advance(stamp_to_seconds(message.header.stamp), bodies)
        if why:
            self.get_logger().warning(f'everything starts anew: {why}', throttle_duration_sec=10.0)
        self._objects.publish(world_markers(self._world, message.header, self.get_name()))

    def _shape_of(self, hand: SeenHand) -> HandShape:
        """Measured when a hand comes, and then kept: the network's mesh breathes a little."""
        known = self._shapes.get(hand.track_id)
        if known is not None and abs(known[0] - hand.hand_size) <= _SAME_SIZE * known[0]:
            return known[1]
        surface = self._surface
        if surface is not None and len(hand.vertices_camera) == len(surface.parts):
            shape = HandShape.fit(hand.joints_camera, hand.vertices_camera, surface.parts)
        else:
            shape = HandShape.from_size(hand.hand_size)
        self._shapes[hand.track_id] = (hand.hand_size, shape)
        return shape


def _world_of(stage: str) -> HandWorld:
    need('ar_physics_node', 'ar', 'mujoco')
    from handmesh_model.ar.world import HandWorld

    return HandWorld(load_stage(stage))


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until it is told to end."""
    return executable.run(ArPhysicsNode, executable.spin, args)


if __name__ == '__main__':
    sys.exit(main())
