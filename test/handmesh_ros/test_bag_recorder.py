"""What the recorder of bags waits for, in this process."""

import time

import pytest

pytest.importorskip('rosbags.rosbag2')
pytest.importorskip('rclpy')
pytest.importorskip('handmesh_ros.msg')

import rclpy
from rclpy.executors import SingleThreadedExecutor
from robot import TIMEOUT, parameters
from sensor_msgs.msg import Image

from handmesh_ros.bag_recorder import BagRecorder


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
