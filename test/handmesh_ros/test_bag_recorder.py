"""What the recorder of bags waits for, and how it ends, in this process."""

import io
import shutil
import time
from types import SimpleNamespace

import pytest

pytest.importorskip('rosbags.rosbag2')
pytest.importorskip('rclpy')
pytest.importorskip('handmesh_ros.msg')

import rclpy
from rclpy.clock import ClockType
from rclpy.executors import SingleThreadedExecutor
from robot import TIMEOUT, parameters
from rosbags.rosbag2 import Reader
from sensor_msgs.msg import Image

from handmesh_model.errors import ConfigError, OutputError
from handmesh_ros import bag_recorder, bag_writer
from handmesh_ros.bag_recorder import BagRecorder

MB = 10**6
KIND = 'std_msgs/msg/String'


def test_it_finds_topics_while_simulated_time_stands_still(tmp_path):
    rclpy.init(args=parameters(out=tmp_path / 'bag', topics='image', use_sim_time='true'))
    recorder, camera = BagRecorder(), rclpy.create_node('camera', use_global_arguments=False)
    camera.create_publisher(Image, 'image', 1)
    executor = SingleThreadedExecutor()
    executor.add_node(recorder)
    try:
        end = time.monotonic() + TIMEOUT / 10
        while recorder._missing and time.monotonic() < end:
            executor.spin_once(timeout_sec=0.1)
        assert not recorder._missing
    finally:
        recorder._writer.close()
        recorder.destroy_node()
        camera.destroy_node()
        rclpy.shutdown()


def test_nothing_is_recorded_as_of_1970(tmp_path, monkeypatch):
    """Before the first /clock simulated time is 0; what is latched holds from the first on."""
    monkeypatch.setattr(bag_recorder, '_MOST_HELD', 30)
    rclpy.init(args=parameters(out=tmp_path / 'bag', topics='text', use_sim_time='true'))
    recorder = BagRecorder()
    try:
        for topic in ('/plan', '/text'):
            recorder._writer.add(topic, KIND)
        latched, passing = recorder._keeper('/plan', True), recorder._keeper('/text', False)
        for keep, data in ((latched, b'a' * 20), (passing, b'early'), (latched, b'b' * 20)):
            keep(data)
        recorder._look()
        assert recorder._contents() == '/plan 0, /text 0'
        now = rclpy.time.Time(seconds=7, clock_type=ClockType.ROS_TIME)
        recorder.get_clock().set_ros_time_override(now)
        recorder._look()
        passing(b'late')
        assert recorder._left_out == 2, 'one that is not latched, and one beyond the limit'
    finally:
        recorder._writer.close()
        recorder.destroy_node()
        rclpy.shutdown()
    with Reader(tmp_path / 'bag') as reader:
        messages = [(c.topic, time, data) for c, time, data in reader.messages()]
    assert messages == [('/plan', 7 * 10**9, b'a' * 20), ('/text', 7 * 10**9, b'late')]


def filled(path, storage='mcap'):
    """A writer that has written until it could not, and why."""
    writer = bag_writer.BagWriter(path, storage)
    writer.add('/noise', KIND)
    for number in range(100):
        try:
            writer.write('/noise', number, bytes(MB))
        except OutputError as error:
            return writer, str(error)
    pytest.fail('nothing has stopped it')


def assert_whole(path, count):
    with Reader(path) as reader:
        assert sum(1 for _ in reader.messages()) == count


@pytest.mark.parametrize('storage', bag_writer.STORAGES)
def test_a_bag_ends_whole_while_there_is_room_to_finish_it(tmp_path, monkeypatch, storage):
    path = tmp_path / 'bag'

    def usage(folder):
        return SimpleNamespace(free=12 * MB - sum(f.stat().st_size for f in folder.iterdir()))

    monkeypatch.setattr(bag_writer.shutil, 'disk_usage', usage)
    writer, why = filled(path, storage)
    assert 'there is room for' in why
    assert 'MB more, expected 5.2 MB at least' in why
    writer.close()
    assert writer.counts['/noise'] > 4
    assert usage(path).free > 0
    assert_whole(path, writer.counts['/noise'])


def test_a_limit_of_the_size_of_files_is_heeded(tmp_path, monkeypatch):
    monkeypatch.setattr(bag_writer.resource, 'getrlimit', lambda kind: (8 * MB, 8 * MB))
    writer, why = filled(tmp_path / 'bag')
    assert 'there is room for' in why
    writer.close()
    assert_whole(tmp_path / 'bag', writer.counts['/noise'])
    assert writer.counts['/noise'] > 1


@pytest.mark.parametrize('name', ['a?b', 'a#b', 'a%62'])
def test_a_path_that_means_another_to_sqlite_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match='means files elsewhere to SQLite'):
        bag_writer.BagWriter(tmp_path / name, 'sqlite3')
    assert not list(tmp_path.iterdir())
    bag_writer.BagWriter(tmp_path / name).close()


def test_a_bag_that_cannot_be_finished_is_said_to_be_not_whole(tmp_path):
    writer = bag_writer.BagWriter(tmp_path / 'bag')
    writer.add('/noise', KIND)
    storage = writer._writer.storage
    storage.bio.close()
    storage.bio = io.FileIO('/dev/full', 'wb')
    with pytest.raises(OutputError, match=r"go on with the bag '.*bag': .*No space left"):
        writer.write('/noise', 1, bytes(2 * MB))
    with pytest.raises(OutputError, match=r"bag' is not whole, it cannot be finished: .*No space"):
        writer.close()


def test_the_recorder_says_why_it_ends_early_and_what_there_is(tmp_path, monkeypatch):
    rclpy.init(args=parameters(out=tmp_path / 'bag', topics='image'))
    recorder, camera = BagRecorder(), rclpy.create_node('camera', use_global_arguments=False)
    publisher = camera.create_publisher(Image, 'image', 1)
    recorder.create_timer(0.01, lambda: publisher.publish(Image()))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        bag_writer.shutil,
        'disk_usage',
        lambda path: usage if recorder._writer.counts['/image'] < 3 else SimpleNamespace(free=MB),
    )
    said = r'room for 1\.0 MB .* 4\.2 MB at least; it ends here and holds /image 3'
    try:
        with pytest.raises(OutputError, match=said):
            recorder.record()
    finally:
        recorder.destroy_node()
        camera.destroy_node()
        rclpy.shutdown()
    assert_whole(tmp_path / 'bag', 3)
