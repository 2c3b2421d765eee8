"""folder_camera as a process: what it sends, when it starts, how it ends."""

import json
import signal
import struct
import time
from contextlib import ExitStack

import cv2
import numpy as np
import pytest
import yaml
from painted_hands import paint
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from robot import TIMEOUT, parameters, time_of
from sensor_msgs.msg import CameraInfo, Image

from handmesh_ros.folder_camera import FolderCamera
from handmesh_ros.images import image_to_rgb
from handmesh_ros.msg import HandArray
from handmesh_ros.sources import assumed_intrinsics
from handmesh_ros.stamps import stamp_to_nanoseconds

PICTURES = [paint([('right', 10 + 20 * i, 20, 30, 40)], 64 * 4, 96) for i in range(4)]


@pytest.fixture
def folder(tmp_path):
    for i, picture in enumerate(PICTURES):
        cv2.imwrite(str(tmp_path / f'{i}.png'), picture[:, :, ::-1])
    return tmp_path


class Viewer:
    """Keeps images and camera_infos, and answers with hands if asked to."""

    def __init__(self, ros, answer=False):
        self.node = ros.create_node('viewer')
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.images, self.infos = [], []
        self.answered = []
        """When images were answered, nanoseconds since 1970."""
        self.hands = self.node.create_publisher(HandArray, 'hands', 10)
        self.answer = answer
        self.node.create_subscription(CameraInfo, 'camera_info', self.infos.append, 20)
        self.node.create_subscription(Image, 'image', self.on_image, 20)

    def on_image(self, message):
        self.images.append(message)
        if self.answer:
            self.answered.append(time.time_ns())
            self.hands.publish(HandArray(header=message.header))

    def watch(self, process):
        """Serve until the camera has ended; its exit code."""
        from robot import Robot

        Robot.wait(self, lambda: not process.is_alive(), TIMEOUT, 'the end of the camera')
        Robot.rest(self, 0.2)
        return process.process.returncode

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()


@pytest.fixture
def make_viewer(ros):
    """Makes viewers, and closes them however the test ends."""
    with ExitStack() as made:

        def make(**options):
            viewer = Viewer(ros, **options)
            made.callback(viewer.close)
            return viewer

        yield make


@pytest.fixture
def camera(start):
    return lambda **values: start(['-m', 'handmesh_ros.folder_camera', *parameters(**values)])


def test_plays_a_folder_once_and_ends(make_viewer, camera, folder):
    viewer = make_viewer()
    frames_file = folder / 'frames.jsonl'
    process = camera(source=folder, rate=50.0, frame_id='eye', frames_file=frames_file)
    assert viewer.watch(process) == 0, process.text()
    assert len(viewer.images) == len(PICTURES)
    for image, picture in zip(viewer.images, PICTURES, strict=True):
        np.testing.assert_array_equal(image_to_rgb(image), picture)
        assert image.header.frame_id == 'eye'
    for image, info in zip(viewer.images, viewer.infos, strict=True):
        assert info.header == image.header
        assert (info.width, info.height) == (image.width, image.height)
        expected = assumed_intrinsics(image.width, image.height, 60.0)
        np.testing.assert_allclose(np.reshape(info.k, (3, 3)), expected)
        np.testing.assert_allclose(np.reshape(info.p, (3, 4))[:, :3], expected)
    assert 'assuming a horizontal field of view of 60 degrees' in process.text()
    lines = [json.loads(line) for line in frames_file.read_text().splitlines()]
    assert [line['frame'] for line in lines] == [0, 1, 2, 3]
    assert [line['name'] for line in lines] == ['0.png', '1.png', '2.png', '3.png']
    stamps = [stamp_to_nanoseconds(image.header.stamp) for image in viewer.images]
    assert [line['stamp'] for line in lines] == stamps
    assert stamps == sorted(set(stamps))


WITHOUT_MESSAGES = """
import sys
sys.modules['handmesh_ros.msg'] = None
from handmesh_ros import folder_camera
sys.exit(folder_camera.main())
"""


def test_plays_without_the_messages_of_this_package(start, folder):
    words = parameters(source=folder, rate=200.0, subscribers=0)
    process = start(['-c', WITHOUT_MESSAGES, *words])
    assert process.process.wait(TIMEOUT) == 0, process.text()
    assert '4 images sent' in process.text()


def test_lockstep_waits_for_the_hands(make_viewer, camera, folder):
    viewer = make_viewer(answer=True)
    frames_file = folder / 'frames.jsonl'
    process = camera(source=folder, rate=200.0, lockstep='true', frames_file=frames_file)
    assert viewer.watch(process) == 0, process.text()
    assert '4 images sent, 0 unanswered' in process.text()
    # A picture that gets lost on its way, or whose answer does, is sent again.
    lines = [json.loads(line) for line in frames_file.read_text().splitlines()]
    frames = {line['stamp']: line['frame'] for line in lines}
    assert list(dict.fromkeys(frames.values())) == [0, 1, 2, 3]
    seen = [frames[stamp_to_nanoseconds(image.header.stamp)] for image in viewer.images]
    assert list(dict.fromkeys(seen)) == [0, 1, 2, 3]
    assert len(PICTURES) <= len(seen) <= len(lines)
    for frame in range(1, len(PICTURES)):
        sent = next(line['stamp'] for line in lines if line['frame'] == frame)
        assert viewer.answered[seen.index(frame - 1)] < sent, 'not before the hands'


def test_loops_until_told_to_end(make_viewer, camera, folder):
    viewer = make_viewer()
    process = camera(source=folder, rate=100.0, loop='true')
    from robot import Robot

    Robot.wait(viewer, lambda: len(viewer.images) > 2 * len(PICTURES), TIMEOUT)
    assert process.end(signal.SIGTERM) == 0
    assert 'Traceback' not in process.text()


def test_a_loop_without_pictures_ends_with_1(make_viewer, camera, folder):
    viewer = make_viewer()
    process = camera(source=folder, rate=50.0, loop='true')
    from robot import Robot

    Robot.wait(viewer, lambda: viewer.images, TIMEOUT)
    for file in folder.glob('*.png'):
        file.unlink()
    assert viewer.watch(process) == 1, process.text()
    assert 'gives no pictures any more' in process.text()


def test_ends_when_told_to_though_it_is_behind(make_viewer, camera, folder):
    big = np.zeros((2160, 3840, 3), np.uint8)
    for i in range(4):
        cv2.imwrite(str(folder / f'{i}.png'), big)
    viewer = make_viewer()
    process = camera(source=folder, rate=240.0, loop='true')
    from robot import Robot

    Robot.wait(viewer, lambda: viewer.images, TIMEOUT)
    assert process.end(signal.SIGINT) == 0


class LiveCamera:
    """A capture of 10 pictures a second whose driver keeps four, on a clock of its own."""

    PERIOD = 0.1

    def __init__(self, _):
        type(self).last = self
        self.begun = time.monotonic()
        self.taken = 0

    def isOpened(self):
        return True

    def get(self, _):
        return 1 / self.PERIOD

    def grab(self):
        newest = int((time.monotonic() - self.begun) / self.PERIOD)
        self.taken = max(self.taken + 1, newest - 3)
        time.sleep(max(0.0, self.begun + self.taken * self.PERIOD - time.monotonic()))
        return True

    def read(self):
        self.grab()
        return True, np.full((4, 4, 3), self.taken, np.uint8)

    def age(self, rgb):
        """How long ago a picture was taken, in periods."""
        return (time.monotonic() - self.begun) / self.PERIOD - int(rgb.max())

    def release(self):
        pass


@pytest.mark.parametrize(('rate', 'count'), [(0.0, 30), (2.0, 6)])
def test_live_pictures_are_sent_as_they_are_taken(ros, monkeypatch, rate, count):
    monkeypatch.setattr(cv2, 'VideoCapture', LiveCamera)
    values = {'source': '0', 'rate': rate, 'subscribers': 0, 'duration': 3.0}
    node = FolderCamera(parameter_overrides=[Parameter(k, value=v) for k, v in values.items()])
    time.sleep(0.8)  # so long somebody may wait for subscribers
    ages, age = [], LiveCamera.last.age
    monkeypatch.setattr(node, 'publish', lambda frame, header: ages.append(age(frame.rgb)))
    node.play()
    assert count / 2 <= len(ages) <= count + 2
    assert np.median(ages) < 2, 'four are what the driver keeps'
    node.destroy_node()


@pytest.mark.parametrize('rate', [0.0, 12.0])
def test_a_rate_of_the_source_that_cannot_be_played_is_warned_of_if_it_counts(
    ros, capfd, monkeypatch, rate
):
    monkeypatch.setattr(LiveCamera, 'PERIOD', 1e-3)
    monkeypatch.setattr(cv2, 'VideoCapture', LiveCamera)
    values = {'source': '0', 'rate': rate}
    node = FolderCamera(parameter_overrides=[Parameter(k, value=v) for k, v in values.items()])
    node.destroy_node()
    lines = [line for line in capfd.readouterr().err.splitlines() if 'are played' in line]
    assert len(lines) == (rate == 0)
    assert all('[WARN]' in line and 'has 1000 images a second' in line for line in lines)


def turned_picture(folder):
    """A JPEG file that asks to be shown turned by a quarter."""
    exif = b'Exif\0\0MM\0*' + struct.pack('>IHHHIHHI', 8, 1, 0x0112, 3, 1, 6, 0, 0)
    jpeg = cv2.imencode('.jpg', PICTURES[1][:, :, ::-1])[1].tobytes()
    file = folder / 'turned.jpg'
    file.write_bytes(jpeg[:2] + b'\xff\xe1' + struct.pack('>H', 2 + len(exif)) + exif + jpeg[2:])
    return file


def test_takes_the_matrix_from_a_file(make_viewer, camera, folder):
    file = folder / 'camera.json'
    matrix = [[300.0, 0, 100], [0, 310, 50], [0, 0, 1]]
    file.write_text(json.dumps({'intrinsics': matrix}))
    viewer = make_viewer()
    process = camera(source=turned_picture(folder), intrinsics_file=file)
    assert viewer.watch(process) == 0
    (info,), (image,) = viewer.infos, viewer.images
    np.testing.assert_array_equal(np.reshape(info.k, (3, 3)), matrix)
    # The matrix belongs to the pixels as they are stored.
    assert (image.height, image.width) == (info.height, info.width) == PICTURES[1].shape[:2]
    assert 'assuming' not in process.text()


LENS = [-0.35, 0.12, 0.0, 0.0, 0.0]
WIDE = [[800.0, 0, 383.5], [0, 800, 1023.5], [0, 0, 1]]
"""Of pictures eight times as large as those of the folder."""


def calibration_file(folder, width, height):
    """A camera_info YAML as camera_calibration writes it."""
    file = folder / 'head.yaml'
    facts = {
        'image_width': width,
        'image_height': height,
        'camera_matrix': {'rows': 3, 'cols': 3, 'data': np.ravel(WIDE).tolist()},
        'distortion_model': 'plumb_bob',
        'distortion_coefficients': {'rows': 1, 'cols': 5, 'data': LENS},
    }
    file.write_text(yaml.safe_dump(facts))
    return file


def test_a_calibrated_camera_is_told_whole_and_in_the_size_of_the_pictures(
    make_viewer, camera, folder
):
    height, width = PICTURES[0].shape[:2]
    file = calibration_file(folder, 8 * width, 8 * height)
    viewer = make_viewer()
    process = camera(source=folder, rate=50.0, intrinsics_file=file)
    assert viewer.watch(process) == 0, process.text()
    expected = [[100, 0, (383.5 + 0.5) / 8 - 0.5], [0, 100, (1023.5 + 0.5) / 8 - 0.5], [0, 0, 1]]
    assert len(viewer.infos) == len(PICTURES)
    for info in viewer.infos:
        assert (info.width, info.height, info.distortion_model) == (width, height, 'plumb_bob')
        np.testing.assert_array_equal(info.d, LENS)
        np.testing.assert_allclose(np.reshape(info.k, (3, 3)), expected)
        np.testing.assert_array_equal(np.reshape(info.r, (3, 3)), np.eye(3))
        np.testing.assert_allclose(np.reshape(info.p, (3, 4))[:, :3], expected)
    sizes = f'{8 * width} x {8 * height} pixels, these have {width} x {height}'
    assert process.text().count(sizes) == 1, 'said once'


def test_a_camera_of_pictures_of_another_shape_ends_with_1(make_viewer, camera, folder):
    height, width = PICTURES[0].shape[:2]
    viewer = make_viewer()
    process = camera(source=folder, intrinsics_file=calibration_file(folder, 1280, 720))
    assert viewer.watch(process) == 1, process.text()
    assert f'1280 x 720 pixels, the image has {width} x {height}' in process.text()
    assert not viewer.images


def test_a_bag_is_played_with_its_own_calibration(make_viewer, camera, tmp_path):
    pytest.importorskip('rosbags.rosbag2')
    import bag_files

    rgb = PICTURES[0]
    height, width = rgb.shape[:2]
    # The sensor is twice as large, and the picture begins in its middle.
    info = bag_files.camera_info(
        WIDE, 0.0, LENS, (2 * width, 2 * height), binning=2, offset=(100, 40)
    )
    path = bag_files.write(
        tmp_path / 'bag', [('/camera_info', info), ('/image', bag_files.image(rgb))]
    )
    viewer = make_viewer()
    process = camera(source=path)
    assert viewer.watch(process) == 0, process.text()
    (told,) = viewer.infos
    np.testing.assert_array_equal(told.d, LENS)
    expected = [[400, 0, (383.5 - 100) / 2], [0, 400, (1023.5 - 40) / 2], [0, 0, 1]]
    np.testing.assert_allclose(np.reshape(told.k, (3, 3)), expected)
    assert (told.width, told.height, told.binning_x, told.roi.x_offset) == (width, height, 0, 0)
    assert 'assuming' not in process.text()


@pytest.mark.parametrize(
    ('values', 'said'),
    [
        ({'source': '/no/such/place'}, "source '/no/such/place' does not exist"),
        ({'rate': '-1.0'}, "parameter 'rate' is -1.0, expected 0 to 240"),
        ({'rate': 'fast'}, "parameter 'rate' is 'fast', expected a number"),
        ({'source': '/dev/null', 'subscribers': 0}, "'/dev/null'"),
    ],
)
def test_what_cannot_work_is_named_and_ends_with_1(camera, values, said):
    process = camera(**values)
    assert process.process.wait(TIMEOUT) == 1
    assert said in process.text()
    assert 'Traceback' not in process.text()


def test_waits_for_somebody_to_listen(make_viewer, camera, folder):
    process = camera(source=folder, rate=200.0, subscribers=2)
    viewer = make_viewer()
    from robot import Robot

    Robot.wait(viewer, lambda: viewer.node.count_publishers('image') > 0, TIMEOUT)
    Robot.rest(viewer, 0.5)
    assert process.is_alive()
    assert not viewer.images
    make_viewer()
    assert viewer.watch(process) == 0
    assert viewer.images


def test_stamps_are_exact():
    assert stamp_to_nanoseconds(time_of(1234.5)) == 1_234_500_000_000
