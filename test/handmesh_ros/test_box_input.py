"""Boxes from other people's messages; those of vision_msgs are imitated where it is missing."""

import math
from types import SimpleNamespace

import pytest
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import RegionOfInterest

from handmesh_model.errors import ConfigError
from handmesh_model.hand import HandBox
from handmesh_ros import distro
from handmesh_ros.box_input import BoxInput, detections_to_boxes, region_to_box, usable
from handmesh_ros.node_parameters import DETECTIONS


def detection(x, y, width, height, theta=0.0, results=()):
    """A vision_msgs/Detection2D, real or imitated; results are (class, score)."""
    try:
        from vision_msgs.msg import Detection2D, ObjectHypothesisWithPose
    except ImportError:
        center = SimpleNamespace(position=SimpleNamespace(x=0.0, y=0.0), theta=0.0)
        made = SimpleNamespace(
            bbox=SimpleNamespace(center=center, size_x=0.0, size_y=0.0), results=[]
        )

        def result():
            return SimpleNamespace(hypothesis=SimpleNamespace(class_id='', score=0.0))
    else:
        made, result = Detection2D(), ObjectHypothesisWithPose
    made.bbox.center.position.x, made.bbox.center.position.y = x, y
    made.bbox.center.theta = theta
    made.bbox.size_x, made.bbox.size_y = width, height
    for name, score in results:
        made.results.append(result())
        made.results[-1].hypothesis.class_id = name
        made.results[-1].hypothesis.score = score
    return made


def corners(box):
    return box.x_min, box.y_min, box.x_max, box.y_max


def test_a_region_holds_whole_pixels():
    region = RegionOfInterest(x_offset=10, y_offset=20, width=30, height=40)
    assert corners(region_to_box(region)) == (9.5, 19.5, 39.5, 59.5)


def test_a_region_without_area_is_no_hand():
    assert region_to_box(RegionOfInterest(width=30)) is None
    assert region_to_box(RegionOfInterest()) is None


def test_detections_come_surest_first_with_the_side_of_their_class():
    message = SimpleNamespace(
        detections=[
            detection(50.0, 60.0, 20.0, 30.0, results=[('left_hand', 0.4)]),
            detection(10.0, 10.0, 4.0, 4.0, results=[('Right', 0.9), ('left', 0.1)]),
            detection(10.0, 10.0, 4.0, 4.0, results=[('hand', 0.5)]),
        ]
    )
    boxes = detections_to_boxes(message)
    assert [box.side for box in boxes] == ['right', None, 'left']
    assert [box.score for box in boxes] == pytest.approx([0.9, 0.5, 0.4])
    assert corners(boxes[2]) == (40, 45, 60, 75)


def test_a_turned_detection_gives_the_upright_box_around_it():
    message = SimpleNamespace(detections=[detection(50.0, 60.0, 20.0, 30.0, math.pi / 2)])
    (box,) = detections_to_boxes(message)
    assert corners(box) == pytest.approx((35, 50, 65, 70))
    assert box.score == 1


@pytest.mark.parametrize(
    ('values', 'is_usable'),
    [
        ((0, 0, 10, 10), True),
        ((-5, -5, 200, 200), True),
        ((10, 10, 10, 20), False),
        ((20, 10, 10, 20), False),
        ((-9, 0, -1, 10), False),
        ((100, 0, 120, 10), False),
        ((math.nan, 0, 10, 10), False),
        ((0, 0, math.inf, 10), False),
        ((0, 0, 2**32, 10), False),
    ],
)
def test_boxes_that_no_crop_can_be_cut_around_are_known(values, is_usable):
    assert usable(HandBox(*values), 100, 80) is is_usable


class Node:
    """Stands for a node whose clock shows 100 s."""

    publishers = 1

    def create_subscription(self, kind, topic, callback, qos):
        self.kind, self.qos = kind, qos
        return 'subscription'

    def count_publishers(self, topic):
        assert topic == '/boxes'
        return self.publishers

    def resolve_topic_name(self, name):
        return f'/{name}'

    def get_clock(self):
        return SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=100 * 10**9))


def test_old_boxes_are_not_used_and_bad_ones_are_said():
    said = []
    now = [0.0]
    boxes = BoxInput(Node(), 'regions', said.append, lambda: now[0])
    assert boxes.for_image(100.0, 160, 120, 0.5) == []
    boxes.on_region(RegionOfInterest(x_offset=10, y_offset=20, width=30, height=40))
    assert len(boxes.for_image(99.6, 160, 120, 0.5)) == 1
    # Some time later; whoever looks for hands may send boxes only where there are some.
    now[0] = 60.0
    assert boxes.for_image(100.6, 160, 120, 0.5) == []
    assert not said
    assert boxes.for_image(100.0, 8, 8, 0.5) == []
    assert said == [
        "1 of 1 boxes on '/boxes' are empty, not finite, smaller than a pixel, outside the image "
        'of 8 x 8 pixels or far larger than it'
    ]


def test_publishers_of_both_kinds_are_heard():
    node = Node()
    BoxInput(node, 'regions', print)
    assert node.qos.reliability is ReliabilityPolicy.BEST_EFFORT


def test_boxes_of_another_time_are_said():
    said = []
    boxes = BoxInput(Node(), 'regions', said.append, lambda: 0.0)
    boxes.on_region(RegionOfInterest(x_offset=10, y_offset=20, width=30, height=40))
    assert boxes.for_image(96.75, 160, 120, 0.5) == []
    assert said == [
        "boxes on '/boxes' and images lie 3.25 s apart, expected at most 0.50 (boxes_max_age): "
        'is one of them not stamped, or by another clock?'
    ]


def test_boxes_that_end_with_the_hand_are_no_fault():
    said, now = [], [0.0]
    boxes = BoxInput(Node(), 'regions', said.append, lambda: now[0])
    boxes.on_region(RegionOfInterest(x_offset=10, y_offset=20, width=30, height=40))
    for frame in range(300):
        now[0] = frame / 30
        # The node's clock and the images' go on together; the boxes came at 100 s.
        used = boxes.for_image(100.0 + now[0], 160, 120, 0.5)
        assert len(used) == (now[0] <= 0.5)
    assert not said


def test_boxes_that_never_come_or_come_no_more_are_said():
    said, now, node = [], [0.0], Node()
    boxes = BoxInput(node, 'regions', said.append, lambda: now[0])
    for moment in (0.0, 4.9, 5.0):
        assert not said
        now[0] = moment
        assert boxes.for_image(100.0, 160, 120, 0.5) == []
    assert said == ["no boxes on '/boxes': 1 publishers, none came yet"]
    boxes.on_region(RegionOfInterest(x_offset=10, y_offset=20, width=30, height=40))
    now[0] = 20.0
    assert boxes.for_image(110.0, 160, 120, 0.5) == []
    assert len(said) == 1
    node.publishers = 0
    assert boxes.for_image(110.0, 160, 120, 0.5) == []
    assert said[1:] == ["no boxes on '/boxes': 0 publishers, the last came 15 s ago"]


def test_detections_without_vision_msgs_are_refused(monkeypatch):
    monkeypatch.setattr(distro, 'has_module', lambda name: False)
    with pytest.raises(ConfigError, match='needs vision_msgs'):
        BoxInput(Node(), DETECTIONS, print)
