"""Depth images and the measuring of hands, over DDS."""

import time

import numpy as np
import pytest
from painted_hands import paint
from robot import depth_message
from sensor_msgs.msg import Image

from handmesh_model.topology import HandTopology
from handmesh_ros.msg import Hand
from handmesh_ros.srv import CalibrateHandSize

K = np.array([[150.0, 0, 80], [0, 150, 60], [0, 0, 1]])
PICTURE = paint([('right', 50, 20, 56, 84)])
LARGER = 1.08
"""The true hand over the mean one."""
TOLERANCE = 0.02
"""Of a mesh that is painted with pixels of 2 mm; the placement's own tests are exact."""
MEAN = HandTopology.open_hand().hand_size


def depth_beneath(hand):
    """
    (H, W) metres: depth of the same mesh, 8 % larger and so 8 % further away.

    Each pixel has the nearest vertex around it; the painted hand is flat enough for that.
    """
    from handmesh_model.depth_image import _depth_at_pixels, _visible_faces

    vertices = LARGER * np.reshape(hand.vertices_camera, (-1, 3)).astype(float)
    flat = np.column_stack(
        [vertices[:, :2] / vertices[:, 2:] @ K[:2, :2].T + K[:2, 2], vertices[:, 2]]
    )
    faces = HandTopology.open_hand().faces
    depth = _depth_at_pixels(flat, faces, _visible_faces(flat, faces, PICTURE.shape[:2]))
    return np.where(np.isfinite(depth), depth, 1.5).astype(np.float32)


class Scene:
    """Shows the hand with its depth, again and again."""

    def __init__(self, robot):
        self.robot = robot
        self.depths = robot.node.create_publisher(Image, 'depth', 10)
        robot.wait_for_node()
        robot.wait(lambda: self.depths.get_subscription_count() > 0, what='a taker of depth')
        self.stamp = 1.0
        # The mesh settles as each crop follows from the last; a painted one to a pixel or so.
        for _ in range(6):
            self.stamp += 0.1
            (self.alone,) = robot.ask(PICTURE, self.stamp, K).hands
        self.depth = depth_beneath(self.alone)

    def show(self, shift=0.0, depth=None):
        """Publish an image and its depth, whose stamp is off by some seconds."""
        self.stamp += 0.1
        header = self.robot.header(self.stamp + shift)
        depth = self.depth if depth is None else depth
        self.depths.publish(depth_message(depth, header))
        return self.robot.ask(PICTURE, self.stamp, K).hands[0]

    def show_until(self, is_right, **how):
        end = time.monotonic() + 120
        while not is_right(hand := self.show(**how)):
            assert time.monotonic() < end, f'last seen: scale source {hand.scale_source}'
        return hand


@pytest.fixture
def scene(robot, painted_node):
    node = painted_node(depth_wait=1.0, diagnostics_period=0.2)
    yield Scene(robot)
    assert node.is_alive(), node.text()


def test_distance_and_size_come_from_depth_and_hold_on_without_it(scene):
    assert scene.alone.scale_source == Hand.SCALE_MEAN
    hand = scene.show_until(lambda h: h.scale_source == Hand.SCALE_DEPTH)
    assert hand.hand_size == pytest.approx(LARGER * scene.alone.hand_size, rel=TOLERANCE)
    expected = LARGER * np.array(scene.alone.joints_camera)
    np.testing.assert_allclose(hand.joints_camera, expected, atol=5e-3)
    assert hand.wrist.covariance[14] < scene.alone.wrist.covariance[14] / 2

    later = scene.show_until(lambda h: h.scale_source == Hand.SCALE_MEASURED, shift=-5.0)
    assert later.hand_size == pytest.approx(hand.hand_size, rel=TOLERANCE)
    np.testing.assert_allclose(later.joints_camera, hand.joints_camera, atol=5e-3)
    assert later.wrist.covariance[14] > hand.wrist.covariance[14]
    status = scene.robot.wait_for_status(
        'calibration', lambda s: any('within 0.02 s' in v.value for v in s.values)
    )
    assert 'metric' in status.message
    small = np.full((30, 40), 500, np.uint16)
    scene.show_until(lambda h: h.scale_source == Hand.SCALE_MEASURED, depth=small)
    scene.show_until(lambda h: h.scale_source == Hand.SCALE_DEPTH)
    assert seen_much_later(scene).scale_source == Hand.SCALE_MEAN


def call(scene, **fields):
    """Ask for a measurement and show the hand until the answer comes."""
    client = scene.robot.node.create_client(CalibrateHandSize, 'handmesh_node/calibrate_hand_size')
    scene.robot.wait(client.service_is_ready, what='the service')
    future = client.call_async(CalibrateHandSize.Request(**fields))
    end = time.monotonic() + 120
    while not future.done():
        assert time.monotonic() < end, 'the service did not answer'
        scene.show()
    return future.result()


def seen_much_later(scene):
    """The hand as an image without depth shows it, after the tracks of before have ended."""
    hands = scene.robot.ask(PICTURE, scene.stamp + 60, K).hands
    (hand,) = (hand for hand in hands if hand.state == Hand.TRACKED)
    return hand


@pytest.mark.slow
def test_hand_is_measured_and_the_parameter_takes_its_size(scene):
    scene.show_until(lambda h: h.scale_source == Hand.SCALE_DEPTH)
    only = call(scene, duration=4.0, only_measure=True)
    assert only.success, only.message
    assert only.hand_size == pytest.approx(LARGER * MEAN, rel=TOLERANCE)
    assert only.frames >= 5
    assert only.spread < TOLERANCE * MEAN
    alone = seen_much_later(scene)
    assert alone.scale_source == Hand.SCALE_MEAN
    scene.stamp += 61

    done = call(scene, duration=4.0, side='right')
    assert done.success, done.message
    assert 'parameter hand_size is set' in done.message
    alone = seen_much_later(scene)
    assert alone.scale_source == Hand.SCALE_PARAMETER
    assert alone.hand_size == pytest.approx(LARGER * MEAN, rel=TOLERANCE)
    scene.stamp += 61

    # Long enough for images that wait for a depth image which got lost.
    for fields, said in (
        ({'method': 7}, 'method is 7'),
        ({'side': 'both'}, "side is 'both'"),
        ({'method': 1, 'tag_size': 9.0}, 'tag_size is 9 m'),
        ({'duration': 900.0}, 'duration is 900 s'),
        ({'method': 1, 'tag_size': 0.1, 'duration': 3.0}, 'no tag was seen'),
        ({'side': 'left', 'duration': 3.0}, 'no left hand was seen'),
    ):
        refused = call(scene, **fields)
        assert not refused.success
        assert said in refused.message
