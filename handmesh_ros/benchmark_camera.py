"""
The camera of ``handmesh benchmark``: sends the demo clip at a steady rate, as cheaply as it can.

Pictures are made ready before the first is sent. It ends when it is told to (SIGINT) or after
``--seconds``, and writes the stamps of all images sent.
"""

from __future__ import annotations

if __name__ == '__main__':
    from handmesh_ros import stop_signals

    stop_signals.end_at_once()

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from handmesh_model.benchmark.frames import clip_frames, clip_intrinsics, there_and_back
from handmesh_ros import executable
from handmesh_ros.calibration import camera_info
from handmesh_ros.stamps import stamp_to_nanoseconds
from handmesh_ros.wire import ImageWire

_FRAME_ID = 'camera_optical_frame'
_DISTINCT = 60
"""Pictures held in memory, played there and back."""
_PATIENCE = 60.0


class BenchmarkCamera(Node):
    """
    Plays until time is up.

    :param options: the command line, see :func:`parse`.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__('benchmark_camera')
        self._options = options
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
        self._images = self.create_publisher(Image, 'image', qos)
        self._infos = self.create_publisher(CameraInfo, 'camera_info', qos)

    def play(self) -> int:
        """Wait for the node, then send images; 1 if nobody listens."""
        options = self._options
        frames = clip_frames(options.width, options.height, _DISTINCT)
        intrinsics = clip_intrinsics(options.width, options.height)
        if not self._is_listened_to():
            return 1
        wire = ImageWire()
        sent: list[int] = []
        start = due = time.monotonic()
        while due < start + options.seconds and not executable.is_over(self):
            time.sleep(max(0.0, due - time.monotonic()))
            stamp = self.get_clock().now().to_msg()
            header = Header(stamp=stamp, frame_id=_FRAME_ID)
            info = camera_info(intrinsics, options.width, options.height, header)
            self._infos.publish(info)
            rgb = frames[there_and_back(len(frames), len(sent))]
            self._images.publish(wire.build(rgb, header))
            sent.append(stamp_to_nanoseconds(stamp))
            # A camera that was held up leaves images out and does not send them in a burst.
            due += 1 / options.rate
            due = max(due, time.monotonic() - 1 / options.rate)
        Path(options.out).write_text(json.dumps(sent), encoding='utf-8')
        return 0

    def _is_listened_to(self) -> bool:
        end = time.monotonic() + _PATIENCE
        while not self._images.get_subscription_count():
            if time.monotonic() > end or executable.is_over(self):
                self.get_logger().error('nobody subscribes to the images')
                return False
            time.sleep(0.02)
        return True


def parse(args: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog='benchmark_camera')
    parser.add_argument('--width', type=int, required=True)
    parser.add_argument('--height', type=int, required=True)
    parser.add_argument('--rate', type=float, required=True, help='images a second')
    parser.add_argument('--seconds', type=float, required=True)
    parser.add_argument('--out', required=True, help='JSON file for the stamps')
    return parser.parse_args(args)


def main(args: Sequence[str] | None = None) -> int:
    """Play the clip for a while."""
    options = parse(args)
    return executable.run(lambda: BenchmarkCamera(options), BenchmarkCamera.play, [])


if __name__ == '__main__':
    sys.exit(main())
