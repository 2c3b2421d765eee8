"""What demo_recorder makes of the messages; it is not run as a process here."""

import json
import warnings

import numpy as np
import pytest

pytest.importorskip('handmesh_ros.msg')

from hands import hand_at
from robot import time_of
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from handmesh_model.errors import OutputError
from handmesh_ros import demo_recorder, recording
from handmesh_ros.conversions import hands_to_msg
from handmesh_ros.demo_recorder import DemoRecorder
from handmesh_ros.images import rgb_to_image


@pytest.fixture
def recorder(ros, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recorder = DemoRecorder()
    yield recorder
    recorder.destroy_node()


def hear(recorder, header):
    """Hands, as the subscription hands them on."""
    hear = recorder._counted('hands', recorder._on_hands)
    hear(hands_to_msg([hand_at(np.array([0, 0, 0.5]))], header))


def test_hands_of_images_without_a_stamp_have_no_latency(recorder, monkeypatch):
    told = []
    logger = recorder.get_logger()
    monkeypatch.setattr(logger, 'info', told.append)
    monkeypatch.setattr(recorder, 'get_logger', lambda: logger)
    monkeypatch.setattr(demo_recorder, '_PROGRESS_PERIOD', 0.0)
    hear(recorder, Header(frame_id='eye'))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        recorder._say_progress()
    assert told == ['1 images, hands in 1, 0.0 Hz']
    now = recorder.get_clock().now().nanoseconds * 1e-9
    hear(recorder, Header(frame_id='eye', stamp=time_of(now - 1)))
    recorder._say_progress()
    assert 'latency' in told[-1]
    recorder._write()
    report = json.loads((recorder._folder / 'report.json').read_text())
    assert report['topics']['hands']['count'] == 2
    assert 1000 <= report['latency_ms']['max'] < 60_000


def test_images_that_cannot_be_read_are_left_out_and_told_once(recorder, capfd):
    for _ in range(2):
        recorder._on_overlay(Image(width=4, height=4, encoding='rgb8', step=3))
    recorder._on_overlay(rgb_to_image(np.full((48, 64, 3), 90, np.uint8), Header()))
    recorder._write()
    report = json.loads((recorder._folder / 'report.json').read_text())
    assert report['video_frames'] == 1
    said = 'images that cannot be read are left out: image data has 0 bytes, expected 12'
    assert capfd.readouterr().err.count(said) == 1


@pytest.mark.parametrize('is_full', [False, True])
def test_all_is_written_after_an_error_too(recorder, monkeypatch, capfd, is_full):
    def fail(*_):
        recorder._on_overlay(rgb_to_image(np.full((48, 64, 3), 90, np.uint8), Header()))
        raise RuntimeError('an error of somebody')

    def refuse(*_, **__):
        raise OutputError('the disk is full')

    monkeypatch.setattr(recording, 'listen', fail)
    if is_full:
        monkeypatch.setattr(demo_recorder, 'write_json', refuse)
    with pytest.raises(RuntimeError, match='an error of somebody'):
        recorder.record()
    assert ('the disk is full' in capfd.readouterr().err) == is_full
    names = {path.name for path in recorder._folder.iterdir()}
    assert {'overlay.mp4', 'joints.npz'} <= names
    assert ({'report.json', 'contact_sheet.png'} <= names) != is_full
