"""Quality of service: the profiles that several nodes share, and what suits given publishers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
"""Brings what was sent before, too, by publishers that keep it."""


def best_effort(depth: int) -> QoSProfile:
    """
    Of a subscription that fits every publisher.

    :param depth: messages that wait at most; more than one where each counts.
    """
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)


SENSOR = best_effort(1)
"""The newest message of every publisher."""


def matched_qos(publishers: Sequence[Any]) -> QoSProfile:
    """
    A subscription that brings what was sent before it, if every publisher is latched.

    :param publishers: TopicEndpointInfo of each.
    """
    return LATCHED if publishers and all(map(is_latched, publishers)) else SENSOR


def is_latched(publisher: Any) -> bool:
    """
    Whether late subscribers get what a publisher has sent; reliable ones alone can.

    :param publisher: its TopicEndpointInfo.
    """
    offered = publisher.qos_profile
    return (offered.durability, offered.reliability) == (LATCHED.durability, LATCHED.reliability)


def matched_reliability(publishers: Sequence[Any]) -> ReliabilityPolicy:
    """
    Reliable if every publisher is, since best effort would lose images for nothing.

    :param publishers: TopicEndpointInfo of each; best effort is taken if there is none.
    """
    offered = {publisher.qos_profile.reliability for publisher in publishers}
    return (
        ReliabilityPolicy.RELIABLE
        if offered == {ReliabilityPolicy.RELIABLE}
        else ReliabilityPolicy.BEST_EFFORT
    )
