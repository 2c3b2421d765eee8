"""Camera and depth of an image, and what is said of hands without metres."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hands import hand_at
from std_msgs.msg import Header

from handmesh_model.hand import ScaleSource, TrackState
from handmesh_ros.calibration import Calibration
from handmesh_ros.metric_input import MetricInput
from handmesh_ros.monitor import Monitor

CAMERA = Calibration(np.eye(3), np.zeros(0), size=(640, 480))
SEEN = hand_at([0.0, 0.0, 0.5])
NOWHERE = replace(SEEN, scale_source=ScaleSource.NONE, scale_note='no ray')


class Told:
    """What a part was told of, in its order."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        return lambda *arguments: self.calls.append((name, *arguments))


def make(camera=CAMERA, depth=None):
    told, monitor = Told(), Monitor()
    return MetricInput(lambda: camera, depth or Told(), told.fault, monitor), told, monitor


def test_camera_of_images_of_another_size_is_none_and_it_is_said():
    source, told, _ = make()
    assert source.camera(640, 480) is CAMERA
    assert told.calls == []
    assert source.camera(320, 240) is None
    ((_, kind, text),) = told.calls
    assert kind == 'calibration'
    assert text.startswith('camera_info describes images of 640 x 480 pixels')
    assert text.endswith('; pixels only')
    source, told, _ = make(camera=None)
    assert source.camera(320, 240) is None
    assert told.calls == []


def test_depth_is_waited_for_as_the_settings_say():
    header, settings = Header(), SimpleNamespace(depth_tolerance=0.1, depth_wait=0.2)
    stream = Told()
    source, _, monitor = make(depth=stream)
    assert source.depth(header, (480, 640), settings) is None
    assert stream.calls == [('match', header, (480, 640), 0.1, 0.2)]
    assert monitor.stages() == ['depth']


@pytest.mark.parametrize(
    ('hands', 'has_camera', 'said'),
    [
        ([SEEN, NOWHERE], True, [('fault', 'calibration', 'no ray; pixels only')]),
        ([SEEN, NOWHERE], False, []),
        ([replace(NOWHERE, state=TrackState.HELD)], True, []),
        ([SEEN], True, []),
    ],
)
def test_hands_that_the_camera_does_not_place_are_said(hands, has_camera, said):
    source, told, _ = make()
    source.check(hands, has_camera, has_depth=False)
    assert told.calls == said


@pytest.mark.parametrize(
    ('hands', 'has_depth', 'said'),
    [
        ([replace(SEEN, scale_source=ScaleSource.DEPTH)], True, [('works',)]),
        ([replace(SEEN, scale_note='hole')], True, [('fault', 'hole; sizes come without depth')]),
        ([replace(SEEN, scale_note='hole')], False, []),
        ([NOWHERE], True, []),
        ([], True, []),
    ],
)
def test_depth_is_judged_by_the_hands_that_have_metres(hands, has_depth, said):
    stream = Told()
    source, _, _ = make(depth=stream)
    source.check(hands, has_camera=False, has_depth=has_depth)
    assert stream.calls == said
