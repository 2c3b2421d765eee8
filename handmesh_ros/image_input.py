"""The subscription that images come through: transport, quality of service, and when."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import (
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
    qos_policy_name_from_kind,
)
from sensor_msgs.msg import CompressedImage, Image

from handmesh_ros.qos import matched_reliability
from handmesh_ros.stamps import JUMP, UNSTAMPED, stamp_to_nanoseconds

AUTO = 'auto'
RELIABILITIES = {
    'reliable': ReliabilityPolicy.RELIABLE,
    'best_effort': ReliabilityPolicy.BEST_EFFORT,
}
TRANSPORTS: dict[str, type] = {'raw': Image, 'compressed': CompressedImage}
_SUFFIX = '/compressed'
_PAIR = 0.01
"""
Seconds at most between two subscriptions' callbacks for one image. They take their turns in one
thread; cameras take longer between two images.
"""


def transport_topic(topic: str, transport: str) -> str:
    """
    The topic that a transport uses, as image_transport names it.

    :param topic: resolved name of the raw images.
    """
    return topic + _SUFFIX if transport != 'raw' and not topic.endswith(_SUFFIX) else topic


class _Once:
    """
    Lets an image that a subscription and its successor both bring pass once.

    Images without a stamp (0) cannot be told apart. The former subscription's pass until the newer
    one brings its first, from then on the newer one's alone; that first one is taken for the last
    of the former if it comes right after it, and for a new one otherwise.

    :param clock: seconds, never going back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._number = 0
        self._last: Any = None
        self._last_time = float('-inf')
        self._known: Any = None

    def admits(self, number: int, stamp: Any) -> bool:
        """
        Whether an image is new.

        :param number: of the subscription that brings it, the newest having the highest; once it
            has brought an image, older ones bring nothing new.
        :param stamp: of the image.
        """
        if number < self._number:
            return False
        if number > self._number:
            self._number, self._known = number, self._last
        if self._known is not None:
            known, nanoseconds = stamp_to_nanoseconds(self._known), stamp_to_nanoseconds(stamp)
            if known == nanoseconds == UNSTAMPED:
                # Of the newer subscription's images only the first can be the former's last.
                self._known = None
                if self._clock() - self._last_time < _PAIR:
                    return False
            # The former was faster; farther back, time has jumped.
            elif 0 <= known - nanoseconds < JUMP:
                return False
        self._last, self._last_time, self._known = stamp, self._clock(), None
        return True

    def end_overlap(self) -> None:
        """The former subscription is gone: whatever comes now is new."""
        self._last = self._known = None


class ImageInput:
    """
    Takes images while told to, and follows the publishers' quality of service.

    :param node: the subscription is made there.
    :param transport: one of :data:`TRANSPORTS`.
    :param reliability: 'auto', or one of :data:`RELIABILITIES`.
    :param on_image: gets every message.
    :param fault: says that publishers and this subscription do not fit, and why.
    :param clock: seconds, never going back.
    :param name: of the topic of the raw images, to be resolved.
    :param depth: images that wait at most; more than one where each counts.
    """

    def __init__(
        self,
        node: Node,
        transport: str,
        reliability: str,
        on_image: Callable[[Any], None],
        fault: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
        name: str = 'image',
        depth: int = 1,
    ) -> None:
        self._node = node
        self._kind = TRANSPORTS[transport]
        self._transport = transport
        self._reliability = reliability
        self._on_image = on_image
        self._fault = fault
        self._depth = depth
        self._subscription: Any = None
        self._former: Any = None
        self._used: ReliabilityPolicy | None = None
        self._clock = clock
        self._once = _Once(clock)
        self._newest = 0
        self.frame = ''
        """Frame of the newest image, '' while there is none."""
        sent = transport_topic(node.resolve_topic_name(name), transport)
        # That name can be remapped, too.
        self.topic = node.resolve_topic_name(sent)
        """Where images are expected, by its full name."""

    @property
    def is_taking(self) -> bool:
        """Whether there is a subscription."""
        return self._subscription is not None

    def take(self) -> None:
        """Subscribe; if that was done, see whether the publishers have changed."""
        self._let_go_of_former()
        wanted = self._wanted_reliability()
        if self._subscription is not None and wanted == self._used:
            return
        # Publishers take a moment to find the new one. Until the next look, none is lost.
        self._former = self._subscription
        self._used = wanted
        self._newest += 1
        self._subscription = self._node.create_subscription(
            self._kind,
            self.topic,
            partial(self._on_message, self._newest),
            QoSProfile(depth=self._depth, reliability=wanted),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible),
        )

    def release(self) -> None:
        """Unsubscribe, if subscribed."""
        self._let_go_of_former()
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = None
        self._once = _Once(self._clock)
        self.frame = ''

    def _let_go_of_former(self) -> None:
        if self._former is not None:
            self._node.destroy_subscription(self._former)
            self._once.end_overlap()
        self._former = None

    def _on_message(self, number: int, message: Any) -> None:
        if self._once.admits(number, message.header.stamp):
            self.frame = message.header.frame_id
            self._on_image(message)

    def _wanted_reliability(self) -> ReliabilityPolicy:
        if self._reliability != AUTO:
            return RELIABILITIES[self._reliability]
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        # Nobody there, or nobody left: no reason to change anything.
        if not publishers and self._used is not None:
            return self._used
        return matched_reliability(publishers)

    def _on_incompatible(self, event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        text = (
            f"a publisher on '{self.topic}' does not offer the quality of service asked for "
            f'({policy})'
        )
        if policy == qos_policy_name_from_kind(QoSPolicyKind.RELIABILITY):
            # The next look at the publishers mends it.
            if self._reliability == AUTO:
                return
            text += f"; image_reliability is '{self._reliability}', 'auto' takes what is offered"
        self._fault(text)

    def why_silent(self) -> str:
        """What a user should know who wonders why no image comes."""
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        expected = _type_name(self._kind)
        others = {p.topic_type for p in publishers} - {expected}
        text = f"no images on '{self.topic}', which has {len(publishers)} publishers"
        if others:
            text += f' of {", ".join(sorted(others))}, expected {expected}'
        if self._transport == 'raw':
            compressed = transport_topic(self.topic, 'compressed')
            if not publishers and self._node.count_publishers(compressed):
                text += f"; '{compressed}' has some: set image_transport to 'compressed'"
            elif _type_name(CompressedImage) in others:
                text += "; set image_transport to 'compressed'"
        return text


def _type_name(kind: type) -> str:
    """A message type as the ROS graph names it, such as sensor_msgs/msg/Image."""
    package, folder, _ = kind.__module__.split('.', 2)
    return f'{package}/{folder}/{kind.__name__}'
