"""What a node makes of transports, quality of service, boxes and odd cameras; over DDS."""

import cv2
import numpy as np
import pytest
from painted_hands import paint
from rclpy.qos import QoSProfile, ReliabilityPolicy
from robot import LATCHED, Robot, time_of, values_of
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header

from handmesh_ros.images import rgb_to_image

K = np.array([[150.0, 0, 80], [0, 150, 60], [0, 0, 1]])
RIGHT, LEFT = ('right', 20, 30, 40, 60), ('left', 100, 30, 40, 60)
BOTH = paint([RIGHT, LEFT])


@pytest.fixture
def listener(ros):
    """Listens to hands alone; what it publishes itself, tests choose."""
    robot = Robot(topics=('hands',))
    yield robot
    robot.close()


def publisher(robot, kind, topic, reliability=ReliabilityPolicy.RELIABLE):
    robot.node.destroy_publisher(robot.images)
    robot.images = robot.node.create_publisher(
        kind, topic, QoSProfile(depth=1, reliability=reliability)
    )
    return robot.images


def reliability_of(robot, topic='/image'):
    """The reliability that the node asks for, None while it is not subscribed."""
    infos = robot.node.get_subscriptions_info_by_topic(topic)
    return infos[0].qos_profile.reliability if infos else None


def test_compressed_images(listener, painted_node):
    painted_node(image_transport='compressed')
    images = publisher(listener, CompressedImage, 'image/compressed')
    listener.wait(lambda: images.get_subscription_count() > 0)
    data = cv2.imencode('.png', BOTH[:, :, ::-1])[1].tobytes()
    header = Header(stamp=time_of(1.0), frame_id='eye')
    images.publish(CompressedImage(header=header, format='png', data=data[:-40]))
    listener.wait_for_status('images', lambda s: 'ends early' in s.message)
    header.stamp = time_of(2.0)
    images.publish(CompressedImage(header=header, format='png', data=data))
    answer = listener.answer('hands', header.stamp)
    assert answer.header == header
    assert len(answer.hands) == 2


def test_reliability_follows_the_publishers(listener, painted_node):
    painted_node()
    depth = listener.node.create_publisher(Image, 'depth', 5)
    listener.wait(lambda: reliability_of(listener, '/depth') == ReliabilityPolicy.RELIABLE)
    listener.node.destroy_publisher(depth)
    listener.wait(lambda: reliability_of(listener) == ReliabilityPolicy.RELIABLE)
    assert len(listener.ask(BOTH, 1.0, K).hands) == 2
    other = listener.node.create_publisher(
        Image, 'image', QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    )
    listener.wait(lambda: reliability_of(listener) == ReliabilityPolicy.BEST_EFFORT)
    listener.wait(lambda: other.get_subscription_count() > 0)
    header = Header(stamp=time_of(2.0), frame_id='eye')
    listener.wait(
        lambda: (
            other.publish(rgb_to_image(BOTH, header))
            or any(m.header == header for m in listener.got['hands'])
        )
    )


def test_reliability_that_nobody_offers_is_said_once(listener, painted_node):
    node = painted_node(image_reliability='reliable', diagnostics_period=0.1)
    publisher(listener, Image, 'image', ReliabilityPolicy.BEST_EFFORT)
    said = "a publisher on '/image' does not offer the quality of service asked for (RELIABILITY)"
    status = listener.wait_for_status('images', lambda s: 'qos faults' in values_of(s))
    assert values_of(status)['last qos fault'].startswith(said)
    listener.rest(0.5)
    assert node.text().count(said) == 1


def test_images_of_another_kind_are_said_with_what_helps(listener, painted_node):
    node = painted_node(diagnostics_period=0.1)
    publisher(listener, CompressedImage, 'image/compressed')
    status = listener.wait_for_status('images', lambda s: 'set image_transport' in s.message)
    assert "no images on '/image', which has 0 publishers" in status.message
    assert node.text().count('set image_transport') == 1


def test_boxes_from_elsewhere(listener, painted_node):
    painted_node(boxes='regions', boxes_max_age=60.0)
    regions = listener.node.create_publisher(RegionOfInterest, 'boxes', 5)
    listener.wait_for_node()
    listener.wait(lambda: regions.get_subscription_count() > 0)
    now = listener.node.get_clock().now().nanoseconds * 1e-9
    assert not listener.ask(BOTH, now, K).hands
    for i in range(1, 1000):
        # Again and again: what is not resent may get lost.
        regions.publish(RegionOfInterest(x_offset=20, y_offset=30, width=40, height=60))
        hands = listener.ask(BOTH, now + 0.01 * i, K).hands
        if hands:
            break
    # Only the hand in the box is found, though there are two.
    assert len(hands) == 1


def test_images_that_are_not_rectified_are_told_of(listener, painted_node):
    node = painted_node('-r', 'image:=image_rect', diagnostics_period=0.1)
    publisher(listener, Image, 'image_rect')
    listener.wait_for_node()
    info = CameraInfo(header=Header(frame_id='eye'), width=160, height=120)
    info.k = K.ravel().tolist()
    info.d = [-0.2, 0.05, 0.0, 0.0, 0.0]
    info.distortion_model = 'plumb_bob'
    said = "images on '/image_rect' sound rectified, but image_is_rectified is false"
    listener.wait(lambda: listener.infos.publish(info) or said in node.text())
    status = listener.wait_for_status('calibration', lambda s: 'distortion' in values_of(s))
    assert 'undone in the metric output' in values_of(status)['distortion']
    assert len(listener.ask(BOTH, 1.0).hands) == 2
    assert node.text().count(said) == 1


def test_images_without_a_frame_get_no_tf(robot, painted_node):
    node = painted_node(diagnostics_period=0.1)
    robot.wait_for_node()
    robot.ask(BOTH, 1.0, K, 'hands', frame_id='')
    robot.ask(BOTH, 2.0, K, 'points', frame_id='')
    robot.wait_for_status(
        'images', lambda s: 'no frame_id' in values_of(s).get('last frame fault', '')
    )
    assert node.text().count('no frame_id') == 1
    assert not robot.got['/tf']
    robot.ask(BOTH, 3.0, K, '/tf')


def test_camera_info_sent_once_before_the_node_started(listener, painted_node):
    listener.node.destroy_publisher(listener.infos)
    listener.infos = listener.node.create_publisher(CameraInfo, 'camera_info', LATCHED)
    info = CameraInfo(header=Header(frame_id='elsewhere'), width=160, height=120)
    info.k = K.ravel().tolist()
    listener.infos.publish(info)
    node = painted_node(diagnostics_period=0.1)
    listener.wait_for_node()
    status = listener.wait_for_status('calibration', lambda s: 'distortion' in values_of(s))
    assert status.message == 'metric output on'
    assert all(hand.metric_valid for hand in listener.ask(BOTH, 1.0, frame_id='eye').hands)
    said = "is in frame 'elsewhere', the images in 'eye'"
    status = listener.wait_for_status('calibration', lambda s: said in s.message)
    assert status.level == status.WARN
    assert node.text().count(said) == 1
