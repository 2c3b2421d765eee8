"""What is made of CameraInfo, without a node."""

from types import SimpleNamespace

import pytest

pytest.importorskip('sensor_msgs')
pytest.importorskip('rclpy')

from sensor_msgs.msg import CameraInfo

from handmesh_ros.camera_watch import CameraWatch

DISTORTED = CameraInfo(
    width=160,
    height=120,
    distortion_model='plumb_bob',
    d=[-0.2, 0.05, 0.0, 0.0, 0.0],
    k=[150.0, 0.0, 80.0, 0.0, 150.0, 60.0, 0.0, 0.0, 1.0],
)


@pytest.mark.parametrize(
    ('topic', 'is_said'),
    [
        ('/image_rect', True),
        ('/camera/image_rect_color', True),
        ('/camera/rectified/image', True),
        ('/direct_camera/image_raw', False),
        ('/corrected/image', False),
    ],
)
def test_topics_that_sound_rectified(topic, is_said):
    heard, said = [], []
    node = SimpleNamespace(
        create_subscription=lambda kind, name, callback, qos: heard.append(callback),
        get_logger=lambda: SimpleNamespace(info=lambda text: None),
    )
    CameraWatch(node, lambda: False, lambda: topic, said.append).open()
    (callback,) = heard
    callback(DISTORTED)
    assert [f"images on '{topic}' sound rectified" in text for text in said] == [True] * is_said
