"""What a subscription asks for, by what the publishers offer."""

from types import SimpleNamespace

import pytest

pytest.importorskip('rclpy')

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from handmesh_ros.qos import LATCHED, SENSOR, best_effort, matched_qos, matched_reliability

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
KEPT, VOLATILE = DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE


def publishers(*offered):
    return [
        SimpleNamespace(
            qos_profile=QoSProfile(depth=1, reliability=reliability, durability=durability)
        )
        for reliability, durability in offered
    ]


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
    those = publishers(*((reliability, VOLATILE) for reliability in offered))
    assert matched_reliability(those) == taken


@pytest.mark.parametrize(
    ('offered', 'taken'),
    [
        ([], SENSOR),
        ([(RELIABLE, KEPT)], LATCHED),
        ([(RELIABLE, KEPT), (RELIABLE, KEPT)], LATCHED),
        ([(RELIABLE, KEPT), (RELIABLE, VOLATILE)], SENSOR),
        ([(BEST_EFFORT, KEPT)], SENSOR),
    ],
)
def test_what_was_sent_before_comes_if_every_publisher_keeps_it(offered, taken):
    assert matched_qos(publishers(*offered)) == taken


def test_profiles_are_as_ROS_understands_latched_and_best_effort():
    assert (LATCHED.depth, LATCHED.reliability, LATCHED.durability) == (1, RELIABLE, KEPT)
    for depth in (1, 5):
        profile = best_effort(depth)
        assert (profile.depth, profile.reliability) == (depth, BEST_EFFORT)
        assert profile.durability == VOLATILE
