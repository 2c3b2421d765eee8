"""What ar_recorder makes of the messages; it is not run as a process here."""

import json

import numpy as np
import pytest

pytest.importorskip('handmesh_ros.msg')

from robot import time_of
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from handmesh_model.errors import OutputError
from handmesh_ros import recording
from handmesh_ros.ar_recorder import ArRecorder
from handmesh_ros.conversions import SIDES
from handmesh_ros.images import rgb_to_image
from handmesh_ros.msg import ButtonEvent


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


def test_images_that_cannot_be_read_are_left_out_and_told_once(recorder, capfd):
    for _ in range(2):
        recorder._on_picture(Image(width=4, height=4, encoding='rgb8', step=3))
    recorder._on_picture(rgb_to_image(np.full((48, 64, 3), 90, np.uint8), Header()))
    report, _ = written(recorder)
    assert (report['video_frames'], report['topics']['ar_overlay']['count']) == (1, 3)
    said = 'images that cannot be read are left out: image data has 0 bytes, expected 12'
    assert capfd.readouterr().err.count(said) == 1


def test_a_side_that_is_none_is_written_as_not_known(recorder):
    for side in (SIDES['left'], 7):
        recorder._on_event(ButtonEvent(button='talk', event=ButtonEvent.PRESSED, side=side))
    recorder._write()
    events = json.loads((recorder._folder / 'events.json').read_text())
    assert [event['side'] for event in events] == ['left', None]


@pytest.mark.parametrize('is_full', [False, True])
def test_all_is_written_after_an_error_too(recorder, monkeypatch, capfd, is_full):
    def fail(*_):
        recorder._on_picture(rgb_to_image(np.full((48, 64, 3), 90, np.uint8), Header()))
        raise RuntimeError('an error of somebody')

    def refuse(*_, **__):
        raise OutputError('the disk is full')

    monkeypatch.setattr(recording, 'listen', fail)
    if is_full:
        monkeypatch.setattr('handmesh_ros.ar_recorder.write_json', refuse)
    with pytest.raises(RuntimeError, match='an error of somebody'):
        recorder.record()
    assert ('the disk is full' in capfd.readouterr().err) == is_full
    names = {path.name for path in recorder._folder.iterdir()}
    assert {'ar_overlay.mp4', 'objects.npz'} <= names
    assert ({'events.json', 'report.json', 'contact_sheet.png'} <= names) != is_full
