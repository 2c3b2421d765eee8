"""
The listener of ``handmesh benchmark``: notes when each message came, and touches nothing else.

Messages stay bytes; of those that begin with a header the stamp is read. Ends after SIGINT and
writes what it noted.
"""

from __future__ import annotations

if __name__ == '__main__':
    from handmesh_ros import stop_signals

    stop_signals.end_at_once()

import argparse
import json
import struct
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from tf2_msgs.msg import TFMessage

from handmesh_ros import executable
from handmesh_ros.cdr import PREFIX
from handmesh_ros.outputs import TOPICS

READY = 'Listening'
KINDS = TOPICS | {'/tf': TFMessage}
"""What can be listened to."""
_QOS = QoSProfile(depth=20, reliability=ReliabilityPolicy.RELIABLE)


class BenchmarkListener(Node):
    """
    Keeps arrival times by topic, and the last diagnostics.

    :param topics: names among :data:`KINDS`.
    :param out: JSON file to write in the end.
    """

    def __init__(self, topics: Sequence[str], out: Path) -> None:
        super().__init__('benchmark_listener')
        self._out = out
        self._arrivals: dict[str, list[int]] = {topic: [] for topic in topics}
        self._stamps: list[int] = []
        self._status: dict[str, dict[str, str]] = {}
        for topic in topics:
            self.create_subscription(KINDS[topic], topic, self._noter(topic), _QOS, raw=True)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, _QOS)

    def listen(self) -> None:
        """Serve until told to end."""
        self.get_logger().info(READY)
        executable.spin(self)
        report = {
            'arrivals': self._arrivals,
            'hands_stamps': self._stamps,
            'diagnostics': self._status,
        }
        self._out.write_text(json.dumps(report), encoding='utf-8')

    def _noter(self, topic: str) -> Callable[[bytes], None]:
        arrivals = self._arrivals[topic]

        def note(data: bytes) -> None:
            arrivals.append(time.time_ns())
            if topic == 'hands':
                seconds, nanoseconds = struct.unpack_from('<iI', data, PREFIX)
                self._stamps.append(seconds * 1_000_000_000 + nanoseconds)

        return note

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            part = status.name.rpartition(': ')[2]
            self._status[part] = {pair.key: pair.value for pair in status.values}


def main(args: Sequence[str] | None = None) -> int:
    """Listen until told to end."""
    parser = argparse.ArgumentParser(prog='benchmark_listener')
    parser.add_argument('--topics', nargs='+', required=True, choices=list(KINDS))
    parser.add_argument('--out', type=Path, required=True)
    options = parser.parse_args(args)
    return executable.run(
        lambda: BenchmarkListener(options.topics, options.out), BenchmarkListener.listen, []
    )


if __name__ == '__main__':
    sys.exit(main())
