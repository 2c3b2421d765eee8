"""Rules of the image subscription, without DDS; tests of a node are elsewhere."""

from types import SimpleNamespace

import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy

from handmesh_ros.image_input import matched_reliability, transport_topic

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT


@pytest.mark.parametrize(
    ('offered', 'taken'),
    [
        ([], BEST_EFFORT),
        ([RELIABLE], RELIABLE),
        ([BEST_EFFORT], BEST_EFFORT),
        ([RELIABLE, BEST_EFFORT], BEST_EFFORT),
        ([RELIABLE, RELIABLE], RELIABLE),
    ],
)
def test_reliability_suits_every_publisher(offered, taken):
    publishers = [
        SimpleNamespace(qos_profile=QoSProfile(depth=1, reliability=policy)) for policy in offered
    ]
    assert matched_reliability(publishers) == taken


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
