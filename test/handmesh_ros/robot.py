"""The other side of the topics: what a camera and a robot do with a node, for the nodes' tests."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray

from handmesh_ros.images import rgb_to_image, set_bytes
from handmesh_ros.msg import HandArray, HandPair, HandTopology

LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
OUTPUTS = {
    'hands': HandArray,
    'hands/raw': HandArray,
    'joints': HandPair,
    'joints/left': PoseArray,
    'joints/right': PoseArray,
    'points': PointCloud2,
    'markers': MarkerArray,
    'overlay': Image,
    '/tf': TFMessage,
}
TIMEOUT = 120.0
"""Generous: a machine that is busy is no fault of the node."""
PATIENCE = 10.0
"""Seconds that processes have to end which a test has left."""
DIES_WITH_TESTS = ['setpriv', '--pdeathsig', 'TERM'] if shutil.which('setpriv') else []
"""Before a command: it ends however the tests do."""


class Robot:
    """
    Publishes images and keeps all that comes back.

    :param topics: which of :data:`OUTPUTS` to subscribe to.
    """

    def __init__(self, topics=tuple(OUTPUTS), namespace=''):
        self.node = rclpy.create_node('robot', namespace=namespace)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.images = self.node.create_publisher(Image, 'image', 10)
        self.infos = self.node.create_publisher(CameraInfo, 'camera_info', 10)
        self.got = {topic: [] for topic in topics}
        self.diagnostics = []
        for topic in topics:
            self.subscribe(topic)
        self._clients = {}
        self.topologies = []
        self.node.create_subscription(HandTopology, 'topology', self.topologies.append, LATCHED)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self.diagnostics.append, 10)

    def subscribe(self, topic):
        self.got.setdefault(topic, [])
        return self.node.create_subscription(OUTPUTS[topic], topic, self.got[topic].append, 10)

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()

    def wait(self, is_true, timeout=TIMEOUT, what='a condition'):
        """Serve callbacks until something holds; fails the test if it never does."""
        end = time.monotonic() + timeout
        while not (value := is_true()):
            assert time.monotonic() < end, f'{what} did not come about within {timeout} s'
            self.executor.spin_once(timeout_sec=0.02)
        return value

    def rest(self, seconds):
        """Serve callbacks for a while, where the point is that something does not happen."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.02)

    def wait_for_node(self, timeout=TIMEOUT):
        """Wait until the node takes images and is matched with every subscription."""
        self.wait(
            lambda: (
                self.images.get_subscription_count() > 0
                and self.infos.get_subscription_count() > 0
                and all(self.node.count_publishers(topic) for topic in self.got)
                and self.topologies
            ),
            timeout,
            'the node',
        )

    def header(self, stamp, frame_id='head_camera'):
        return Header(stamp=time_of(stamp), frame_id=frame_id)

    def show(self, rgb, stamp, intrinsics=None, frame_id='head_camera'):
        """Publish one image, with its camera_info if there are intrinsics; returns the header."""
        header = self.header(stamp, frame_id)
        if intrinsics is not None:
            height, width = rgb.shape[:2]
            info = CameraInfo(header=header, width=width, height=height)
            info.k = np.asarray(intrinsics, dtype=float).ravel().tolist()
            self.infos.publish(info)
        self.images.publish(rgb_to_image(rgb, header))
        return header

    def ask(self, rgb, stamp, intrinsics=None, topic='hands', frame_id='head_camera'):
        """Publish one image and wait for the message that answers it, by its stamp."""
        header = self.show(rgb, stamp, intrinsics, frame_id)
        return self.answer(topic, header.stamp)

    def ask_metric(self, rgb, stamp, intrinsics):
        """Ask for hands until they are metric: one camera_info may get lost on its way."""
        end = time.monotonic() + TIMEOUT
        while not all(hand.metric_valid for hand in self.ask(rgb, stamp, intrinsics).hands):
            assert time.monotonic() < end, 'the node has got no camera_info'
            stamp += 1e-3

    def ask_all(self, rgb, stamp, intrinsics):
        """The same for all topics at once."""
        header = self.show(rgb, stamp, intrinsics)
        return {topic: self.answer(topic, header.stamp) for topic in self.got}

    def answer(self, topic, stamp):
        """Wait for the message on a topic that has a stamp."""
        return self.wait(
            lambda: next((m for m in self.got[topic] if stamp_of(m) == stamp), None),
            what=f'the answer on {topic} to {stamp}',
        )

    def call(self, kind, name, request):
        """Call a service of the node and wait for the answer."""
        # One each: what answers keeps something of every client that it ever had.
        client = self._clients.get((kind, name))
        if client is None:
            client = self.node.create_client(kind, f'/handmesh_node/{name}')
            self._clients[kind, name] = client
        self.wait(client.service_is_ready, what=f'the service {name}')
        future = client.call_async(request)
        return self.wait(lambda: future.done() and (future.result(),), what=name)[0]

    def status(self, part):
        """The newest diagnostic status of a part of the node."""
        for array in reversed(self.diagnostics):
            for status in array.status:
                if status.name.endswith(f': {part}'):
                    return status
        return None

    def wait_for_status(self, part, is_right):
        """Wait for a diagnostic status that fits; returns it."""
        return self.wait(
            lambda: (status := self.status(part)) is not None and is_right(status) and status,
            what=f'such a status of {part}; the last is {self.status(part)}',
        )


def time_of(seconds):
    nanoseconds = round(seconds * 1e9)
    return Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)


def depth_message(depth, header, padding=0):
    """
    A depth image as a message.

    :param depth: (H, W) uint16 millimetres or float32 metres, in any byte order.
    :param padding: bytes after each row.
    """
    height, width = depth.shape
    is_big = depth.dtype.newbyteorder('=') != depth.dtype
    rows = np.ascontiguousarray(depth).view(np.uint8).reshape(height, -1)
    rows = np.pad(rows, ((0, 0), (0, padding)))
    message = Image(
        header=header,
        height=height,
        width=width,
        encoding='16UC1' if depth.dtype.kind == 'u' else '32FC1',
        step=rows.shape[1],
        is_bigendian=is_big,
    )
    set_bytes(message, np.ascontiguousarray(rows))
    return message


def stamp_of(message):
    """Stamp of a message, or of the first one in an array of stamped things."""
    if hasattr(message, 'header'):
        return message.header.stamp
    items = getattr(message, 'transforms', None) or getattr(message, 'markers', None)
    return items[0].header.stamp


def values_of(status):
    return {pair.key: pair.value for pair in status.values}


class NodeProcess:
    """
    A node running as a process of its own, with its log in a file.

    :param command: what comes after `python`.
    """

    def __init__(self, command, log):
        self.log = Path(log)
        self._file = self.log.open('wb')
        self.process = subprocess.Popen(
            [*DIES_WITH_TESTS, sys.executable, *map(str, command)],
            stdout=self._file,
            stderr=subprocess.STDOUT,
            env=os.environ | {'PYTHONUNBUFFERED': '1', 'OMP_NUM_THREADS': '1'},
            cwd=Path(__file__).parents[2],
        )

    def text(self):
        return self.log.read_text(errors='replace')

    def is_alive(self):
        return self.process.poll() is None

    def ends_within(self, seconds):
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return not self.is_alive()

    def tell(self, how):
        """Send a signal, unless it has ended."""
        self.process.send_signal(how)

    def end(self, how=signal.SIGINT, timeout=TIMEOUT):
        """Send a signal and return the exit code."""
        self.tell(how)
        try:
            return self.process.wait(timeout)
        finally:
            self.kill()

    def kill(self):
        if self.is_alive():
            self.process.kill()
            self.process.wait()
        self._file.close()


def end_all(processes):
    """
    Have what a test has left end by itself; what does not is killed.

    Whoever is killed leaves the shared memory behind in which its messages were.

    :param processes: :class:`NodeProcess` and what is like it.
    """
    for process in processes:
        process.tell(signal.SIGINT)
    end = time.monotonic() + PATIENCE
    for process in processes:
        process.ends_within(max(end - time.monotonic(), 0.0))
        process.kill()


def parameters(**values):
    """Command line that sets parameters."""
    pairs = [word for name, value in values.items() for word in ('-p', f'{name}:={value}')]
    return ['--ros-args', *pairs] if pairs else []
