"""The node as a process over DDS, with painted hands; the real net has tests of its own."""

import signal

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from painted_hands import POISON, paint
from robot import OUTPUTS, Robot, stamp_of, time_of, values_of
from visualization_msgs.msg import Marker

from handmesh_model.camera import project
from handmesh_model.topology import HandTopology
from handmesh_ros.images import image_to_rgb
from handmesh_ros.msg import Hand

K = np.array([[150.0, 0, 80], [0, 150, 60], [0, 0, 1]])
RIGHT, LEFT = ('right', 20, 30, 40, 60), ('left', 100, 30, 40, 60)
BOTH = paint([RIGHT, LEFT])
NOTHING = paint([])


def test_every_topic_answers_with_the_images_header(robot, painted_node):
    node = painted_node()
    robot.wait_for_node()
    robot.ask(BOTH, 10.0, K)
    headers = [robot.show(BOTH, 10.5 + 0.1 * i, K) for i in range(3)]
    robot.ask(BOTH, 11.0, K)
    stamps = [time_of(10.0), *(h.stamp for h in headers), time_of(11.0)]
    for topic in OUTPUTS:
        robot.wait(
            lambda topic=topic: any(stamp_of(m) == time_of(11.0) for m in robot.got[topic]),
            what=f'a message on {topic}',
        )
        for message in robot.got[topic]:
            assert stamp_of(message) in stamps
    for topic in ('hands', 'joints/left', 'joints/right', 'points', 'overlay'):
        assert {m.header.frame_id for m in robot.got[topic]} == {'head_camera'}
    assert node.end() == 0, node.text()


def test_contents_of_every_topic(robot, painted_node):
    painted_node()
    robot.wait_for_node()
    robot.ask(BOTH, 1.0, K)
    answer = {topic: robot.ask(BOTH, 2.0 + i, K, topic) for i, topic in enumerate(OUTPUTS)}
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


def test_markers_of_hands_that_left_are_deleted(robot, painted_node):
    painted_node(hold_time=0.05)
    robot.wait_for_node()
    shown = robot.ask(BOTH, 1.0, K, 'markers').markers
    names = {(m.ns, m.id) for m in shown}
    assert len(names) == 6
    assert {m.action for m in shown} == {Marker.ADD}
    robot.ask(NOTHING, 1.5, K)
    gone = robot.ask(NOTHING, 2.0, K, 'hands')
    assert not gone.hands
    deleted = [
        m for array in robot.got['markers'] for m in array.markers if m.action == Marker.DELETE
    ]
    assert {(m.ns, m.id) for m in deleted} == names
    assert len(deleted) == 6


def test_without_calibration_pixels_flow_and_nothing_metric_is_sent(robot, painted_node):
    node = painted_node()
    robot.wait_for_node()
    hands = robot.ask(BOTH, 1.0).hands
    robot.ask(BOTH, 2.0, np.zeros((3, 3)))
    robot.ask(BOTH, 3.0, topic='overlay')
    assert len(hands) == 2
    for hand in hands:
        assert not hand.metric_valid
        assert hand.scale_source == Hand.SCALE_NONE
        np.testing.assert_allclose(hand.joints_camera[:3], 0, atol=1e-6)
        assert np.ptp(hand.joints_image) > 20
    for topic in ('/tf', 'points', 'joints/left', 'joints/right', 'markers'):
        assert not robot.got[topic], topic
    status = robot.wait_for_status('calibration', lambda s: 'all zero' in s.message)
    assert status.level == status.WARN
    robot.ask(BOTH, 4.0, K)
    robot.ask(BOTH, 5.0, K, 'points')
    robot.wait_for_status('calibration', lambda s: s.level == s.OK)
    assert node.text().count('all zero') == 1


def test_missing_camera_info_is_said_once(robot, painted_node):
    node = painted_node(diagnostics_period=0.1)
    robot.wait_for_node()
    robot.ask(BOTH, 1.0)
    robot.wait_for_status('calibration', lambda s: "no camera_info on '/camera_info'" in s.message)
    robot.ask(BOTH, 2.0)
    assert node.text().count("no camera_info on '/camera_info'") == 1


def test_bad_images_are_reported_and_the_next_good_one_is_served(robot, painted_node):
    node = painted_node(diagnostics_period=0.1)
    robot.wait_for_node()
    robot.ask(BOTH, 1.0, K)

    def damage(field, value):
        robot_image = robot.images
        from handmesh_ros.images import rgb_to_image

        header = robot.got['hands'][-1].header
        image = rgb_to_image(BOTH, header)
        if field == 'data':
            del image.data[value:]
        else:
            setattr(image, field, value)
        robot_image.publish(image)

    for i, (field, value, said) in enumerate(
        [
            ('step', 7, 'expected 840'),
            ('height', 1000, 'expected 480000'),
            ('encoding', 'no_such', "'no_such'"),
            ('data', 100, 'has 100 bytes'),
            ('width', 0, '0 x 120 pixels is empty'),
        ]
    ):
        damage(field, value)
        status = robot.wait_for_status('images', lambda s, said=said: said in s.message)
        assert status.level == status.ERROR
        assert int(values_of(status)['faulty']) == i + 1
        assert len(robot.ask(BOTH, 2.0 + i, K).hands) == 2
    assert 'image data has 57600 bytes, expected 840' in node.text()
    assert node.is_alive()


def test_network_that_fails_is_reported_and_the_next_image_served(robot, painted_node):
    node = painted_node(diagnostics_period=0.1)
    robot.wait_for_node()
    poisoned = NOTHING.copy()
    poisoned[0, 0] = POISON
    robot.show(poisoned, 1.0, K)
    status = robot.wait_for_status('network', lambda s: 'failed on purpose' in s.message)
    assert status.level == status.ERROR
    assert len(robot.ask(BOTH, 2.0, K).hands) == 2
    assert time_of(1.0) not in [m.header.stamp for m in robot.got['hands']]
    assert node.is_alive()


def test_nobody_listening_means_no_work(ros, painted_node):
    robot = Robot(topics=())
    painted_node(diagnostics_period=0.1)
    robot.wait_for_node()
    for i in range(5):
        robot.show(BOTH, 1.0 + i, K)
        robot.wait_for_status('images', lambda s, i=i: int(values_of(s)['received']) > i)
    status = robot.wait_for_status('images', lambda s: int(values_of(s)['unwatched']) > 0)
    assert values_of(status)['processed'] == '0'
    robot.subscribe('joints/right')
    robot.wait(lambda: robot.node.count_subscribers('joints/right') > 0)
    robot.wait(
        lambda: robot.show(BOTH, 100.0, K) and robot.got['joints/right'], what='joints/right'
    )
    robot.close()


def test_old_images_are_dropped_and_counted(robot, painted_node):
    node = painted_node(max_age=5.0, diagnostics_period=0.1)
    robot.wait_for_node()
    now = robot.node.get_clock().now().nanoseconds * 1e-9
    robot.show(BOTH, now - 100, K)
    status = robot.wait_for_status('images', lambda s: values_of(s)['stale'] == '1')
    assert values_of(status)['processed'] == '0'
    robot.ask(BOTH, robot.node.get_clock().now().nanoseconds * 1e-9, K)
    assert 'max_age is 5 s' in node.text()


def test_time_that_jumps_back_starts_new_tracks(robot, painted_node):
    painted_node()
    robot.wait_for_node()
    first = {hand.track_id for hand in robot.ask(BOTH, 100.0, K).hands}
    same = {hand.track_id for hand in robot.ask(BOTH, 100.1, K).hands}
    new = {
        hand.track_id for hand in robot.ask(BOTH, 5.0, K, '/tf') and robot.got['hands'][-1].hands
    }
    assert first == same
    assert not first & new


def test_namespace_and_frame_prefix(ros, painted_node):
    robot = Robot(namespace='/left_arm')
    painted_node('-r', '__ns:=/left_arm', frame_prefix='arm_')
    robot.wait_for_node()
    robot.ask(paint([RIGHT]), 1.0, K)
    (transform,) = robot.ask(paint([RIGHT]), 2.0, K, '/tf').transforms
    assert transform.child_frame_id.startswith('arm_r_wrist_')
    assert transform.header.stamp == Time(sec=2)
    robot.close()


@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('busy', [False, True])
def test_signals_end_the_node_with_exit_code_0(robot, painted_node, how, busy):
    node = painted_node()
    robot.wait_for_node()
    if busy:
        for i in range(20):
            robot.show(BOTH, 1.0 + i, K)
    assert node.end(how) == 0, node.text()
    assert 'Traceback' not in node.text()
