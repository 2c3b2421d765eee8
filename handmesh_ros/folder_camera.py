"""
A camera made of a folder of images, a video file, a ROS 2 bag, a real camera, or the demo clip.

Publishes ``image`` (sensor_msgs/Image, rgb8) and ``camera_info`` at a steady rate, or in lockstep
with whoever answers on ``hands``. Starts when somebody listens and ends with the source.
"""

from __future__ import annotations

if __name__ == '__main__':
    from handmesh_ros import stop_signals

    stop_signals.end_at_once()

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from handmesh_model.errors import ConfigError
from handmesh_ros import executable, sources
from handmesh_ros.calibration import calibrated_info
from handmesh_ros.camera_parameters import CameraParameters
from handmesh_ros.images import rgb_to_image
from handmesh_ros.ros_parameters import ParameterServer
from handmesh_ros.source_camera import SourceCamera
from handmesh_ros.stamps import stamp_to_nanoseconds

ANSWER_TIMEOUT = 10.0
"""Seconds that lockstep waits for the hands of an image before it sends it again or goes on."""
ATTEMPTS = 2
"""How often lockstep sends an image: on a busy machine one may get lost on its way."""
_WAIT_NOTICE = 5.0
"""Seconds between two words on what the first picture waits for."""


class FolderCamera(Node):
    """
    Plays a source once, or forever.

    :param name: of the node.
    :param options: of ``rclpy.node.Node``.
    :raises ImageError: if the source cannot be read.
    :raises ConfigError: if a parameter or the file of the camera is wrong.
    """

    def __init__(self, name: str = 'folder_camera', **options: Any) -> None:
        super().__init__(name, **options)
        self.settings = ParameterServer(self, CameraParameters).check()
        log = self.get_logger()
        self._source = sources.open_source(
            self.settings.source,
            log.error,
            self.settings.bag_topic,
            has_camera=bool(self.settings.intrinsics_file),
        )
        self._rate = self._source.played_rate(self.settings.rate, log.warning)
        self._camera = self._source.camera
        if self.settings.intrinsics_file:
            self._camera = sources.read_camera(self.settings.intrinsics_file)
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
        # Others come to know of them in this order: who has found images has found both.
        self._infos = self.create_publisher(CameraInfo, 'camera_info', qos)
        self._images = self.create_publisher(Image, 'image', qos)
        self._answered = 0
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)
        if self.settings.lockstep:
            self._listen_for_answers(self.settings.answer_topic)
        log.info(
            f'{self._source.name}: {self._source.count or "unknown number of"} images at '
            f'{self._rate:g} Hz' + (', in lockstep' if self.settings.lockstep else '')
        )

    def _listen_for_answers(self, topic: str) -> None:
        kind: type = Image
        if topic == 'hands':
            # Here, so that the camera alone does without the generated messages.
            from handmesh_ros.msg import HandArray

            kind = HandArray
        self.create_subscription(kind, topic, self._on_answer, 10)

    def _on_answer(self, message: object) -> None:
        self._answered = max(
            self._answered,
            stamp_to_nanoseconds(message.header.stamp),  # type: ignore[attr-defined]
        )

    def play(self) -> None:
        """Send every picture; returns when the source ends."""
        while not self._wait_until(self._is_listened_to, time.monotonic() + _WAIT_NOTICE):
            self.get_logger().info('Waiting for subscribers')
        sent = unanswered = 0
        with self._frames_file() as file:
            due = time.monotonic()
            end = due + (self.settings.duration or float('inf'))
            for frame in self._source.play(self.settings.loop):
                if not self._is_time(due):
                    continue
                if time.monotonic() > end:
                    break
                due = max(due + 1 / self._rate, time.monotonic())
                sent += 1
                unanswered += not self._show(frame, file)
        self._images.wait_for_all_acked(Duration(seconds=2))
        self.get_logger().info(f'Done: {sent} images sent, {unanswered} unanswered')

    def _is_time(self, due: float) -> bool:
        """
        Wait until a picture may be sent; whether it may be at all.

        A live one is sent at once or never: held back, its stamp would be later than it was taken.
        """
        live = self._source.is_live
        self._wait_until(lambda: False, time.monotonic() if live else due)
        # Half a picture's time early is in time, since a camera's own clock trembles.
        return not live or time.monotonic() >= due - 0.5 / self._source.rate

    def _show(self, frame: sources.Frame, file: TextIO) -> bool:
        """Send a picture; in lockstep, whether it was answered."""
        for _ in range(ATTEMPTS):
            stamp = self._send(frame)
            line = {'frame': frame.index, 'name': frame.name, 'stamp': stamp}
            print(json.dumps(line), file=file, flush=True)
            if not self.settings.lockstep or self._is_answered(stamp):
                return True
            self.get_logger().warning(
                f"no answer on '{self.settings.answer_topic}' to {frame.name}"
            )
        return False

    def _is_listened_to(self) -> bool:
        """Whether all are there that the first picture waits for."""
        enough = self.settings.subscribers
        if (
            self.settings.lockstep
            and enough
            and not self.count_publishers(self.settings.answer_topic)
        ):
            return False
        return self._images.get_subscription_count() >= enough

    def _is_answered(self, stamp: int) -> bool:
        end = time.monotonic() + ANSWER_TIMEOUT
        return self._wait_until(lambda: self._answered >= stamp, end)

    def _frames_file(self) -> TextIO:
        path = Path(self.settings.frames_file or os.devnull)
        try:
            return path.open('w', encoding='utf-8')
        except OSError as error:
            raise ConfigError(
                f"parameter 'frames_file': cannot write '{path}': {error}"
            ) from error

    def _send(self, frame: sources.Frame) -> int:
        """Publish a picture and what goes with it; returns the stamp in nanoseconds."""
        stamp = self.get_clock().now().to_msg()
        self.publish(frame, Header(stamp=stamp, frame_id=self.settings.frame_id))
        return stamp_to_nanoseconds(stamp)

    def publish(self, frame: sources.Frame, header: Header) -> None:
        """
        Publish a picture and its CameraInfo.

        :raises ConfigError: if the camera is not one of pictures of this aspect ratio.
        """
        height, width = frame.rgb.shape[:2]
        camera = self._camera_of(width, height)
        self._infos.publish(calibrated_info(camera, width, height, header))
        self._images.publish(rgb_to_image(frame.rgb, header))

    def _camera_of(self, width: int, height: int) -> SourceCamera:
        """The camera of pictures of a size."""
        if self._camera is None:
            return self._assumed_camera(width, height)
        camera = self._camera.for_size(width, height)
        if camera is not self._camera and self._camera.size is not None:
            calibrated = '{} x {}'.format(*self._camera.size)
            self.get_logger().warning(
                f'{camera.name} is calibrated for images of {calibrated} pixels, these have '
                f'{width} x {height}: its matrix is scaled',
                once=True,
            )
        return camera

    def _assumed_camera(self, width: int, height: int) -> SourceCamera:
        angle = self.settings.field_of_view
        self.get_logger().warning(
            f'no camera matrix known: assuming a horizontal field of view of {angle:g} degrees; '
            'distances are only as good as that',
            once=True,
        )
        return SourceCamera(sources.assumed_intrinsics(width, height, angle))

    def _wait_until(self, is_true: Callable[[], bool], until: float) -> bool:
        return executable.spin_until(self, self._executor, is_true, until)


def main(args: Sequence[str] | None = None) -> int:
    """Play the source that the parameters name."""
    return executable.run(FolderCamera, lambda node: node.play(), args)


if __name__ == '__main__':
    sys.exit(main())
