import time
from collections.abc import Iterator

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from sensor_msgs.msg import Image
from tf2_msgs.msg import TFMessage

from handmesh_ros import distro

HEIGHT, WIDTH = 6, 8


def image(encoding: str, channels: int, padding: int = 0) -> Image:
    rng = np.random.default_rng(5)
    rows = rng.integers(0, 256, (HEIGHT, WIDTH * channels + padding), dtype=np.uint8)
    return Image(
        height=HEIGHT, width=WIDTH, encoding=encoding, step=rows.shape[1], data=rows.tobytes()
    )


def pixels(message: Image, channels: int) -> np.ndarray:
    rows = np.frombuffer(message.data, np.uint8).reshape(HEIGHT, message.step)
    return rows[:, : WIDTH * channels].reshape(HEIGHT, WIDTH, channels)


@pytest.fixture
def decoders() -> dict[str, distro.Decoder]:
    found = {}
    if distro.has_module('cv_bridge'):
        found['cv_bridge'] = distro._cv_bridge_decoder()
    if distro.has_module('rosbags'):
        found['rosbags'] = distro._rosbags_decoder()
    assert found, 'neither cv_bridge nor rosbags-image is installed'
    return found


@pytest.fixture
def node() -> Iterator[Node]:
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('distro_test', context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def spin_until(node: Node, condition, seconds: float = 10.0) -> bool:
    executor = rclpy.executors.SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        executor.spin_once(timeout_sec=0.05)
    executor.remove_node(node)
    return condition()


@pytest.mark.parametrize('padding', [0, 5])
def test_decoders_agree_with_the_pixels(decoders: dict, padding: int) -> None:
    for decode in decoders.values():
        for encoding, order in (('rgb8', [0, 1, 2]), ('bgr8', [2, 1, 0]), ('bgra8', [2, 1, 0])):
            channels = 4 if encoding.endswith('a8') else 3
            message = image(encoding, channels, padding)
            expected = pixels(message, channels)[:, :, order]
            np.testing.assert_array_equal(decode(message), expected)


@pytest.mark.parametrize('encoding', ['rgb8', 'bgra8', 'mono8', 'bayer_rggb8', 'yuv422_yuy2'])
def test_stand_in_decodes_as_cv_bridge_does(encoding: str) -> None:
    pytest.importorskip('cv_bridge')
    pytest.importorskip('rosbags.image')
    channels = {'rgb8': 3, 'bgra8': 4, 'yuv422_yuy2': 2}.get(encoding, 1)
    message = image(encoding, channels, padding=4)
    expected = distro._cv_bridge_decoder()(message)
    np.testing.assert_array_equal(distro._rosbags_decoder()(message), expected)


def test_image_decoder_prefers_cv_bridge_and_can_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distro, '_cv_bridge_decoder', lambda: 'cv_bridge')
    monkeypatch.setattr(distro, '_rosbags_decoder', lambda: 'rosbags')
    for present, expected in (
        ({'cv_bridge', 'rosbags', 'rosbags.image'}, 'cv_bridge'),
        ({'rosbags', 'rosbags.image'}, 'rosbags'),
        (set(), None),
    ):
        monkeypatch.setattr(distro, 'has_module', present.__contains__)
        assert distro.image_decoder() == expected


@pytest.mark.parametrize('full', [False, True])
def test_broadcaster_reaches_a_subscriber_of_tf(
    node: Node, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    if full:
        pytest.importorskip('tf2_ros')
    monkeypatch.setattr(distro, 'has_module', lambda name: full)
    broadcaster = distro.TransformBroadcaster(node)
    assert not broadcaster.has_listeners()
    received: list[TFMessage] = []
    node.create_subscription(TFMessage, '/tf', received.append, 10)
    assert spin_until(node, broadcaster.has_listeners)

    wrist = TransformStamped(child_frame_id='r_wrist_3')
    wrist.header.frame_id = 'camera'
    wrist.transform.translation.z = 0.5
    broadcaster.send((wrist,))
    assert spin_until(node, lambda: bool(received))
    assert received[0].transforms == [wrist]

    broadcaster.destroy()
    assert node.count_publishers('/tf') == 0 or spin_until(
        node, lambda: node.count_publishers('/tf') == 0
    )


def test_broadcaster_offers_what_tf2_ros_offers(node: Node) -> None:
    tf2_ros = pytest.importorskip('tf2_ros')
    real = tf2_ros.TransformBroadcaster(node).pub_tf
    stand_in = distro._tf_publisher(node)
    assert stand_in.topic_name == real.topic_name
    assert stand_in.msg_type is real.msg_type
    assert stand_in.qos_profile == real.qos_profile
