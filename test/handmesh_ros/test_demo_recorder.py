"""What demo_recorder makes of the messages; it is not run as a process here."""

import json
import warnings

import numpy as np
import pytest

pytest.importorskip('handmesh_ros.msg')

from hands import hand_at
from robot import time_of
from std_msgs.msg import Header

from handmesh_ros import demo_recorder
from handmesh_ros.conversions import hands_to_msg
from handmesh_ros.demo_recorder import DemoRecorder


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
