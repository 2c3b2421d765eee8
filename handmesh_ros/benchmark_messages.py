"""What messages cost, and all of a frame but the network; published for real, to a listener."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from handmesh_model.backends import Backend, NetworkResult
from handmesh_model.benchmark.frames import SIZES, clip_frames, clip_intrinsics
from handmesh_model.benchmark.stages import wait_for_device
from handmesh_model.benchmark.timing import Effort, Timing, ratio, take_turns
from handmesh_model.errors import BackendError
from handmesh_model.hand import Hand
from handmesh_model.predictor import HandMeshPredictor
from handmesh_model.tracker import HandTracker
from handmesh_ros import conversions
from handmesh_ros.calibration import Calibration
from handmesh_ros.images import image_to_rgb, rgb_to_image
from handmesh_ros.markers import MarkerBuilder
from handmesh_ros.node_parameters import NodeParameters
from handmesh_ros.outputs import TOPICS, HandOutputs, Picture
from handmesh_ros.stamps import stamp_to_seconds
from handmesh_ros.wire import CloudWire, HandWire, MarkerWire, PoseWire

MESSAGES = ('markers', 'hands', 'points', 'joints/right')
"""Topics of the messages that are made both ways."""
SIZE = SIZES[-1]
LISTENING_TIMEOUT = 60.0
_FRAME_ID = 'camera_optical_frame'
Build = Callable[[Sequence[Hand], Header], Any]


class Recorder(Backend):
    """
    Runs a network and keeps what it said last; once told so, it says just that again, as soon as
    its input is there.

    :param network: the one to record.
    """

    name = 'recorder'

    def __init__(self, network: Backend) -> None:
        self.device, self.precision = network.device, network.precision
        self._network = network
        self._last: NetworkResult | None = None
        self.is_replaying = False

    def run(self, crops: Any, refine: bool = True) -> NetworkResult:
        """See :meth:`Backend.run`."""
        if not self.is_replaying or self._last is None:
            self._last = self._network.run(crops, refine)
        else:
            wait_for_device(crops)
        return self._last


class Frame:
    """
    One hand in one picture of the clip.

    :param weights: that find it.
    :param device: where they do.
    :param backend: that runs them.
    :param size: width and height of the picture.
    :raises BackendError: if these weights find no hand in it.
    """

    def __init__(
        self,
        weights: str,
        device: str = 'auto',
        backend: str = 'auto',
        size: tuple[int, int] = SIZE,
    ) -> None:
        self.predictor = HandMeshPredictor(weights, device, backend, max_hands=1)
        self.rgb, self.intrinsics = clip_frames(*size, 1)[0], clip_intrinsics(*size)
        hands = self.predictor.predict(self.rgb, self.intrinsics)
        if not hands:
            raise BackendError(f"weights '{weights}' find no hand in the clip's first picture")
        self.hand = hands[0]


def measure_messages(node: LifecycleNode, frame: Frame, effort: Effort) -> dict[str, Any]:
    """
    Build and publish the messages of one hand, as objects and as patched bytes, in turns.

    :param node: to make publishers on; somebody else listens to :data:`MESSAGES`.
    :returns: milliseconds of 'objects' and 'wire', how many times faster, and figures by topic.
    """
    qos = QoSProfile(depth=5)
    publishers = {t: node.create_publisher(TOPICS[t], t, qos) for t in MESSAGES}
    wait_for(lambda: all(p.get_subscription_count() for p in publishers.values()))
    ways = {'objects': _by_objects(frame), 'wire': _by_wire(frame)}
    work: dict[str, Callable[[], object]] = {}
    for way, builders in ways.items():
        work[way] = lambda builders=builders: _send(node, builders, frame, publishers)  # type: ignore[misc]
        for topic, build in builders.items():
            one = {topic: build}
            work[f'{way} {topic}'] = lambda one=one: _send(node, one, frame, publishers)  # type: ignore[misc]
    timings = take_turns(work, effort)
    for publisher in publishers.values():
        node.destroy_publisher(publisher)
    return {
        **{way: timings[way].figures() for way in ways},
        'times_faster': ratio(timings['objects'], timings['wire']),
        'by_topic': {
            topic: {way: timings[f'{way} {topic}'].figures() for way in ways} for topic in MESSAGES
        },
    }


def _by_objects(frame: Frame) -> dict[str, Build]:
    topology = frame.predictor.topology
    return {
        'markers': MarkerBuilder(topology).build,
        'hands': conversions.hands_to_msg,
        'points': lambda hands, header: conversions.vertices_to_cloud(
            hands, topology.vertex_count, header
        ),
        'joints/right': lambda hands, header: conversions.joints_to_pose_array(hands[0], header),
    }


def _by_wire(frame: Frame) -> dict[str, Build]:
    topology = frame.predictor.topology
    poses = PoseWire()
    return {
        'markers': MarkerWire(topology).build,
        'hands': HandWire().build,
        'points': CloudWire(topology.vertex_count).build,
        'joints/right': lambda hands, header: poses.build(hands[0], header),
    }


def _send(node: LifecycleNode, builders: dict[str, Build], frame: Frame, publishers: Any) -> None:
    header = Header(stamp=node.get_clock().now().to_msg(), frame_id=_FRAME_ID)
    for topic, build in builders.items():
        publishers[topic].publish(build([frame.hand], header))


def measure_around(node: LifecycleNode, frame: Frame, effort: Effort) -> dict[str, Any]:
    """
    Serve one picture as the node does, but let the network's answer come from memory.

    :param node: activated; somebody else listens to all topics.
    :returns: milliseconds of the 'whole' and of its parts: taking the message from its bytes,
        decoding, tracking (crop, placement), publishing on all topics.
    """
    outputs = HandOutputs(node, frame.predictor.topology)
    node.trigger_activate()
    settings = NodeParameters()
    wait_for(lambda: len(outputs.wanted(settings)) > len(TOPICS))
    recorder = Recorder(frame.predictor.estimator.backend)
    frame.predictor.estimator.backend = recorder
    tracker = HandTracker(frame.predictor)
    height, width = frame.rgb.shape[:2]
    camera = Calibration(frame.intrinsics, np.zeros(0), size=(width, height))
    data = serialize_message(rgb_to_image(frame.rgb, Header(frame_id=_FRAME_ID)))
    parts: dict[str, Timing] = defaultdict(Timing)

    def serve() -> None:
        clock = _Laps(parts)
        message = deserialize_message(data, Image)
        clock.lap('take')
        message.header.stamp = node.get_clock().now().to_msg()
        stamp = stamp_to_seconds(message.header.stamp)
        rgb = image_to_rgb(message)
        clock.lap('decode')
        # The box comes with the picture: always the same crop, and no detection.
        hands = tracker.update(rgb, stamp, frame.intrinsics, [frame.hand.box])
        clock.lap('track')
        wanted = outputs.wanted(settings)
        outputs.publish(hands, Picture(message, rgb, camera, hands), wanted, settings)
        clock.lap('publish')

    serve()
    recorder.is_replaying = True
    timings = take_turns({'whole': serve}, effort)
    outputs.close()
    count = len(timings['whole'].wall)
    return {
        'whole': timings['whole'].figures(),
        'parts': {
            name: Timing(timing.wall[-count:], timing.cpu[-count:]).figures()
            for name, timing in parts.items()
        },
    }


class _Laps:
    """Times between calls, by name."""

    def __init__(self, laps: dict[str, Timing]) -> None:
        self._laps = laps
        self._last = time.perf_counter(), time.process_time()

    def lap(self, name: str) -> None:
        now = time.perf_counter(), time.process_time()
        self._laps[name].wall.append(1000 * (now[0] - self._last[0]))
        self._laps[name].cpu.append(1000 * (now[1] - self._last[1]))
        self._last = now


def wait_for(is_true: Callable[[], bool]) -> None:
    """
    Wait for listeners.

    :raises BackendError: if they do not come.
    """
    end = time.monotonic() + LISTENING_TIMEOUT
    while not is_true():
        if time.monotonic() > end:
            raise BackendError('the listener of the benchmark did not subscribe')
        time.sleep(0.02)
