"""
A panel of virtual buttons that fingertips press.

Listens to ``hands``, publishes ``button_events`` (ButtonEvent) and, to be seen, ``objects``
(MarkerArray). The panel hangs in the camera's frame, in a TF frame, or on a hand, whose own
fingers then press nothing. Once no hands come any more, and when the node ends, what is pressed is
released; see docs/ar.md.
"""

from __future__ import annotations

if __name__ == '__main__':
    from handmesh_ros import stop_signals

    stop_signals.end_at_once()

import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from visualization_msgs.msg import MarkerArray

from handmesh_model.ar.buttons import ButtonEvent, ButtonPanel, fingertips
from handmesh_model.ar.panels import Panel, load_panel
from handmesh_model.ar.tables import HAND_FRAMES
from handmesh_ros import executable, msg
from handmesh_ros.ar_hands import SeenHand, best_of_side, seen_hands
from handmesh_ros.ar_markers import deletion, panel_markers
from handmesh_ros.ar_parameters import ButtonsParameters
from handmesh_ros.conversions import SIDES
from handmesh_ros.ros_parameters import ParameterServer
from handmesh_ros.stamps import stamp_to_nanoseconds
from handmesh_ros.transforms import TransformListener

_LOOK_PERIOD = 0.1
_LAST_WORD = 0.5
"""Seconds at most until everybody has heard what is released at the end."""


class ArButtonsNode(Node):
    """
    See the module's docstring.

    :raises ConfigError: if a parameter or the panel is wrong.
    """

    def __init__(self) -> None:
        super().__init__('ar_buttons_node')
        self._server = ParameterServer(self, ButtonsParameters)
        settings = self._server.check()
        self._panel: Panel = load_panel(settings.panel)
        self._buttons = ButtonPanel(self._panel)
        self._is_shown = False
        self._last_header: Any = None
        self._last_heard = -np.inf
        self._transforms = TransformListener(self)
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self._events = self.create_publisher(msg.ButtonEvent, 'button_events', qos)
        self._objects = self.create_publisher(MarkerArray, 'objects', qos)
        self.create_subscription(msg.HandArray, 'hands', self._on_hands, 10)
        # Not in simulated time, which stands still when a camera of it does.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_LOOK_PERIOD, self._watch_for_silence, clock=steady)
        names = ', '.join(button.name for button in self._panel.buttons)
        self.get_logger().info(f'Ready: buttons {names}')

    def destroy_node(self) -> None:
        """Release what is pressed before ROS takes the publishers away."""
        if self.context.ok():
            self._release()
            self._events.wait_for_all_acked(Duration(seconds=_LAST_WORD))
        super().destroy_node()

    def _watch_for_silence(self) -> None:
        silence = self._server.settings.silence
        if time.monotonic() - self._last_heard > silence and self._release():
            self.get_logger().warning(
                f'no hands for {silence:g} s (silence): what was pressed is released', once=True
            )

    def _release(self) -> bool:
        """Release what is pressed, dated as the last hands were; whether anything was."""
        events = self._buttons.release()
        self._say(events, self._last_header)
        return bool(events)

    def _say(self, events: Sequence[ButtonEvent], header: Any) -> None:
        for event in events:
            self._events.publish(_event_message(event, header))

    def _on_hands(self, message: Any) -> None:
        self._last_header, self._last_heard = message.header, time.monotonic()
        hands = seen_hands(message)
        pose, holder = self._place(hands, message.header)
        if pose is None:
            events = self._buttons.reset()
        else:
            panel_from_camera = np.linalg.inv(pose)
            # A hand that is only held has not been seen here: its fingers stay where they were.
            tips = [
                tip
                for hand in hands
                if holder is None or hand.track_id != holder.track_id
                for tip in fingertips(
                    hand.joints_camera, panel_from_camera, hand.track_id, hand.side
                )
            ]
            events = self._buttons.update(tips)
        self._say(events, message.header)
        self._draw(pose, message.header)

    def _place(
        self, hands: Sequence[SeenHand], header: Any
    ) -> tuple[np.ndarray | None, SeenHand | None]:
        """(4, 4) camera from panel, or None, and the hand that holds it, if one does."""
        frame = self._panel.frame
        if not frame:
            return self._panel.pose, None
        if frame in HAND_FRAMES:
            holder = best_of_side(hands, HAND_FRAMES[frame])
            return None if holder is None else holder.wrist_pose @ self._panel.pose, holder
        stamp = stamp_to_nanoseconds(header.stamp)
        age = self._server.settings.frame_age
        found = self._transforms.lookup(header.frame_id, frame, stamp, age)
        if found is None:
            self.get_logger().warning(
                f"panel's frame '{frame}' is not known in '{header.frame_id}'",
                throttle_duration_sec=10.0,
            )
            return None, None
        return found @ self._panel.pose, None

    def _draw(self, pose: np.ndarray | None, header: Any) -> None:
        if not self._objects.get_subscription_count():
            return
        name, count = self.get_name(), len(self._panel.buttons) + 1
        if pose is not None:
            pressed = list(self._buttons.pressed.values())
            array = panel_markers(self._panel, pose, self._buttons.depths, pressed, header, name)
            self._objects.publish(array)
        elif self._is_shown:
            self._objects.publish(deletion(header, name, count))
        self._is_shown = pose is not None


def _event_message(event: ButtonEvent, header: Any) -> Any:
    kind = msg.ButtonEvent.PRESSED if event.pressed else msg.ButtonEvent.RELEASED
    return msg.ButtonEvent(
        header=header,
        button=event.button,
        event=kind,
        side=SIDES[event.side],
        track_id=event.track_id,
        finger=event.finger,
    )


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until it is told to end."""
    return executable.run(ArButtonsNode, executable.spin, args)


if __name__ == '__main__':
    sys.exit(main())
