"""The recorders end when told to, and write everything, though the stream goes on."""

import json
import signal
import time

import cv2
import numpy as np
import pytest
from robot import TIMEOUT, Robot, parameters
from sensor_msgs.msg import Image

from handmesh_model.errors import ConfigError
from handmesh_ros import recording
from handmesh_ros.images import rgb_to_image

PICTURE = np.full((48, 64, 3), 90, np.uint8)
RECORDERS = {
    'ar_recorder': ('ar_overlay', {'ar_overlay.mp4', 'events.json', 'objects.npz'}),
    'demo_recorder': ('overlay', {'overlay.mp4', 'joints.npz'}),
}
WRITING = 60.0
"""Seconds that writing and ROS's end may take on a busy machine."""


@pytest.fixture
def robot(ros):
    """Somebody who subscribes to no picture, so that only the recorder does."""
    robot = Robot(topics=())
    yield robot
    robot.close()


@pytest.fixture
def stream(robot):
    """Sends pictures without end; how many were sent to somebody."""

    def begin(topic):
        publisher = robot.node.create_publisher(Image, topic, 10)
        sent = []

        def send():
            if publisher.get_subscription_count():
                sent.append(time.monotonic())
            publisher.publish(rgb_to_image(PICTURE, robot.header(time.time())))

        robot.node.create_timer(0.02, send)
        return sent

    return begin


@pytest.mark.parametrize(
    ('name', 'number'), [('demo_recorder', signal.SIGINT), ('ar_recorder', signal.SIGTERM)]
)
def test_a_recorder_ends_beside_a_stream_that_does_not(
    robot, stream, start, tmp_path, name, number
):
    topic, written = RECORDERS[name]
    out = tmp_path / 'out'
    process = start(['-m', f'handmesh_ros.{name}', *parameters(out=out)])
    sent = stream(topic)
    robot.wait(lambda: len(sent) > 50, TIMEOUT, 'a recorder that listens')
    process.process.send_signal(number)
    asked = time.monotonic()
    robot.wait(
        lambda: not process.is_alive(), recording.PATIENCE + WRITING, 'the end of the recorder'
    )
    assert process.process.returncode == 0, process.text()
    assert sent[-1] - asked > recording.QUIET, 'the stream went on'
    assert {path.name for path in out.iterdir()} == written | {'report.json', 'contact_sheet.png'}
    report = json.loads((out / 'report.json').read_text())
    assert report['video_frames'] > 20
    film = cv2.VideoCapture(str(next(out.glob('*.mp4'))))
    assert int(film.get(cv2.CAP_PROP_FRAME_COUNT)) == report['video_frames']


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(ConfigError, match=r"parameter 'out': cannot make '.*file/out'"):
        recording.make_folder(str(tmp_path / 'file' / 'out'))
    folder = recording.make_folder(str(tmp_path / 'new' / 'out'))
    assert folder.is_dir()
    assert recording.make_folder(str(folder)) == folder


class Clock:
    """Time that passes while callbacks are served, which come often."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def spin_once(self, timeout_sec):
        self.now += min(timeout_sec, 0.02)

    def add_node(self, node):
        pass


@pytest.mark.parametrize(
    ('last_message', 'end'),
    [(4.0, 5.0), (4.9, 5.9), (5.5, 6.5), (None, 5.0 + recording.PATIENCE)],
)
def test_listens_until_no_more_comes_but_not_for_ever(monkeypatch, last_message, end):
    """Told to end at 5 s."""
    clock = Clock()
    monkeypatch.setattr(recording, 'time', clock)
    monkeypatch.setattr(recording, 'SingleThreadedExecutor', lambda: clock)
    monkeypatch.setattr(recording.executable, 'is_over', lambda node: clock.now >= 5.0)
    looks = []

    def last():
        return clock.now if last_message is None else last_message

    recording.listen(None, last, lambda: looks.append(clock.now))
    assert clock.now == pytest.approx(end, abs=0.05)
    assert looks[-1] == clock.now
