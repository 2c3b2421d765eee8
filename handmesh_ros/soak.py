"""
Thousands of images through the node, bad ones among them: does memory grow, or latency?

    python -m handmesh_ros.soak --frames 10000 --out out/soak

Starts handmesh_node in a process of its own, sends it the pictures of a source over and over, each
after the answer to the one before, and watches its memory. Exit code 0 means that every good image
was answered and that neither memory nor latency grew.
"""

from __future__ import annotations

if __name__ == '__main__':
    from handmesh_ros import stop_signals

    stop_signals.end_at_once()

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from handmesh_ros import executable, sources
from handmesh_ros.calibration import camera_info
from handmesh_ros.images import rgb_to_image
from handmesh_ros.isolation import isolated_environment
from handmesh_ros.msg import HandArray
from handmesh_ros.processes import READY_TIMEOUT, Child, RunError, ros_arguments, run_as_command
from handmesh_ros.soak_report import Soak, resident_bytes
from handmesh_ros.stamps import stamp_to_nanoseconds

ANSWER_TIMEOUT = 20.0
ATTEMPTS = 3
"""How often a good image is sent: on a busy machine one may get lost on its way."""
_LOOK_EVERY = 50
"""Images between two looks at the memory."""
_PROGRESS_EVERY = 500
_FIELD_OF_VIEW = 60.0
_TOPICS = {'points': PointCloud2, 'markers': MarkerArray, 'overlay': Image}
"""What may be subscribed to besides `hands`."""
_BAD = ('truncated', 'step', 'encoding', 'empty', 'matrix')
"""Kinds of bad input, each in its turn."""


class SoakNode(Node):
    """
    The camera and the robot of a soak.

    :param options: of the command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__('soak')
        self._options = options
        self._source = sources.open_source(options.source)
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
        self._images = self.create_publisher(Image, 'image', qos)
        self._infos = self.create_publisher(CameraInfo, 'camera_info', qos)
        self._answered = 0
        self._hands = 0
        self.counts: dict[str, str] = {}
        self.create_subscription(HandArray, 'hands', self._on_hands, qos)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, qos)
        for topic in options.topics:
            self.create_subscription(_TOPICS[topic], topic, lambda message: None, qos, raw=True)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)

    def _on_hands(self, message: Any) -> None:
        self._answered = stamp_to_nanoseconds(message.header.stamp)
        self._hands = len(message.hands)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.endswith(': images'):
                self.counts = {pair.key: pair.value for pair in status.values}

    def run(self) -> int:
        """Soak the node; the exit code."""
        words = () if self._options.verbose else ('--log-level', 'handmesh_node:=fatal')
        values = {'device': self._options.device, 'weights': self._options.weights}
        child = Child.start('handmesh_node', ros_arguments(values, words))
        soak = Soak()
        try:
            self._soak(child, soak)
        except ExternalShutdownException:
            print('stopped; what was measured so far:', flush=True)
        finally:
            code = child.stop()
        out = Path(self._options.out)
        out.mkdir(parents=True, exist_ok=True)
        report = soak.report() | {'counts': self.counts, 'node exit code': code}
        text = json.dumps(report, indent=2)
        (out / 'soak.json').write_text(text + '\n', encoding='utf-8')
        print(text, flush=True)
        return int(bool(code or soak.complaints()))

    def _soak(self, child: Child, soak: Soak) -> None:
        if not self._spin(lambda: self._images.get_subscription_count() > 0, READY_TIMEOUT):
            raise RunError(f'handmesh_node took no images within {READY_TIMEOUT:.0f} s')
        pid = child.process.pid
        pictures = self._source.play(forever=True)
        for i, frame in zip(range(self._options.frames), pictures, strict=False):
            rgb = frame.rgb
            if not child.is_alive():
                raise child.failure(f'ended with code {child.process.returncode}')
            if self._options.bad_every and i % self._options.bad_every == 0:
                self._send_bad(rgb, _BAD[i // self._options.bad_every % len(_BAD)])
                soak.bad += 1
            soak.note(*self._ask(rgb))
            if i % _LOOK_EVERY == 0:
                soak.look(i, resident_bytes(pid), len(os.listdir(f'/proc/{pid}/fd')))
            if i and i % _PROGRESS_EVERY == 0:
                print(soak.progress(), flush=True)
        # Diagnostics come once a second.
        self._spin(lambda: False, 2.5)

    def _ask(self, rgb: Any) -> tuple[float | None, int]:
        """Seconds to the answer, None if none came; and how many hands there were."""
        for _ in range(ATTEMPTS):
            stamp, start = self._send(rgb), time.monotonic()
            if self._spin(lambda stamp=stamp: self._answered == stamp, ANSWER_TIMEOUT):  # type: ignore[misc]
                return time.monotonic() - start, self._hands
        return None, 0

    def _header(self) -> Header:
        return Header(stamp=self.get_clock().now().to_msg(), frame_id='camera')

    def _send(self, rgb: Any) -> int:
        header = self._header()
        self._infos.publish(_info(rgb, header))
        self._images.publish(rgb_to_image(rgb, header))
        return stamp_to_nanoseconds(header.stamp)

    def _send_bad(self, rgb: Any, kind: str) -> None:
        """Send what the node has to refuse; what follows must not suffer."""
        header = self._header()
        if kind == 'matrix':
            info = _info(rgb, header)
            info.k = [float('nan')] * 9
            self._infos.publish(info)
            return
        image = rgb_to_image(rgb, header)
        if kind == 'truncated':
            del image.data[len(image.data) // 2 :]
        elif kind == 'step':
            image.step = 7
        elif kind == 'encoding':
            image.encoding = 'no_such_encoding'
        else:
            image.height = image.width = image.step = 0
            del image.data[:]
        self._images.publish(image)
        # Time to take it up, or the good one behind it would take its place.
        self._spin(lambda: False, 0.03)

    def _spin(self, is_true: Any, seconds: float) -> bool:
        """Serve callbacks until something holds; whether it came to hold in time."""
        until = time.monotonic() + seconds
        return executable.spin_until(self, self._executor, is_true, until)


def _info(rgb: Any, header: Header) -> CameraInfo:
    height, width = rgb.shape[:2]
    matrix = sources.assumed_intrinsics(width, height, _FIELD_OF_VIEW)
    return camera_info(matrix, width, height, header)


def parse(args: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog='soak',
        description='Thousands of images through the node: does memory grow, or latency?',
    )
    add = parser.add_argument
    add('--frames', type=int, default=10_000, help='good images to send')
    add('--bad-every', type=int, default=20, help='a bad one before each of so many; 0 for none')
    add('--topics', nargs='*', choices=_TOPICS, default=list(_TOPICS), help='to listen to as well')
    add('--source', default='demo', help='folder of images, image or video file')
    add('--out', default='out/soak', help='folder for soak.json')
    add('--device', default='auto', help="'auto', 'cpu' or 'cuda'")
    add('--weights', default='auto', help="'auto', 'open', 'open-large' or a checkpoint")
    add('--verbose', action='store_true', help="show the node's log, with what it refuses")
    return parser.parse_args(args)


def main(args: Sequence[str] | None = None) -> int:
    """Soak the node as the command line says."""
    options = parse(args)
    os.environ.update(isolated_environment())
    return run_as_command(
        lambda: executable.run(lambda: SoakNode(options), lambda node: node.run(), []), 'soak'
    )


if __name__ == '__main__':
    sys.exit(main())
