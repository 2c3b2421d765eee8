"""Frames in time: the stand-in for tf2_ros's buffer."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy')

from set_clock import Clock

from handmesh_ros import transforms
from handmesh_ros.ar_parameters import ButtonsParameters, OverlayParameters
from handmesh_ros.parameters import rows
from handmesh_ros.transforms import (
    GONE_SECONDS,
    FrameTree,
    TransformListener,
    transform_to_matrix,
)

SECOND = 10**9


def transform(parent, child, position, stamp=0, turn=(0.0, 0.0, 0.0, 1.0)):
    x, y, z = position
    return SimpleNamespace(
        header=SimpleNamespace(
            frame_id=parent,
            stamp=SimpleNamespace(sec=stamp // SECOND, nanosec=stamp % SECOND),
        ),
        child_frame_id=child,
        transform=SimpleNamespace(
            translation=SimpleNamespace(x=x, y=y, z=z),
            rotation=SimpleNamespace(x=turn[0], y=turn[1], z=turn[2], w=turn[3]),
        ),
    )


QUARTER = (0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5))


def test_looks_through_a_tree_both_ways():
    tree = FrameTree()
    tree.add(
        [transform('map', 'robot', (1.0, 0, 0)), transform('robot', 'camera', (0, 0, 1.0))], True
    )
    tree.add([transform('map', 'table', (0, 2.0, 0), turn=QUARTER)], True)
    camera_from_table = tree.lookup('camera', '/table', 5 * SECOND, 0.1)
    np.testing.assert_allclose(camera_from_table[:3, 3], [-1, 2, -1])
    np.testing.assert_allclose(camera_from_table[:3, 0], [0, 1, 0], atol=1e-12)
    back = tree.lookup('table', 'camera', 0, 0.1)
    np.testing.assert_allclose(back @ camera_from_table, np.eye(4), atol=1e-12)


def test_takes_the_nearest_time_within_the_tolerance():
    tree = FrameTree()
    for i in range(10):
        tree.add([transform('camera', 'hand', (float(i), 0, 0), i * SECOND // 10)])
    assert tree.lookup('camera', 'hand', 320_000_000, 0.1)[0, 3] == 3
    assert tree.lookup('camera', 'hand', 960_000_000, 0.1)[0, 3] == 9
    assert tree.lookup('camera', 'hand', 1_100_000_000, 0.1) is None


def test_unknown_frames_and_circles_are_none():
    tree = FrameTree()
    assert tree.lookup('a', 'b', 0, 1) is None
    tree.add([transform('a', 'b', (0, 0, 0)), transform('b', 'a', (0, 0, 0))], True)
    assert tree.lookup('c', 'a', 0, 1) is None


def test_time_that_jumps_back_forgets():
    tree = FrameTree()
    tree.add([transform('camera', 'hand', (1.0, 0, 0), 1000 * SECOND)])
    tree.add([transform('camera', 'hand', (2.0, 0, 0), 1 * SECOND)])
    assert tree.lookup('camera', 'hand', 1 * SECOND, 0.1)[0, 3] == 2
    assert tree.lookup('camera', 'hand', 1000 * SECOND, 0.1) is None


def run(tree, start, x, count, children=('cup',)):
    """Frames at 10 Hz from a time on, seconds, those of all children at this place."""
    for i in range(count):
        for child in children:
            tree.add([transform('world', child, (x, 0, 0), round((start + i / 10) * SECOND))])


def test_a_recording_that_starts_over_is_believed_at_once():
    tree = FrameTree()
    run(tree, 100, 1.0, 70, ('cup', 'plate'))
    tree.add([transform('world', 'table', (5.0, 0, 0))], static=True)
    # After 7 s, less than what is kept; the plate's publisher is not back yet.
    run(tree, 100, 2.0, 10)
    assert tree.lookup('world', 'cup', 100_500_000_000, 0.1)[0, 3] == 2
    assert tree.lookup('world', 'cup', 105 * SECOND, 0.1) is None
    assert tree.lookup('world', 'plate', 100_500_000_000, 0.1) is None
    assert tree.lookup('world', 'table', 100_500_000_000, 0.1)[0, 3] == 5


def test_late_frames_and_publishers_that_lag_forget_nothing():
    tree = FrameTree()
    run(tree, 100, 1.0, 30)
    # 0.9 s late, of the same frame; and another one's, far behind, ahead, and without a time.
    run(tree, 102, 2.0, 1)
    for start in (95, 110):
        run(tree, start, 3.0, 1, (f'plate{start}',))
    run(tree, 0, 4.0, 1, ('cup',))
    assert tree.lookup('world', 'cup', 102 * SECOND, 0.1)[0, 3] == 1
    assert tree.lookup('world', 'plate95', 95 * SECOND, 0.1)[0, 3] == 3
    assert tree.lookup('world', 'plate110', 110 * SECOND, 0.1)[0, 3] == 3


def live(clock, hear, seconds, pace=1.0):
    """
    A robot's frame at 1 Hz, and hands of which each is seen once.

    :param pace: seconds on the clock for each one of the stamps.
    """
    for second in range(seconds):
        stamp = (1000 + second) * SECOND
        names = (f'hand{second}', f'hand{second}_tip', 'robot')
        hear(*(transform('world', name, (1.0, 0, 0), stamp) for name in names))
        clock.now += pace


def test_frames_of_hands_that_are_gone_do_not_pile_up():
    clock = Clock()
    tree = FrameTree(clock)
    tree.add([transform('world', 'table', (5.0, 0, 0))], static=True)
    tree.add([transform('world', 'late', (3.0, 0, 0), 900 * SECOND)])
    live(clock, lambda *frames: tree.add(frames), 1000)
    assert len(tree._links) < 3 * 2 * GONE_SECONDS
    assert len(tree._times._last) < 3 * 2 * GONE_SECONDS
    newest = 1999 * SECOND
    for child in ('table', 'robot', 'hand999', 'hand940'):
        assert tree.lookup('world', child, newest, 60.0) is not None, child
    for child in ('late', 'hand0'):
        assert tree.lookup('world', child, newest, 2000.0) is None, child


def test_frames_stay_that_are_old_by_the_clock_or_by_their_stamps_alone():
    clock = Clock()
    tree = FrameTree(clock)
    tree.add([transform('world', 'once', (2.0, 0, 0), 1000 * SECOND)])
    # Played at a tenth of its pace.
    live(clock, lambda *frames: tree.add(frames), 50, pace=10.0)
    assert tree.lookup('world', 'once', 1049 * SECOND, 60.0)[0, 3] == 2
    # A publisher that lags by more than a frame is remembered for.
    tree.add([transform('world', 'lagging', (3.0, 0, 0), 900 * SECOND)])
    for _ in range(5):
        clock.now += GONE_SECONDS / 2
        tree.add([transform('world', 'lagging', (3.0, 0, 0), 900 * SECOND)])
    assert tree.lookup('world', 'lagging', 900 * SECOND, 0.1)[0, 3] == 3


def test_a_frame_that_became_static_is_never_gone():
    clock = Clock()
    tree = FrameTree(clock)
    tree.add([transform('world', 'table', (4.0, 0, 0), 1000 * SECOND)])
    tree.add([transform('world', 'table', (5.0, 0, 0))], static=True)
    live(clock, lambda *frames: tree.add(frames), 200)
    assert tree.lookup('world', 'table', 1199 * SECOND, 0.1)[0, 3] == 5


@pytest.mark.parametrize('table', [OverlayParameters, ButtonsParameters])
def test_no_frame_is_forgotten_that_a_parameter_lets_be_used(table):
    assert rows(table)['frame_age'].high <= GONE_SECONDS


def test_frames_that_are_no_motion_are_ignored():
    broken = transform('a', 'b', (0, 0, 0), turn=(0.0, 0.0, 0.0, 0.0))
    assert transform_to_matrix(broken.transform) is None
    assert transform_to_matrix(transform('a', 'b', (np.nan, 0, 0)).transform) is None
    tree = FrameTree()
    tree.add([broken])
    assert tree.lookup('a', 'b', 0, 1) is None


class TransformError(Exception):
    """What tf2 raises for all that it does not find."""


class Tf2Buffer:
    """Keeps of tf2_ros's buffer what counts when time jumps: what is too old is not taken."""

    def __init__(self):
        self.moving, self.static = {}, {}

    def set_transform(self, message, authority):
        stamp = message.header.stamp.sec
        known = self.moving.setdefault(message.child_frame_id, [])
        if not known or stamp > known[-1] - 10:
            known.append(stamp)

    def set_transform_static(self, message, authority):
        self.static[message.child_frame_id] = message

    def clear(self):
        self.moving.clear()

    def lookup_transform(self, target, source, time):
        if target.startswith('/') or source.startswith('/'):
            raise TransformError('frames cannot start with a slash')
        return self.static[source]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def with_tf2(monkeypatch, clock):
    """A listener where tf2_ros is installed, and its subscriptions' callbacks."""
    callbacks = {}
    node = SimpleNamespace(
        create_subscription=lambda kind, topic, callback, qos: callbacks.update({topic: callback})
    )
    tf2 = SimpleNamespace(
        Buffer=Tf2Buffer,
        TransformException=TransformError,
        ExtrapolationException=type('ExtrapolationError', (TransformError,), {}),
    )
    monkeypatch.setitem(sys.modules, 'tf2_ros', tf2)
    monkeypatch.setattr(transforms, 'has_module', lambda name: name == 'tf2_ros')
    listener = TransformListener(node, clock)

    def hear(topic, *heard):
        callbacks[topic](SimpleNamespace(transforms=list(heard)))

    return listener, hear


def test_with_tf2_a_recording_that_starts_over_is_believed_at_once(with_tf2):
    listener, hear = with_tf2
    buffer = listener._buffer
    hear('/tf_static', transform('world', 'table', (5.0, 0, 0)))
    for stamp in (100, 101, 140):
        hear(
            '/tf',
            transform('world', 'cup', (1.0, 0, 0), stamp * SECOND),
            transform('world', 'plate', (1.0, 0, 0), stamp * SECOND),
        )
    hear('/tf', transform('world', 'cup', (2.0, 0, 0), 100 * SECOND))
    assert buffer.moving == {'cup': [100]}
    hear('/tf', transform('world', 'cup', (2.0, 0, 0), 101 * SECOND))
    assert buffer.moving == {'cup': [100, 101]}
    assert list(buffer.static) == ['table']


def test_with_tf2_late_frames_and_publishers_that_lag_forget_nothing(with_tf2):
    listener, hear = with_tf2
    buffer = listener._buffer
    hear('/tf', transform('world', 'cup', (1.0, 0, 0), 102 * SECOND))
    hear('/tf', transform('world', 'cup', (1.0, 0, 0), 102 * SECOND - 9 * SECOND // 10))
    hear('/tf', transform('world', 'cup', (1.0, 0, 0), 0))
    hear('/tf', transform('world', 'plate', (1.0, 0, 0), 95 * SECOND))
    assert buffer.moving == {'cup': [102, 101], 'plate': [95]}


def test_with_tf2_times_of_frames_that_are_gone_do_not_pile_up(with_tf2, clock):
    listener, hear = with_tf2
    live(clock, lambda *frames: hear('/tf', *frames), 500)
    assert len(listener._times._last) < 3 * 2 * GONE_SECONDS
    hear('/tf', transform('world', 'robot', (1.0, 0, 0), 100 * SECOND))
    assert listener._buffer.moving == {'robot': [100]}


def test_with_tf2_frames_are_found_with_a_slash_and_without(with_tf2):
    listener, hear = with_tf2
    hear('/tf_static', transform('world', 'table', (5.0, 0, 0)))
    for target, source in (('world', 'table'), ('/world', '/table')):
        assert listener.lookup(target, source, SECOND, 0.1)[0, 3] == 5
    np.testing.assert_array_equal(listener.lookup('/cup', 'cup', SECOND, 0.1), np.eye(4))
    # Of one frame, whatever it is called, time jumps back.
    hear('/tf', transform('world', '/cup', (1.0, 0, 0), 102 * SECOND))
    hear('/tf', transform('world', 'cup', (1.0, 0, 0), 100 * SECOND))
    assert list(listener._buffer.moving.values()) == [[100]]


def test_stand_in_agrees_with_tf2():
    tf2 = pytest.importorskip('tf2_ros', reason='tf2_ros is not among the ROS wheels')
    from geometry_msgs.msg import TransformStamped
    from rclpy.time import Time

    message = TransformStamped()
    message.header.frame_id, message.child_frame_id = 'camera', 'hand'
    message.transform.translation.x = 0.3
    message.transform.rotation.z, message.transform.rotation.w = QUARTER[2], QUARTER[3]
    buffer, tree = tf2.Buffer(), FrameTree()
    buffer.set_transform_static(message, 'test')
    tree.add([message], True)
    theirs = transform_to_matrix(buffer.lookup_transform('hand', 'camera', Time()).transform)
    np.testing.assert_allclose(tree.lookup('hand', 'camera', 0, 1), theirs, atol=1e-9)
