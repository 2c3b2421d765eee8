"""Depth images by stamp, and what is said of those that do not fit."""

import re
import threading
import time

import numpy as np
import pytest

pytest.importorskip('sensor_msgs')

from robot import depth_message, time_of
from std_msgs.msg import Header

from handmesh_model.errors import ImageError
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
