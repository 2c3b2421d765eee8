"""Rules of the image subscription, without DDS; tests of a node are elsewhere."""

from types import SimpleNamespace

import pytest
from image_graph import Graph
from rclpy.qos import QoSPolicyKind, ReliabilityPolicy
from sensor_msgs.msg import Image
from set_clock import Clock

from handmesh_ros.image_input import ImageInput, transport_topic

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT


@pytest.mark.parametrize(
    ('topic', 'transport', 'expected'),
    [
        ('/camera/image_raw', 'raw', '/camera/image_raw'),
        ('/camera/image_raw', 'compressed', '/camera/image_raw/compressed'),
        ('/camera/image_raw/compressed', 'compressed', '/camera/image_raw/compressed'),
    ],
)
def test_topics_are_named_as_image_transport_does(topic, transport, expected):
    assert transport_topic(topic, transport) == expected


@pytest.mark.parametrize(
    ('remapped', 'expected'),
    [
        ({}, '/image/compressed'),
        ({'/image': '/camera'}, '/camera/compressed'),
        ({'/image/compressed': '/camera/jpeg'}, '/camera/jpeg'),
        ({'/image': '/camera', '/camera/compressed': '/jpeg'}, '/jpeg'),
    ],
)
def test_topic_is_told_as_remapped(remapped, expected):
    graph = Graph()
    graph.remapped = remapped
    assert ImageInput(graph, 'compressed', 'auto', print, print).topic == expected


def image_at(seconds):
    image = Image()
    image.header.stamp.sec = seconds
    return image


@pytest.fixture
def graph():
    return Graph()


@pytest.fixture
def taken():
    """Seconds of the images that were handed on."""
    return []


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def images(graph, taken, clock):
    def take(image):
        taken.append(image.header.stamp.sec)

    return ImageInput(graph, 'raw', 'auto', take, pytest.fail, clock)


def test_no_image_is_lost_or_taken_twice_while_the_reliability_changes(graph, images, taken):
    images.take()
    (former,) = graph.open
    former.bring(image_at(1))
    graph.offered = [RELIABLE]
    images.take()
    assert graph.open[0] is former
    newer = graph.open[1]
    assert (former.reliability, newer.reliability) == (BEST_EFFORT, RELIABLE)
    former.bring(image_at(2))  # the publisher has not found the newer one yet
    former.bring(image_at(3))
    newer.bring(image_at(3))
    newer.bring(image_at(4))
    former.bring(image_at(4))
    images.take()
    assert graph.open == [newer]
    newer.bring(image_at(5))
    newer.bring(image_at(5))  # only two subscriptions can bring the same image
    assert taken == [1, 2, 3, 4, 5, 5]


def test_another_topic_is_taken_with_a_queue_of_its_own(graph):
    images = ImageInput(graph, 'raw', 'auto', pytest.fail, pytest.fail, name='depth', depth=5)
    images.take()
    assert [(s.topic, s.depth) for s in graph.open] == [('/depth', 5)]


def test_a_newer_subscription_that_is_slower_at_first_brings_nothing_old(graph, images, taken):
    images.take()
    (former,) = graph.open
    graph.offered = [RELIABLE]
    images.take()
    newer = graph.open[1]
    former.bring(image_at(2))
    former.bring(image_at(3))
    image = image_at(2)
    image.header.stamp.nanosec = 500_000_000
    newer.bring(image)
    newer.bring(image_at(3))
    newer.bring(image_at(4))
    assert taken == [2, 3, 4]


@pytest.mark.parametrize('stamp', [0, 7])
def test_stamps_that_stand_still_hold_nothing_up(graph, images, taken, stamp):
    images.take()
    (former,) = graph.open
    former.bring(image_at(stamp))
    graph.offered = [RELIABLE]
    images.take()
    newer = graph.open[1]
    newer.bring(image_at(stamp))
    images.take()
    newer.bring(image_at(stamp))
    newer.bring(image_at(stamp))
    assert taken == [stamp] * 3


def test_release_leaves_no_subscription(graph, images, taken):
    images.take()
    graph.open[0].bring(image_at(0))
    graph.offered = [RELIABLE]
    images.take()
    assert len(graph.open) == 2
    images.release()
    assert not graph.open
    assert not images.is_taking
    images.take()
    graph.open[0].bring(image_at(0))  # a camera without stamps
    assert taken == [0, 0]


@pytest.mark.parametrize('is_pair', [True, False])
def test_images_without_a_stamp_pass_once_each(graph, images, taken, clock, is_pair):
    images.take()
    (former,) = graph.open
    former.bring(image_at(0))
    graph.offered = [RELIABLE]
    images.take()
    newer = graph.open[1]
    clock.now += 0.03
    former.bring(image_at(0))
    # Either the same one, or one that the former has no more brought.
    clock.now += 0.001 if is_pair else 0.03
    newer.bring(image_at(0))
    assert len(taken) == (2 if is_pair else 3)
    for _ in range(3):
        clock.now += 0.03
        newer.bring(image_at(0))
        former.bring(image_at(0))
    assert len(taken) == (5 if is_pair else 6)


def incompatible(kind):
    return SimpleNamespace(last_policy_kind=kind)


def test_what_auto_mends_is_not_warned_of(graph):
    said = []
    ImageInput(graph, 'raw', 'auto', pytest.fail, said.append).take()
    graph.open[0].find_incompatible(incompatible(QoSPolicyKind.RELIABILITY))
    assert not said
    graph.open[0].find_incompatible(incompatible(QoSPolicyKind.DEADLINE))
    assert len(said) == 1
    assert '(DEADLINE)' in said[0]
    assert 'auto' not in said[0]
    ImageInput(graph, 'raw', 'reliable', pytest.fail, said.append).take()
    graph.open[1].find_incompatible(incompatible(QoSPolicyKind.RELIABILITY))
    assert "image_reliability is 'reliable', 'auto' takes what is offered" in said[1]


def test_frame_of_the_newest_image_is_known(graph, images):
    images.take()
    assert images.frame == ''
    image = image_at(1)
    image.header.frame_id = 'eye'
    graph.open[0].bring(image)
    assert images.frame == 'eye'
    images.release()
    assert images.frame == ''
