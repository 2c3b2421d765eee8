"""
Records topics into a ROS 2 bag, as `ros2 bag record` does, also where that is not installed.

Waits for each topic to be published, takes its messages as they are, and ends with a bag that
`ros2 bag play`, Foxglove and folder_camera read: after ``duration``, or on SIGINT, SIGTERM or
SIGHUP. With ``use_sim_time`` it begins with the first ``/clock``; of what comes before, it keeps
what is latched. Where the disk is full it ends early, while there is room to finish the bag.
"""

from __future__ import annotations

if __name__ == '__main__':
    from handmesh_ros import stop_signals

    stop_signals.end_at_once()

import importlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from handmesh_model.errors import ConfigError, OutputError
from handmesh_ros import executable
from handmesh_ros.bag_writer import STORAGES, BagWriter
from handmesh_ros.parameters import parameter
from handmesh_ros.qos import matched_qos, matched_reliability
from handmesh_ros.ros_parameters import ParameterServer

_LOOK_PERIOD = 0.2
"""Seconds between two looks for topics that are not published yet."""
_QUEUE = 100
_MOST_HELD = 256 << 20
"""Bytes of latched messages that are held until simulated time begins."""


@dataclass(frozen=True)
class BagParameters:
    """Parameters of bag_recorder."""

    out: str = parameter('', 'Folder of the bag; it must not be there yet.', read_only=True)
    topics: str = parameter(
        'image camera_info hands topology',
        'What to record, with spaces between the names.',
        read_only=True,
    )
    storage: str = parameter('mcap', 'Format of the bag.', choices=STORAGES, read_only=True)
    duration: float = parameter(
        0.0,
        'Seconds after which to end, 0 to record until told to end.',
        low=0.0,
        high=86400.0,
        read_only=True,
    )


class BagRecorder(Node):
    """
    Writes what it hears.

    :raises ConfigError: if a parameter is wrong or the bag cannot be written.
    """

    def __init__(self) -> None:
        super().__init__('bag_recorder')
        self.settings = ParameterServer(self, BagParameters).check()
        if not self.settings.out:
            raise ConfigError("parameter 'out' is empty, expected the folder of the new bag")
        self._missing = {self.resolve_topic_name(t) for t in self.settings.topics.split()}
        if not self._missing:
            raise ConfigError("parameter 'topics' is empty, expected names of topics")
        self._writer = BagWriter(Path(self.settings.out).expanduser(), self.settings.storage)
        self._held: list[tuple[str, bytes]] = []
        self._bytes_held = self._left_out = 0
        # Simulated time may stand still, or be what is yet to be found.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_LOOK_PERIOD, self._look, clock=steady)

    def record(self) -> None:
        """
        Record until told to end.

        :raises OutputError: if the bag cannot be written on or finished; what there is of it is
            said with it.
        """
        end = time.monotonic() + (self.settings.duration or float('inf'))
        why = ''
        try:
            executable.spin(self, end)
        except OutputError as error:
            why = str(error)
        finally:
            self._finish(why)
        self.get_logger().info(f"Bag '{self.settings.out}' holds {self._contents()}")
        for topic in sorted(self._missing):
            self.get_logger().warning(f"'{topic}' was never published")
        left_out = self._left_out + len(self._held)
        if left_out:
            self.get_logger().warning(f'{left_out} messages from before /clock are left out')

    def _finish(self, why: str) -> None:
        """
        Close the bag.

        :param why: it was not written to the end, or ''.
        :raises OutputError: if there is such a reason, or the bag cannot be closed.
        """
        try:
            self._writer.close()
        except OutputError as error:
            raise OutputError(f'{why}; {error}' if why else str(error)) from error
        if why:
            raise OutputError(f'{why}; it ends here and holds {self._contents()}')

    def _contents(self) -> str:
        counts = self._writer.counts.items()
        return ', '.join(f'{topic} {count}' for topic, count in counts) or 'nothing'

    def _look(self) -> None:
        """Subscribe to what has come to be published, and see whether simulated time has begun."""
        self._release(self.get_clock().now().nanoseconds)
        for topic in sorted(self._missing):
            publishers = self.get_publishers_info_by_topic(topic)
            if publishers:
                self._missing.discard(topic)
                self._subscribe(topic, publishers)

    def _subscribe(self, topic: str, publishers: Sequence[Any]) -> None:
        kind = publishers[0].topic_type
        qos = QoSProfile(
            depth=_QUEUE,
            durability=matched_qos(publishers).durability,
            reliability=matched_reliability(publishers),
        )
        is_latched = qos.durability == DurabilityPolicy.TRANSIENT_LOCAL
        try:
            package, _, name = kind.split('/')
            message = getattr(importlib.import_module(f'{package}.msg'), name)
            self._writer.add(topic, kind, is_latched)
        except (ImportError, AttributeError, ValueError, ConfigError) as error:
            self.get_logger().error(f"'{topic}' is not recorded: {error}")
            return
        self.create_subscription(message, topic, self._keeper(topic, is_latched), qos, raw=True)
        self.get_logger().info(f"Recording '{topic}' ({kind})")

    def _keeper(self, topic: str, is_latched: bool) -> Callable[[bytes], None]:
        def keep(data: bytes) -> None:
            now = self.get_clock().now().nanoseconds
            if now:
                self._release(now)
                self._writer.write(topic, now, bytes(data))
            else:
                self._hold(topic, bytes(data), is_latched)

        return keep

    def _hold(self, topic: str, data: bytes, is_latched: bool) -> None:
        """
        Put off what comes while simulated time is 0, or the bag would begin in 1970.

        What is not latched has been and gone when that time begins, as for `ros2 bag record`.
        """
        self.get_logger().warning('Waiting for the first /clock to record', once=True)
        if is_latched and self._bytes_held + len(data) <= _MOST_HELD:
            self._held.append((topic, data))
            self._bytes_held += len(data)
        else:
            self._left_out += 1

    def _release(self, now: int) -> None:
        """Write what was put off, if there is a time by now."""
        if now:
            held, self._held = self._held, []
            for topic, data in held:
                self._writer.write(topic, now, data)


def main(args: Sequence[str] | None = None) -> int:
    """Record the topics that the parameters name."""
    return executable.run(BagRecorder, lambda node: node.record(), args)


if __name__ == '__main__':
    sys.exit(main())
