"""
Listens to everything that handmesh_node says and writes it down.

Writes to the folder ``out``: overlay.mp4, contact_sheet.png, joints.npz and report.json. Ends,
with everything written, after SIGINT, SIGTERM or SIGHUP: once no more comes, or after two seconds
if more does; and after an error.
"""

from __future__ import annotations

if __name__ == '__main__':
    from handmesh_ros import stop_signals

    stop_signals.end_at_once()

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from tf2_msgs.msg import TFMessage

from handmesh_model.output_files import write_arrays, write_json
from handmesh_ros import executable, msg, recording
from handmesh_ros.film import Film
from handmesh_ros.outputs import TOPICS
from handmesh_ros.processes import RECORDER_READY
from handmesh_ros.qos import LATCHED
from handmesh_ros.record import HandRow, Record, Tally, read_frames_file
from handmesh_ros.recorder_parameters import RecorderParameters
from handmesh_ros.ros_parameters import ParameterServer
from handmesh_ros.stamps import UNSTAMPED, stamp_to_nanoseconds

_PROGRESS_PERIOD = 2.0


class DemoRecorder(Node):
    """Keeps figures of all topics, and what the video and the arrays need of some."""

    def __init__(self) -> None:
        super().__init__('demo_recorder')
        self.settings = ParameterServer(self, RecorderParameters).check()
        self._folder = recording.make_folder(self.settings.out)
        self._record = Record()
        self._film = Film(self._folder / 'overlay.mp4', self.settings.rate)
        self._last_message = self._last_progress = time.monotonic()
        self._is_ready = False
        self._listen()

    def _listen(self) -> None:
        qos = QoSProfile(depth=20, reliability=ReliabilityPolicy.RELIABLE)
        read = {'hands': self._on_hands, 'overlay': self._on_overlay}
        profiles = {'topology': LATCHED}
        kinds = TOPICS | {'topology': msg.HandTopology, '/tf': TFMessage}
        self._heard = [
            self.create_subscription(
                kind,
                topic,
                self._counted(topic, read.get(topic)),
                profiles.get(topic, qos),
                # What is only counted stays bytes: making objects of a mesh's markers takes longer
                # than the node took to find the hand.
                raw=topic not in read,
            )
            for topic, kind in kinds.items()
        ]
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, qos)

    def record(self) -> None:
        """
        Serve until told to end and little or no more comes, then write all, also after an error.

        :raises OutputError: if it cannot be written.
        """

        def listen() -> None:
            recording.listen(self, lambda: self._last_message, self._look)

        recording.write_after(self, listen, self._write)

    def _look(self) -> None:
        self._say_ready()
        self._say_progress()

    def _say_ready(self) -> None:
        if not self._is_ready and self._record.topics.get('topology'):
            self._is_ready = all(s.get_publisher_count() > 0 for s in self._heard)
            if self._is_ready:
                self.get_logger().info(RECORDER_READY)

    def _say_progress(self) -> None:
        now = time.monotonic()
        answers = self._record.answers
        if now - self._last_progress < _PROGRESS_PERIOD or not answers:
            return
        self._last_progress = now
        of = f' of {self.settings.expected}' if self.settings.expected else ''
        hands = sum(count > 0 for count in answers.values())
        rate = self._record.topics['hands'].rate
        text = f'{len(answers)}{of} images, hands in {hands}, {rate:.1f} Hz'
        if self._record.latencies:
            latency = 1000 * np.median(self._record.latencies[-30:])
            text += f', latency {latency:.0f} ms'
        self.get_logger().info(text)

    def _counted(
        self, topic: str, keep: Callable[[Any], None] | None = None
    ) -> Callable[[Any], None]:
        """A callback that counts a topic's messages, and hands them on."""

        def on_message(message: Any) -> None:
            self._last_message = time.monotonic()
            self._record.topics.setdefault(topic, Tally()).add(self._last_message)
            if keep is not None:
                keep(message)

        return on_message

    def _on_hands(self, message: msg.HandArray) -> None:
        now = self.get_clock().now().nanoseconds
        stamp = stamp_to_nanoseconds(message.header.stamp)
        if stamp != UNSTAMPED:
            self._record.latencies.append((now - stamp) * 1e-9)
        seen = [hand for hand in message.hands if hand.state == msg.Hand.TRACKED]
        self._record.answers[stamp] = len(seen)
        self._record.hands += [
            HandRow(
                stamp=stamp,
                side=hand.side,
                track_id=hand.track_id,
                state=hand.state,
                score=hand.score,
                box=np.array(hand.box),
                joints_image=np.array(hand.joints_image),
                joints_camera=np.array(hand.joints_camera),
            )
            for hand in message.hands
        ]

    def _on_overlay(self, message: Image) -> None:
        rgb = recording.readable(self, message)
        if rgb is not None:
            self._film.add(rgb)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.hardware_id == 'handmesh':
                part = status.name.rpartition(': ')[2]
                values = {pair.key: pair.value for pair in status.values}
                self._record.diagnostics[part] = {'message': status.message, **values}

    def _write(self) -> None:
        sent = read_frames_file(self.settings.frames_file)
        self._film.close()
        write_arrays(self._folder / 'joints.npz', **self._record.arrays(sent))
        report = self._record.report(sent) | {'video_frames': self._film.count}
        write_json(self._folder / 'report.json', report)
        self._film.write_sheet(self._folder / 'contact_sheet.png')
        self.get_logger().info(f"Written to '{self._folder}'")


def main(args: Sequence[str] | None = None) -> int:
    """Record until told to end."""
    return executable.run(DemoRecorder, lambda node: node.record(), args)


if __name__ == '__main__':
    sys.exit(main())
