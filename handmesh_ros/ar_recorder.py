"""
Writes down what the AR nodes show and say.

Writes to the folder ``out``: ar_overlay.mp4, contact_sheet.png, events.json (the buttons),
objects.npz (where the things of the namespace ``things`` were, by stamp) and report.json. Ends,
with everything written, after SIGINT, SIGTERM or SIGHUP: once no more comes, or after two seconds
if more does; and after an error.
"""

from __future__ import annotations

if __name__ == '__main__':
    from handmesh_ros import stop_signals

    stop_signals.end_at_once()

import sys
import time
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from visualization_msgs.msg import Marker, MarkerArray

from handmesh_model.output_files import write_arrays, write_json
from handmesh_ros import executable, msg, recording
from handmesh_ros.ar_parameters import ArRecorderParameters
from handmesh_ros.conversions import SIDES
from handmesh_ros.film import Film
from handmesh_ros.processes import RECORDER_READY
from handmesh_ros.record import Tally, spread, topic_figures
from handmesh_ros.ros_parameters import ParameterServer
from handmesh_ros.stamps import UNSTAMPED, stamp_to_nanoseconds

_SIDE_NAMES = {number: name for name, number in SIDES.items()}


class ArRecorder(Node):
    """Keeps pictures, events and the places of things."""

    def __init__(self) -> None:
        super().__init__('ar_recorder')
        self.settings = ParameterServer(self, ArRecorderParameters).check()
        self._folder = recording.make_folder(self.settings.out)
        self._film = Film(self._folder / 'ar_overlay.mp4', self.settings.rate)
        self._tallies = {name: Tally() for name in ('ar_overlay', 'hands', 'objects')}
        self._latencies: list[float] = []
        self._events: list[dict[str, Any]] = []
        self._places: list[tuple[int, int, tuple[float, float, float]]] = []
        self._last_message = time.monotonic()
        self._is_ready = False
        qos = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)
        self._pictures = self.create_subscription(Image, 'ar_overlay', self._on_picture, qos)
        self.create_subscription(msg.HandArray, 'hands', self._on_hands, qos)
        self.create_subscription(MarkerArray, 'objects', self._on_objects, qos)
        self.create_subscription(msg.ButtonEvent, 'button_events', self._on_event, qos)

    def record(self) -> None:
        """
        Serve until told to end and little or no more comes, then write all, also after an error.

        :raises OutputError: if it cannot be written.
        """

        def listen() -> None:
            recording.listen(self, lambda: self._last_message, self._say_ready)

        recording.write_after(self, listen, self._write)

    def _say_ready(self) -> None:
        if not self._is_ready and self._pictures.get_publisher_count():
            self._is_ready = True
            self.get_logger().info(RECORDER_READY)

    def _count(self, topic: str) -> None:
        self._last_message = time.monotonic()
        self._tallies[topic].add(self._last_message)

    def _on_picture(self, message: Image) -> None:
        self._count('ar_overlay')
        stamp = stamp_to_nanoseconds(message.header.stamp)
        if stamp != UNSTAMPED:
            self._latencies.append((self.get_clock().now().nanoseconds - stamp) * 1e-6)
        rgb = recording.readable(self, message)
        if rgb is None:
            return
        if self.settings.caption:
            rgb = rgb.copy()
            # Dark under light, to be read on any ground.
            for color, width in (((20, 24, 32), 4), ((255, 255, 255), 1)):
                cv2.putText(
                    rgb, self.settings.caption, (8, rgb.shape[0] - 10), cv2.FONT_HERSHEY_SIMPLEX,
                    0.55, color, width, cv2.LINE_AA,
                )  # fmt: skip
        self._film.add(rgb)

    def _on_hands(self, message: Any) -> None:
        self._count('hands')

    def _on_objects(self, message: MarkerArray) -> None:
        self._count('objects')
        for marker in message.markers:
            if marker.ns == self.settings.things and marker.type != Marker.SPHERE_LIST:
                place = marker.pose.position
                stamp = stamp_to_nanoseconds(marker.header.stamp)
                self._places.append((stamp, marker.id, (place.x, place.y, place.z)))

    def _on_event(self, message: Any) -> None:
        pressed = message.event == msg.ButtonEvent.PRESSED
        self._events.append(
            {
                'stamp': stamp_to_nanoseconds(message.header.stamp),
                'button': message.button,
                'event': 'pressed' if pressed else 'released',
                # None, and so null in the file, for a side that is none.
                'side': _SIDE_NAMES.get(message.side),
                'finger': message.finger,
            }
        )

    def _write(self) -> None:
        self._film.close()
        write_arrays(
            self._folder / 'objects.npz',
            stamp=np.array([row[0] for row in self._places], dtype=np.int64),
            id=np.array([row[1] for row in self._places], dtype=np.int64),
            position=np.array([row[2] for row in self._places]).reshape(-1, 3),
        )
        write_json(self._folder / 'events.json', self._events)
        report = {
            'video_frames': self._film.count,
            'topics': topic_figures(self._tallies),
            'latency_ms': spread(self._latencies),
            'button_events': len(self._events),
        }
        write_json(self._folder / 'report.json', report)
        self._film.write_sheet(self._folder / 'contact_sheet.png')
        self.get_logger().info(f"Written to '{self._folder}'")


def main(args: Sequence[str] | None = None) -> int:
    """Record until told to end."""
    return executable.run(ArRecorder, lambda node: node.record(), args)


if __name__ == '__main__':
    sys.exit(main())
