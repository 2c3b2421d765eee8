"""The node as a process over DDS, with painted hands; the real net has tests of its own."""

import numpy as np
import pytest
from painted_hands import POISON, paint
from robot import OUTPUTS, parameters, stamp_of, time_of, values_of
from visualization_msgs.msg import Marker

from handmesh_model.camera import project
from handmesh_model.topology import HandTopology
from handmesh_ros.images import image_to_rgb, rgb_to_image
from handmesh_ros.msg import Hand

K = np.array([[150.0, 0, 80], [0, 150, 60], [0, 0, 1]])
RIGHT, LEFT = ('right', 20, 30, 40, 60), ('left', 100, 30, 40, 60)
BOTH = paint([RIGHT, LEFT])
NOTHING = paint([])


@pytest.fixture(scope='module')
def shared_node(ros, nursery, tmp_path_factory):
    """One node for all tests that leave it as they found it."""
    log = tmp_path_factory.mktemp('node') / 'node.log'
    node = nursery.start(parameters(diagnostics_period=0.1), log)
    yield node
    assert node.end() == 0, node.text()


def test_every_topic_answers_with_the_images_header(robot, shared_node):
    robot.wait_for_node()
    robot.ask(BOTH, 10.0, K)
    headers = [robot.show(BOTH, 10.5 + 0.1 * i, K) for i in range(3)]
    robot.ask_all(BOTH, 11.0, K)
    stamps = [time_of(10.0), *(h.stamp for h in headers), time_of(11.0)]
    for topic in OUTPUTS:
        assert all(stamp_of(message) in stamps for message in robot.got[topic]), topic
    for topic in ('hands', 'joints/left', 'joints/right', 'points', 'overlay'):
        assert {m.header.frame_id for m in robot.got[topic]} == {'head_camera'}


def test_contents_of_every_topic(robot, shared_node):
    robot.wait_for_node()
    robot.ask(BOTH, 1.0, K)
    answer = robot.ask_all(BOTH, 2.0, K)
    topology = HandTopology.open_hand()
    count = topology.vertex_count

    right, left = sorted(answer['hands'].hands, key=lambda h: h.track_id)
    assert (right.side, left.side) == (Hand.RIGHT, Hand.LEFT)
    for hand in (right, left):
        assert hand.state == Hand.TRACKED
        assert hand.metric_valid
        assert hand.scale_source == Hand.SCALE_MEAN
        assert hand.hand_size == pytest.approx(topology.hand_size)
        joints = np.reshape(hand.joints_camera, (21, 3))
        pixels = np.reshape(hand.joints_image, (21, 2))
        np.testing.assert_allclose(project(joints, K), pixels, atol=0.01)
        assert len(hand.vertices_camera) == 3 * count
        wrist = hand.wrist.pose.position
        np.testing.assert_allclose((wrist.x, wrist.y, wrist.z), joints[0], atol=1e-6)
        assert np.reshape(hand.wrist.covariance, (6, 6))[2, 2] > 0

    for topic, hand in (('joints/right', right), ('joints/left', left)):
        poses = answer[topic].poses
        points = [(p.position.x, p.position.y, p.position.z) for p in poses]
        np.testing.assert_allclose(points, np.reshape(hand.joints_camera, (21, 3)), atol=1e-6)

    cloud = answer['points']
    assert (cloud.height, cloud.width, cloud.point_step) == (2, count, 12)
    vertices = np.frombuffer(cloud.data, np.float32).reshape(2, count, 3)
    np.testing.assert_allclose(vertices[0].ravel(), right.vertices_camera, atol=1e-6)

    transforms = {t.child_frame_id: t for t in answer['/tf'].transforms}
    assert set(transforms) == {f'r_wrist_{right.track_id}', f'l_wrist_{left.track_id}'}
    for transform in transforms.values():
        assert transform.header.frame_id == 'head_camera'

    assert len(answer['markers'].markers) == 6
    overlay = image_to_rgb(answer['overlay'])
    assert overlay.shape == BOTH.shape
    assert (overlay != BOTH).any()

    (message,) = robot.topologies
    assert message.name == topology.name
    np.testing.assert_array_equal(np.reshape(message.faces, (-1, 3)), topology.faces)
    assert len(message.vertex_parts) == count


def test_markers_of_hands_that_left_are_deleted(robot, shared_node):
    robot.wait_for_node()
    shown = robot.ask(BOTH, 1.0, K, 'markers').markers
    names = {(m.ns, m.id) for m in shown if m.action == Marker.ADD}
    assert len(names) == 6
    robot.ask(NOTHING, 1.5, K)
    gone = robot.ask(NOTHING, 2.0, K, 'hands')
    assert not gone.hands
    # The hands may come before it.
    last = robot.wait(lambda: deletions(robot.got['markers'][-1]), what='the end of the markers')
    assert {(m.ns, m.id) for m in last} == names


def deletions(array):
    """The markers of an array that only deletes, else nothing."""
    return array.markers if {m.action for m in array.markers} == {Marker.DELETE} else None


def test_bad_images_are_reported_and_the_next_good_one_is_served(robot, shared_node):
    robot.wait_for_node()
    header = robot.ask(BOTH, 1.0, K).header
    before = int(values_of(robot.wait_for_status('images', lambda s: True))['faulty'])
    for i, (field, value, said) in enumerate(
        [
            ('step', 7, 'expected 840'),
            ('height', 1000, 'expected 480000'),
            ('encoding', 'no_such', "'no_such'"),
            ('data', 100, 'has 100 bytes'),
            ('width', 0, '0 x 120 pixels is empty'),
        ]
    ):
        header.stamp = time_of(1.5 + i)
        image = rgb_to_image(BOTH, header)
        if field == 'data':
            del image.data[value:]
        else:
            setattr(image, field, value)
        robot.images.publish(image)
        status = robot.wait_for_status('images', lambda s, said=said: said in s.message)
        assert status.level == status.ERROR
        assert int(values_of(status)['faulty']) == before + i + 1
        assert len(robot.ask(BOTH, 2.0 + i, K).hands) == 2
    assert 'image data has 57600 bytes, expected 840' in shared_node.text()
    assert shared_node.is_alive()


def test_network_that_fails_is_reported_and_the_next_image_served(robot, shared_node):
    robot.wait_for_node()
    poisoned = NOTHING.copy()
    poisoned[0, 0] = POISON
    robot.show(poisoned, 1.0, K)
    status = robot.wait_for_status('network', lambda s: 'failed on purpose' in s.message)
    assert status.level == status.ERROR
    assert len(robot.ask(BOTH, 2.0, K).hands) == 2
    assert time_of(1.0) not in [m.header.stamp for m in robot.got['hands']]
    assert shared_node.is_alive()


def test_time_that_jumps_back_starts_new_tracks(robot, shared_node):
    robot.wait_for_node()
    hands = robot.ask(BOTH, 100.0, K).hands
    # After the gap since the images of other tests, their hands are lost.
    first = {hand.track_id for hand in hands if hand.state == Hand.TRACKED}
    same = {hand.track_id for hand in robot.ask(BOTH, 100.1, K).hands}
    new = {
        hand.track_id for hand in robot.ask(BOTH, 5.0, K, '/tf') and robot.got['hands'][-1].hands
    }
    assert first == same
    assert not first & new
