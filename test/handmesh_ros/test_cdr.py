import struct

import numpy as np
import pytest
from geometry_msgs.msg import Point, Polygon, PoseArray
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Float64, Header, Int16MultiArray, MultiArrayDimension, String
from visualization_msgs.msg import Marker

from handmesh_ros.cdr import Layout, Place, Template, WireError


@pytest.mark.parametrize('length', range(9))
def test_a_double_behind_a_string_is_aligned(length):
    message = Marker(header=Header(frame_id='f' * length), ns='n', points=[Point(x=1.5, z=-2.0)])
    message.pose.position.y = 0.25
    layout = Layout(message)
    place = layout.places['pose.position.y']
    assert struct.unpack_from('<d', layout.data, place.start) == (0.25,)
    points = layout.span('points')
    assert points.length == 3
    assert struct.unpack_from('<3d', layout.data, points.start) == (1.5, 0.0, -2.0)


def test_every_number_of_a_calibration_is_found():
    message = CameraInfo(width=640, height=480, d=[0.5, 0.25], distortion_model='plumb_bob')
    message.roi.do_rectify = True
    layout = Layout(message)
    assert layout.places['k'].length == 9
    assert layout.places['d'].length == 2
    assert layout.data[layout.places['roi.do_rectify'].start] == 1
    assert max(place.end for place in layout.places.values()) <= len(layout.data)


def test_template_fills_what_it_is_told_to_and_leaves_the_rest():
    dimension = MultiArrayDimension(label='rows', size=3, stride=7)
    message = Int16MultiArray(data=[1, -2, 3])
    message.layout.dim = [dimension]
    template = Template(message, ['data', 'layout.dim.0.size'])
    filled = deserialize_message(template.fill([(-5, 6, 300), 9]), Int16MultiArray)
    assert list(filled.data) == [-5, 6, 300]
    assert (filled.layout.dim[0].size, filled.layout.dim[0].stride) == (9, 7)
    assert filled.layout.dim[0].label == 'rows'


def test_template_asked_to_fill_all_says_what_is_missing():
    message = PoseArray()
    with pytest.raises(WireError, match='2 numbers, of which 1 are filled'):
        Template(message, ['header.stamp.sec'], whole=True)
    Template(message, ['header.stamp.sec', 'header.stamp.nanosec'], whole=True)


def test_numbers_of_several_types_are_no_span():
    layout = Layout(Marker())
    with pytest.raises(WireError, match="at 'header' are not of one kind"):
        layout.span('header')
    with pytest.raises(WireError, match="no numbers at 'nothing'"):
        layout.span('nothing')


def test_what_stands_elsewhere_is_noticed(monkeypatch):
    monkeypatch.setattr('handmesh_ros.cdr.serialize_message', lambda message: bytes(12))
    with pytest.raises(WireError, match='the encoding is 00000000'):
        Layout(Float64(data=1.0))
    data = b'\x00\x01\x00\x00' + bytes(8)
    monkeypatch.setattr('handmesh_ros.cdr.serialize_message', lambda message: data)
    with pytest.raises(WireError, match="'data' does not stand"):
        Layout(Float64(data=1.0))
    assert Layout(Float64()).places == {'data': Place(4, np.dtype('<f8'), 1)}


def test_messages_without_numbers_have_no_places():
    assert Layout(String(data='only text')).places == {}
    assert Layout(Polygon()).places == {}


@pytest.mark.parametrize('length', range(9))
def test_the_numbers_of_a_template_are_aligned_in_memory(length):
    message = Marker(header=Header(frame_id='f' * length), points=[Point(x=1.0), Point()])
    paths = ['header.stamp.sec', 'points', 'pose', 'scale.x', 'color']
    template = Template(message, paths)
    for path, view in zip(paths, template.views, strict=True):
        assert view.flags.aligned, path
        assert np.shares_memory(view, template._data), path
    assert len(template.to_bytes()) == len(Layout(message).data)
