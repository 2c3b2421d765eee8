"""Depth images by stamp, and what is said of those that do not fit."""

import re
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('sensor_msgs')

from image_graph import Graph
from rclpy.qos import ReliabilityPolicy
from robot import depth_message, time_of
from std_msgs.msg import Header

from handmesh_model.errors import ImageError
from handmesh_ros import depth_stream
from handmesh_ros.depth_images import image_to_depth
from handmesh_ros.depth_stream import DepthStream

VALUES = np.arange(12, dtype=np.uint16).reshape(3, 4) + 500


def image(stamp, frame='camera', width=4, height=3):
    """What is asked of a colour image: header, height and width."""
    return Header(stamp=time_of(stamp), frame_id=frame), (height, width)


class Stream(DepthStream):
    """A stream that writes down what it says."""

    def __init__(self):
        self.said, self.remembered = [], []
        super().__init__(self.said.append, self.remembered.append)


class TimedStream(Stream):
    """A stream whose time passes only while an image waits, or when told to."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        self.waits = 0
        self.on_its_way = []
        """Seconds until each comes, and the depth image."""
        time = SimpleNamespace(monotonic=lambda: self.now)
        monkeypatch.setattr(depth_stream, 'time', time)
        super().__init__()
        monkeypatch.setattr(self._arrived, 'wait', self._wait)

    def _wait(self, seconds):
        self.waits += 1
        if self.on_its_way and self.on_its_way[0][0] <= seconds:
            seconds, depth = self.on_its_way.pop(0)
            self.now += seconds
            self.offer(depth)
        else:
            self.now += seconds

    def has_depth(self, stamp):
        return self.match(*image(stamp), 0.02, 0.05) is not None

    def offer_at(self, *stamps):
        for stamp in stamps:
            self.offer(depth_at(stamp))


def depth_at(stamp, frame='camera', more=0):
    """A depth image; `more` is added to its values."""
    header = Header(stamp=time_of(stamp), frame_id=frame)
    return depth_message(VALUES + np.uint16(more), header)


@pytest.fixture
def timed(monkeypatch):
    return TimedStream(monkeypatch)


@pytest.mark.parametrize('kind', ['<u2', '>u2', '<f4', '>f4'])
@pytest.mark.parametrize('padding', [0, 6])
def test_values_come_through_in_both_byte_orders_and_with_padding(kind, padding):
    values = VALUES.astype(kind)
    message = depth_message(values, Header(), padding=padding)
    depth = image_to_depth(message)
    np.testing.assert_array_equal(depth, VALUES)
    assert depth.dtype.isnative


@pytest.mark.parametrize(
    ('field', 'value', 'said'),
    [
        ('encoding', 'rgb8', "encoding 'rgb8', expected 16UC1"),
        ('step', 3, 'step 3'),
        ('height', 9, '24 bytes'),
        ('width', 0, '0 x 3 pixels'),
    ],
)
def test_what_is_no_depth_image_is_named(field, value, said):
    message = depth_message(VALUES, Header())
    setattr(message, field, value)
    with pytest.raises(ImageError, match=said):
        image_to_depth(message)


def test_depth_is_taken_as_reliably_as_it_is_sent():
    graph, stream = Graph(), Stream()
    stream.follow()
    stream.open(graph)
    (former,) = graph.open
    assert (former.topic, former.reliability) == ('/depth', ReliabilityPolicy.BEST_EFFORT)
    graph.offered = [ReliabilityPolicy.RELIABLE]
    stream.follow()
    newer = graph.open[1]
    assert newer.reliability == ReliabilityPolicy.RELIABLE
    former.bring(depth_at(1.0))
    stream.follow()
    assert graph.open == [newer]
    newer.bring(depth_at(1.1, more=1))
    np.testing.assert_array_equal(stream.match(*image(1.0), 0.02, 0.0), VALUES)
    np.testing.assert_array_equal(stream.match(*image(1.1), 0.02, 0.0), VALUES + 1)
    stream.close()
    assert not graph.open
    stream.close()
    assert not stream.said


def test_nearest_stamp_is_taken():
    stream = Stream()
    for number, stamp in enumerate((1.0, 1.033, 1.066)):
        header = Header(stamp=time_of(stamp), frame_id='camera')
        stream.offer(depth_message(VALUES + np.uint16(number), header))
    np.testing.assert_array_equal(stream.match(*image(1.034), 0.02, 0.0), VALUES + 1)
    assert not stream.said


def test_of_images_without_a_stamp_the_newest_is_taken():
    stream = Stream()
    for number in range(3):
        stream.offer(depth_message(VALUES + np.uint16(number), Header(frame_id='camera')))
    np.testing.assert_array_equal(stream.match(*image(0.0), 0.02, 0.0), VALUES + 2)


def test_depth_without_stamps_counts_only_while_it_comes(timed):
    """By stamps alone the last one would be of the time of every image."""

    def offer():
        timed.offer(depth_message(VALUES, Header(frame_id='camera')))

    offer()
    for _ in range(2):
        assert timed.has_depth(0.0)
        timed.now += 0.9
    assert not timed.has_depth(0.0)
    assert not timed.said
    assert timed.remembered[0].startswith('no depth image for 1.8 s, expected one in 1 s')
    timed.now += 0.5
    assert not timed.has_depth(0.0)
    (said,) = timed.said
    assert timed.trouble == said
    assert timed.waits == 0
    offer()
    assert timed.has_depth(0.0)
    assert not timed.trouble


def test_without_any_depth_nothing_is_said_and_nobody_waits():
    stream = Stream()
    start = time.monotonic()
    assert stream.match(*image(1.0), 0.02, 5.0) is None
    assert time.monotonic() - start < 2
    assert not stream.said


def test_depth_that_is_on_its_way_is_waited_for():
    stream = Stream()
    stream.offer(depth_message(VALUES, Header(stamp=time_of(1.0), frame_id='camera')))
    late = depth_message(VALUES + np.uint16(9), Header(stamp=time_of(2.0), frame_id='camera'))
    thread = threading.Timer(0.1, stream.offer, [late])
    thread.start()
    np.testing.assert_array_equal(stream.match(*image(2.0), 0.02, 30.0), VALUES + 9)
    thread.join()


def test_depth_that_is_overtaken_is_not_waited_for():
    stream = Stream()
    stream.offer(depth_message(VALUES, Header(stamp=time_of(3.0), frame_id='camera')))
    start = time.monotonic()
    assert stream.match(*image(2.0), 0.02, 30.0) is None
    assert time.monotonic() - start < 10
    assert 'the nearest is 1 s newer' in stream.said[0]


@pytest.mark.parametrize(
    ('other', 'said'),
    [
        (image(1.5), 'the nearest is 0.5 s older'),
        (image(1.0, width=8), r'\(3, 4\), expected \(3, 8\)'),
        (image(1.0, frame='elsewhere'), "depth is in frame 'camera', the image in 'elsewhere'"),
    ],
)
def test_depth_that_does_not_fit_is_said_once_until_it_fits(other, said):
    stream = Stream()
    stream.offer(depth_message(VALUES, Header(stamp=time_of(1.0), frame_id='camera')))
    for _ in range(3):
        assert stream.match(*other, 0.02, 0.0) is None
    (text,) = stream.said
    assert re.search(said, text)
    assert len(stream.remembered) == 2
    stream.works()
    assert stream.match(*other, 0.02, 0.0) is None
    assert len(stream.said) == 2


def test_depth_at_half_the_rate_of_images_is_nothing_to_say():
    stream = Stream()
    for i in range(6):
        header = Header(stamp=time_of(1 + i / 15), frame_id='camera')
        stream.offer(depth_message(VALUES, header))
        assert stream.match(*image(1 + i / 15), 0.02, 0.0) is not None
        stream.works()
        assert stream.match(*image(1 + (i + 0.5) / 15), 0.02, 0.0) is None
    assert not stream.said
    assert not stream.trouble
    assert len(stream.remembered) == 6


@pytest.mark.parametrize(('before', 'known'), [([], 3), ([0.9, 0.933, 0.967], 5)])
def test_images_between_two_depth_images_do_not_wait(timed, before, known):
    timed.offer_at(*before, *(1 + i / 15 for i in range(known)))
    for i in range(known, 12):
        assert not timed.has_depth(1 + (i - 0.5) / 15)
        assert timed.waits == 0
        timed.offer_at(1 + i / 15)
        assert timed.has_depth(1 + i / 15)


@pytest.mark.parametrize(
    ('stamps', 'wanted'),
    [
        ([1.0], 1.033),
        ([1.0, 1.067], 1.1),
        ([1.0, 1.067, 1.133], 1.2),
        ([1.0, 1.067, 1.2, 1.267], 1.333),
        ([1.0, 1.067, 1.133], 1.267),
        ([1.0, 1.063, 1.137, 1.2, 1.267], 1.335),
        ([1.0, 1.1, 1.26, 1.36, 1.49], 1.635),
    ],
    ids=['first', 'second', 'even', 'one lost', 'this one lost', 'jitter', 'uneven'],
)
def test_depth_that_may_be_on_its_way_is_waited_for(timed, stamps, wanted):
    timed.offer_at(*stamps)
    timed.on_its_way = [(0.01, depth_at(wanted))]
    assert timed.has_depth(wanted)
    assert timed.waits == 1


def test_waiting_that_brings_nothing_ends_until_depth_is_in_time_again(timed):
    timed.offer_at(1.0)
    for i in range(1, 6):
        assert not timed.has_depth(1 + i / 30)
    assert timed.waits == 3
    timed.now += 0.06
    timed.offer_at(1 + 5 / 30)  # later than any image waits
    assert not timed.has_depth(1 + 6 / 30)
    assert timed.waits == 3
    timed.now += 0.03
    timed.offer_at(1 + 6 / 30)  # the image might have waited for this one
    timed.on_its_way = [(0.03, depth_at(1 + 7 / 30))]
    assert timed.has_depth(1 + 7 / 30)
    assert timed.waits == 4


def test_depth_of_before_the_images_went_back_is_forgotten(timed):
    timed.offer_at(8.9, 10.0)
    assert timed.has_depth(10.0)
    assert not timed.has_depth(8.9)
    assert timed.waits == 1  # depth still comes, and is not overtaken by that of before
    timed.on_its_way = [(0.01, depth_at(8.93))]
    assert timed.has_depth(8.93)


def test_depth_that_is_late_is_added_and_none_is_forgotten(timed):
    timed.offer_at(1.0, 1.067, 1.2, 1.133)
    for stamp in (1.067, 1.133, 1.2):
        assert timed.has_depth(stamp)
    # The spacing is that of the stamps, in whatever order they came.
    assert not timed.has_depth(1.233)
    assert timed.waits == 0
    timed.on_its_way = [(0.01, depth_at(1.267))]
    assert timed.has_depth(1.267)


def test_an_image_that_is_late_forgets_no_depth(timed):
    timed.offer_at(9.0, 9.1, 9.9, 10.0)
    for stamp in (10.0, 9.1, 9.9, 10.0):
        assert timed.has_depth(stamp)
    # Time jumps back from the newest of them, not from the last.
    assert not timed.has_depth(9.0)


@pytest.mark.parametrize(('frame', 'other'), [('/camera', 'camera'), ('camera', '/camera')])
def test_a_slash_before_a_frame_makes_no_other_one(frame, other):
    stream = Stream()
    stream.offer(depth_at(1.0, frame))
    assert stream.match(*image(1.0, other), 0.02, 0.0) is not None
    assert not stream.said


def test_depth_that_goes_back_before_the_images_do_is_kept(timed):
    timed.offer_at(9.9, 10.0)
    assert timed.has_depth(10.0)
    timed.offer_at(5.0, 5.03)
    assert not timed.has_depth(10.033)
    assert timed.has_depth(5.0)
    assert timed.has_depth(5.03)


def test_what_is_forgotten_is_used_no_more_unless_it_is_of_the_new_run(timed):
    timed.offer_at(9.9, 10.0)
    timed._forget()
    assert not timed.has_depth(10.0)
    timed.offer_at(10.033, 5.0)
    timed._forget()
    assert timed.has_depth(5.0)
    timed._forget()
    assert not timed.has_depth(5.0)


def test_images_without_a_stamp_go_nowhere_back(timed):
    timed.offer_at(10.0)
    assert timed.has_depth(10.0)
    assert not timed.has_depth(0.0)
    assert timed.has_depth(10.0)


def test_trouble_lasts_from_when_no_depth_can_be_used_until_it_can(timed):
    def show(stamp, frame='camera'):
        timed.now += 0.25
        timed.offer(depth_at(stamp, frame))
        return timed.has_depth(stamp)

    assert not timed.trouble
    assert not show(1.0, 'elsewhere')
    assert "in frame 'elsewhere'" in timed.trouble
    assert show(2.0)
    assert not timed.trouble
    for stamp in (3.0, 4.0, 5.0):
        assert not show(stamp, 'elsewhere')
        assert not timed.trouble  # may be single images
    assert not show(6.0, 'elsewhere')
    assert timed.trouble
    timed.now += 5
    assert not timed.trouble  # no images by now


def test_trouble_is_also_that_depth_disagrees_with_the_hands(timed):
    timed.works()
    timed.fault('depth is far off')
    assert not timed.trouble
    timed.now += 1
    assert timed.trouble == 'depth is far off'
    timed.works()
    assert not timed.trouble
