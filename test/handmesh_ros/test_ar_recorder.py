"""What ar_recorder makes of the messages; it is not run as a process here."""

import json

import numpy as np
import pytest

pytest.importorskip('handmesh_ros.msg')

from robot import time_of
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from handmesh_ros.ar_recorder import ArRecorder
from handmesh_ros.images import rgb_to_image


@pytest.fixture
def recorder(ros, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recorder = ArRecorder()
    yield recorder
    recorder.destroy_node()


def written(recorder):
    recorder._write()
    report = json.loads((recorder._folder / 'report.json').read_text())
    with np.load(recorder._folder / 'objects.npz') as objects:
        return report, dict(objects)


def test_images_without_a_stamp_have_no_latency(recorder):
    picture = np.full((48, 64, 3), 90, np.uint8)
    recorder._on_picture(rgb_to_image(picture, Header()))
    report, _ = written(recorder)
    assert (report['video_frames'], report['latency_ms']) == (1, {})
    now = recorder.get_clock().now().nanoseconds * 1e-9
    recorder._on_picture(rgb_to_image(picture, Header(stamp=time_of(now - 1))))
    report, _ = written(recorder)
    assert 1000 <= report['latency_ms']['median'] < 60_000


@pytest.mark.parametrize('name', ['ar_physics_node', 'table'])
def test_things_of_the_namespace_that_is_asked_for_are_kept(recorder, name):
    values = vars(recorder.settings)
    recorder.settings = type(recorder.settings)(**{**values, 'things': name})
    markers = [Marker(ns=ns, id=7) for ns in ('ar_physics_node', 'table', 'buttons')]
    for number, marker in enumerate(markers):
        marker.pose.position.x = float(number)
    recorder._on_objects(MarkerArray(markers=markers))
    _, objects = written(recorder)
    assert objects['id'].tolist() == [7]
    assert objects['position'].tolist() == [[{'ar_physics_node': 0.0, 'table': 1.0}[name], 0, 0]]
