"""
Frames heard on /tf: tf2_ros's buffer where it is installed, else a small one of the same use.
Both forget what they knew when time jumps back; the small one also frames that nobody sends any
more, as those of hands that are gone, whose names do not come again. tf2's cannot.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handmesh_ros.distro import has_module
from handmesh_ros.frame_names import frame_name
from handmesh_ros.stamps import UNSTAMPED, is_jump, stamp_to_nanoseconds

KEPT_SECONDS = 10.0
GONE_SECONDS = 60.0
"""
After which a frame that nobody sends is forgotten; no lookup may tolerate more. It takes so long
both by the clock, as publishers may be late or date ahead, and by stamps, as recordings may be
played slowly.
"""
_DEEPEST = 64
_KEPT = 2000
_AUTHORITY = 'handmesh_ros'
"""Whom tf2 is told to have its frames from."""


@dataclass(eq=False)
class _Link:
    """A child frame: its parent, and poses (4, 4) at stamps in nanoseconds, in order."""

    parent: str
    static: bool
    stamps: deque[int] = field(default_factory=deque)
    poses: deque[np.ndarray] = field(default_factory=deque)


class _Times:
    """
    When each moving frame was last: tells when time goes back, and which frames are gone.

    :param clock: seconds, never going back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last: dict[str, tuple[int, float]] = {}
        """Of each frame its newest stamp, nanoseconds, and when it was heard, seconds."""
        self._newest = UNSTAMPED
        self._looked = clock()

    def goes_back(self, child: str, stamp: int) -> bool:
        """
        Note when a frame was.

        :param stamp: nanoseconds.
        :returns: whether time itself has jumped back; the times of before are forgotten then.
        """
        newest, _ = self._last.get(child, (UNSTAMPED, 0.0))
        is_back = is_jump(stamp, newest)
        if is_back:
            self._last.clear()
            newest = self._newest = UNSTAMPED
        self._last[child] = max(stamp, newest), self._clock()
        self._newest = max(stamp, self._newest)
        return is_back

    def gone(self) -> list[str]:
        """Forget and name the frames that nobody sends any more; looks for them now and then."""
        now = self._clock()
        if now - self._looked < GONE_SECONDS:
            return []
        self._looked = now
        names = [
            name
            for name, (stamp, heard) in self._last.items()
            if now - heard > GONE_SECONDS and self._newest - stamp > GONE_SECONDS * 1e9
        ]
        for name in names:
            del self._last[name]
        return names


class FrameTree:
    """
    A tree of frames in time. A frame between two stamps is where it was at the nearer one.

    Once the times of one frame go back by a second or more, a recording has started over, or
    simulated time has: nothing but the static frames is known any more. It takes the same frame,
    as publishers of different ones may be late, or date theirs ahead, by any time.

    :param clock: seconds, never going back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._links: dict[str, _Link] = {}
        self._times = _Times(clock)

    def add(self, transforms: Iterable[Any], static: bool = False) -> None:
        """
        Take in frames.

        :param transforms: geometry_msgs/TransformStamped; one that is no rigid motion is ignored.
        :param static: they hold for all times.
        """
        for message in transforms:
            pose = transform_to_matrix(message.transform)
            if pose is None:
                continue
            child = frame_name(message.child_frame_id)
            parent = frame_name(message.header.frame_id)
            self._put(child, parent, stamp_to_nanoseconds(message.header.stamp), pose, static)
        for name in self._times.gone():
            if not self._links[name].static:
                del self._links[name]

    def _put(self, child: str, parent: str, stamp: int, pose: np.ndarray, static: bool) -> None:
        if not static and self._times.goes_back(child, stamp):
            self._links = {name: other for name, other in self._links.items() if other.static}
        link = self._links.get(child)
        if link is None or link.parent != parent or static or link.static:
            link = self._links[child] = _Link(parent, static)
        elif stamp <= link.stamps[-1]:
            return
        link.stamps.append(stamp)
        link.poses.append(pose)
        while len(link.stamps) > _KEPT or link.stamps[-1] - link.stamps[0] > KEPT_SECONDS * 1e9:
            link.stamps.popleft()
            link.poses.popleft()

    def lookup(self, target: str, source: str, stamp: int, tolerance: float) -> np.ndarray | None:
        """
        Where a frame is.

        :param stamp: nanoseconds.
        :param tolerance: seconds that each link may be off.
        :returns: (4, 4) target from source; None if that is not known for the time.
        """
        up_source = self._chain(frame_name(source))
        up_target = self._chain(frame_name(target))
        common = next((name for name in up_source if name in up_target), None)
        if common is None:
            return None
        to_common = [
            self._climb(chain[: chain.index(common)], stamp, tolerance)
            for chain in (up_target, up_source)
        ]
        if to_common[0] is None or to_common[1] is None:
            return None
        return np.linalg.inv(to_common[0]) @ to_common[1]

    def _chain(self, name: str) -> list[str]:
        chain = [name]
        while chain[-1] in self._links and len(chain) < _DEEPEST:
            chain.append(self._links[chain[-1]].parent)
        return chain

    def _climb(self, names: list[str], stamp: int, tolerance: float) -> np.ndarray | None:
        pose = np.eye(4)
        for name in names:
            link = self._links[name]
            if link.static:
                pose = link.poses[-1] @ pose
                continue
            after = bisect_left(link.stamps, stamp)
            near = [i for i in (after - 1, after) if 0 <= i < len(link.stamps)]
            best = min(near, key=lambda i: abs(link.stamps[i] - stamp))
            if abs(link.stamps[best] - stamp) > tolerance * 1e9:
                return None
            pose = link.poses[best] @ pose
        return pose


def transform_to_matrix(transform: Any) -> np.ndarray | None:
    """
    A geometry_msgs/Transform, or a Pose, as a matrix.

    :returns: (4, 4); None if a number is not finite or the quaternion is zero.
    """
    place = transform.translation if hasattr(transform, 'translation') else transform.position
    turn = transform.rotation if hasattr(transform, 'rotation') else transform.orientation
    quaternion = np.array([turn.x, turn.y, turn.z, turn.w], dtype=np.float64)
    length = float(np.linalg.norm(quaternion))
    position = np.array([place.x, place.y, place.z], dtype=np.float64)
    if not (np.isfinite(position).all() and np.isfinite(length) and length > 1e-6):
        return None
    x, y, z, w = quaternion / length
    pose = np.eye(4)
    pose[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    pose[:3, 3] = position
    return pose


class TransformListener:
    """
    Hears frames for a node.

    tf2_ros's own listener is not used: its buffer forgets when the system's clock jumps back, but
    not when a recording starts over, whose frames are then too old for it.

    :param node: the subscriptions are made there.
    :param clock: seconds, never going back.
    """

    def __init__(self, node: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._tree = FrameTree(clock)
        self._buffer: Any = None
        self._times = _Times(clock)
        add = self._tree.add
        if has_module('tf2_ros'):
            import tf2_ros

            self._buffer = tf2_ros.Buffer()
            add = self._add_to_buffer
        from rclpy.qos import DurabilityPolicy, QoSProfile
        from tf2_msgs.msg import TFMessage

        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        node.create_subscription(TFMessage, '/tf', lambda m: add(m.transforms), 100)
        node.create_subscription(
            TFMessage, '/tf_static', lambda m: add(m.transforms, True), latched
        )

    def _add_to_buffer(self, transforms: Iterable[Any], static: bool = False) -> None:
        """As :meth:`FrameTree.add`; static frames outlive a clearing here, too."""
        put = self._buffer.set_transform_static if static else self._buffer.set_transform
        for message in transforms:
            child = frame_name(message.child_frame_id)
            stamp = stamp_to_nanoseconds(message.header.stamp)
            if not static and self._times.goes_back(child, stamp):
                self._buffer.clear()
            put(message, _AUTHORITY)
        self._times.gone()

    def lookup(self, target: str, source: str, stamp: int, tolerance: float) -> np.ndarray | None:
        """See :meth:`FrameTree.lookup`."""
        # A buffer of tf2 takes in frames with a slash, but looks none up.
        target, source = frame_name(target), frame_name(source)
        if target == source:
            return np.eye(4)
        if self._buffer is None:
            return self._tree.lookup(target, source, stamp, tolerance)
        return self._lookup_in_buffer(target, source, stamp, tolerance)

    def _lookup_in_buffer(
        self, target: str, source: str, stamp: int, tolerance: float
    ) -> np.ndarray | None:
        import tf2_ros
        from rclpy.time import Time

        try:
            found = self._buffer.lookup_transform(target, source, Time(nanoseconds=stamp))
        except tf2_ros.ExtrapolationException:
            try:
                found = self._buffer.lookup_transform(target, source, Time())
            except tf2_ros.TransformException:
                return None
            if abs(stamp_to_nanoseconds(found.header.stamp) - stamp) > tolerance * 1e9:
                return None
        except tf2_ros.TransformException:
            return None
        return transform_to_matrix(found.transform)
