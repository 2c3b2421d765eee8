"""What a node does about missing, wrong and old input and signals; each test has its own node."""

import signal
from itertools import count

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from painted_hands import paint
from robot import values_of

from handmesh_ros.msg import Hand

K = np.array([[150.0, 0, 80], [0, 150, 60], [0, 0, 1]])
RIGHT, LEFT = ('right', 20, 30, 40, 60), ('left', 100, 30, 40, 60)
BOTH = paint([RIGHT, LEFT])
NOTHING = paint([])


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


def test_nobody_listening_means_no_images_are_taken(make_robot, painted_node):
    robot = make_robot(topics=())
    painted_node(diagnostics_period=0.1)
    status = robot.wait_for_status('images', lambda s: 'nobody listens' in s.message)
    assert status.level == status.OK
    assert robot.images.get_subscription_count() == 0
    robot.subscribe('joints/right')
    robot.wait_for_node()
    stamps = count(100.0, 0.001)
    robot.wait(
        lambda: robot.show(BOTH, next(stamps), K) and robot.got['joints/right'],
        what='joints/right',
    )
    status = robot.wait_for_status('images', lambda s: int(values_of(s)['processed']) > 0)
    assert values_of(status)['unwatched'] == '0'


def test_nobody_listening_means_no_work_where_images_are_taken_anyway(make_robot, painted_node):
    robot = make_robot(topics=())
    painted_node(diagnostics_period=0.1, lazy='false')
    robot.wait_for_node()
    for i in range(3):
        robot.show(BOTH, 1.0 + i, K)
        robot.wait_for_status('images', lambda s, i=i: int(values_of(s)['received']) > i)
    status = robot.wait_for_status('images', lambda s: int(values_of(s)['unwatched']) > 0)
    assert values_of(status)['processed'] == '0'


def test_refine_stage_is_left_out_while_only_joints_are_listened_to(make_robot, painted_node):
    robot = make_robot(topics=('joints', 'joints/right', '/tf'))
    painted_node(diagnostics_period=0.1)
    robot.wait_for_node()

    def stage_is(word):
        return lambda status: values_of(status).get('refine stage') == word

    for stamp, topic in ((1.0, 'joints'), (2.0, 'joints/right'), (3.0, '/tf')):
        robot.ask(BOTH, stamp, K, topic)
    robot.wait_for_status('network', stage_is('left out'))
    subscription = robot.subscribe('hands')
    # Whoever comes gets refined meshes from the first message on.
    stamps = count(100.0, 0.001)
    robot.wait(lambda: robot.show(BOTH, next(stamps), K) and robot.got['hands'], what='hands')
    robot.wait_for_status('network', stage_is('runs'))
    robot.node.destroy_subscription(subscription)
    robot.wait(
        lambda: (
            robot.show(BOTH, next(stamps), K) and stage_is('left out')(robot.status('network'))
        ),
        what='the refine stage left out again',
    )
    status = robot.wait_for_status('images', lambda s: int(values_of(s)['processed']) > 3)
    assert (values_of(status)['failed'], values_of(status)['unwatched']) == ('0', '0')


def test_old_images_are_dropped_and_counted(robot, painted_node):
    node = painted_node(max_age=5.0, diagnostics_period=0.1)
    robot.wait_for_node()
    now = robot.node.get_clock().now().nanoseconds * 1e-9
    robot.show(BOTH, now - 100, K)
    status = robot.wait_for_status('images', lambda s: values_of(s)['stale'] == '1')
    assert values_of(status)['processed'] == '0'
    robot.ask(BOTH, robot.node.get_clock().now().nanoseconds * 1e-9, K)
    assert 'max_age is 5 s' in node.text()


def test_namespace_and_frame_prefix(make_robot, painted_node):
    robot = make_robot(namespace='/left_arm')
    painted_node('-r', '__ns:=/left_arm', frame_prefix='arm_')
    robot.wait_for_node()
    robot.ask(paint([RIGHT]), 1.0, K)
    (transform,) = robot.ask(paint([RIGHT]), 2.0, K, '/tf').transforms
    assert transform.child_frame_id.startswith('arm_r_wrist_')
    assert transform.header.stamp == Time(sec=2)


@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('busy', [False, True])
def test_signals_end_the_node_with_exit_code_0(robot, painted_process, how, busy):
    node = painted_process()
    robot.wait_for_node()
    if busy:
        for i in range(20):
            robot.show(BOTH, 1.0 + i, K)
    assert node.end(how) == 0, node.text()
    assert 'Traceback' not in node.text()
