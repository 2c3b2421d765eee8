"""The teleoperation node as a process, with hands published by the test."""

import dataclasses
import re
import signal
import time

import hands
import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.publisher import Publisher
from robot import TIMEOUT, Robot, parameters, time_of
from std_msgs.msg import Header

from handmesh_model.hand import ScaleSource, TrackState
from handmesh_model.rotations import about
from handmesh_model.teleop.config import TeleopConfig
from handmesh_model.teleop.grasp_teleop import GraspTeleop, Mode
from handmesh_model.teleop.joint_angles import TELEOP_ANGLES, joint_angles
from handmesh_model.teleop.poses import pose_from_xyz_rpy
from handmesh_ros import executable
from handmesh_ros.conversions import hands_to_msg
from handmesh_ros.grasp_teleop_node import TOPICS, GraspTeleopNode
from handmesh_ros.msg import Grasp, HandArray
from handmesh_ros.stamps import shifted_stamp, stamp_to_seconds
from handmesh_ros.teleop_hands import followable, seen_hand
from handmesh_ros.transforms import transform_to_matrix

SLACK = 2000
"""Milliseconds that a busy machine may add; a quiet one adds none."""


def hand_at(wrist, track_id=1, **more):
    """A hand of a track, as those have to be that are followed."""
    return hands.hand_at(wrist, track_id=track_id, **more)


class Pilot:
    """Publishes hands and keeps what the node says, with the time it came."""

    def __init__(self, ros):
        self.node = ros.create_node('pilot')
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.hands = self.node.create_publisher(HandArray, 'hands', 5)
        self.got = {topic: [] for topic in TOPICS}
        for topic, kind in TOPICS.items():
            self.node.create_subscription(kind, topic, self.keeper(topic), 50)
        self.sent = 0
        self.slow = 0.0
        """Seconds that the camera's clock is slow."""

    def keeper(self, topic):
        return lambda message: self.got[topic].append((time.monotonic(), message))

    def show(self, *hands):
        """Publish hands as those of an image of this very moment, by the camera's clock; when."""
        stamp = shifted_stamp(self.node.get_clock().now().to_msg(), -self.slow)
        self.sent += 1
        self.hands.publish(hands_to_msg(hands, Header(stamp=stamp, frame_id='eye')))
        return time.monotonic()

    def fly(self, make, is_true, what):
        """Show hands at 30 Hz until something holds; when the last one was sent."""
        end, due, last = time.monotonic() + TIMEOUT, 0.0, 0.0
        while not is_true():
            now = time.monotonic()
            assert now < end, f'{what} did not come about'
            if now >= due:
                due = now + 1 / 30
                last = self.show(make(self.sent))
            self.executor.spin_once(timeout_sec=0.005)
        return last

    def wait(self, is_true, what):
        return Robot.wait(self, is_true, TIMEOUT, what)

    def mode(self):
        return self.got['teleop/grasp'][-1][1].mode if self.got['teleop/grasp'] else None

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()


@pytest.fixture
def pilot(ros):
    pilot = Pilot(ros)
    yield pilot
    pilot.close()


@pytest.fixture
def teleop(start):
    started = []

    def begin(**values):
        command = ['-m', 'handmesh_ros.grasp_teleop_node', *parameters(**values)]
        started.append(start(command))
        return started[-1]

    yield begin
    for process in started:
        # Not killed: its publishers would be known of for a while, and it must be alone.
        process.end()


def waving(number):
    """A hand that goes up and down, by the clock: nobody knows how fast this machine sends."""
    return hand_at(np.array([0.0, 0.4 * np.sin(time.monotonic()), 0.5]))


def test_follows_a_hand_and_is_safe_when_it_is_lost(pilot, teleop):
    # Patient, since this machine may be too busy to send hands as a camera does.
    process = teleop(clutch='always', watchdog=10.0, max_age=0.0, rate=30.0, base_frame='arm')
    pilot.wait(lambda: pilot.mode() == Grasp.SAFE, 'the first command')
    twists = pilot.got['teleop/twist']
    pilot.wait(lambda: len(twists) > 5, 'some twists')
    # Nobody has said yet where the robot shall be, and how it shall hold what.
    assert not any(pilot.got[f'teleop/{what}'] for what in ('target', 'gripper', 'joints'))
    assert np.isnan(pilot.got['teleop/grasp'][-1][1].opening)
    pilot.fly(
        waving, lambda: twists and abs(twists[-1][1].twist.linear.y) > 0.05, 'a robot that follows'
    )
    assert pilot.mode() == Grasp.ENGAGED
    targets = pilot.got['teleop/target']
    # The twist comes before it.
    pilot.wait(lambda: targets and targets[-1][1].pose.position.y != 0, 'its target')
    target = targets[-1][1]
    assert target.header.frame_id == 'arm'
    assert abs(target.pose.position.x) < 0.01
    pilot.wait(lambda: pilot.got['teleop/wrist'], 'the wrist')
    assert pilot.got['teleop/wrist'][-1][1].header.frame_id == 'eye'
    joints = pilot.got['teleop/joints'][-1][1]
    assert tuple(joints.name) == TELEOP_ANGLES
    assert len(joints.position) == len(joints.velocity) == 20
    angles = pilot.got['teleop/angles'][-1][1]
    expected = joint_angles(hand_at(np.zeros(3)).joints_camera, 'right')
    np.testing.assert_allclose(angles.position, expected, atol=1e-4)
    grasp = pilot.got['teleop/grasp'][-1][1]
    assert grasp.image_stamp.sec > 0
    assert pilot.got['teleop/gripper'][-1][1].data == pytest.approx(
        0.085 * grasp.opening, abs=0.02
    )

    # Nobody may have shown a hand for long.
    pilot.fly(waving, lambda: pilot.mode() == Grasp.ENGAGED, 'a robot that follows')
    pilot.fly(
        lambda number: hand_at(np.zeros(3), state=TrackState.LOST),
        lambda: pilot.mode() == Grasp.SAFE,
        'safety after a lost hand',
    )
    # Not because no fresh one came for as long as the watchdog waits.
    assert pilot.got['teleop/grasp'][-1][1].reason == 'no hand'
    count = len(twists)
    pilot.wait(lambda: len(twists) > count + 3, 'more twists')
    assert twists[-1][1].twist.linear.y == 0

    # Told to end, it says so to the robot.
    pilot.fly(waving, lambda: pilot.mode() == Grasp.ENGAGED, 'another start')
    process.process.send_signal(signal.SIGINT)
    pilot.wait(lambda: not process.is_alive(), 'the end')
    pilot.wait(lambda: pilot.mode() == Grasp.SAFE, 'the last command')
    assert process.process.returncode == 0, process.text()
    assert 'ENGAGED: following' in process.text()


def test_silence_is_safe_after_a_tenth_of_a_second(pilot, teleop, capsys):
    """The time is the node's own; a busy machine may add to it, see the exact test beside."""
    teleop(clutch='always', watchdog=0.1, max_age=0.0, rate=100.0)
    pilot.wait(lambda: pilot.mode() == Grasp.SAFE, 'the first command')
    grasps = pilot.got['teleop/grasp']
    pilot.fly(waving, lambda: pilot.mode() == Grasp.ENGAGED, 'a robot that follows')
    pilot.wait(lambda: pilot.mode() == Grasp.SAFE, 'safety after silence')
    first = next(i for i, (_, m) in enumerate(grasps) if m.mode == Grasp.ENGAGED)
    safe = next(m for _, m in grasps[first:] if m.mode == Grasp.SAFE)
    # Where the machine is so busy that hands come slowly, that is told, too.
    slow = r'(; hands come every \d+ ms, watchdog 0\.1 s)?'
    found = re.fullmatch(r'no fresh hand for (\d+) ms' + slow, safe.reason)
    assert found, safe.reason
    with capsys.disabled():
        print(f'\nwatchdog of 100 ms: safe {found[1]} ms after the last hand, by the node')
    assert 50 <= int(found[1]) < 100 + SLACK


def test_only_fresh_hands_of_the_side_are_followed(pilot, teleop):
    process = teleop(clutch='always', side='left', watchdog=3.0, max_age=0.0, rate=30.0)
    pilot.wait(lambda: pilot.mode() == Grasp.SAFE, 'the first command')
    commands = pilot.got['teleop/grasp']
    count = len(commands)
    pilot.fly(waving, lambda: len(commands) > count + 30, 'some commands')
    assert all(message.mode == Grasp.SAFE for _, message in commands)

    def held(number):
        return hand_at(np.array([0, 0, 0.5]), side='left', state=TrackState.HELD)

    count = len(commands)
    pilot.fly(held, lambda: len(commands) > count + 30, 'some commands')
    assert all(message.mode == Grasp.SAFE for _, message in commands)

    def left(number):
        return hand_at(np.array([0.1, 0, 0.5]), side='left', scale_source=ScaleSource.NONE)

    pilot.fly(left, lambda: pilot.mode() == Grasp.ENGAGED, 'the left hand')
    # Not in metres: the pose stays where it is.
    pilot.wait(lambda: pilot.got['teleop/target'], 'the target')
    assert pilot.got['teleop/target'][-1][1].pose.position.x == 0
    assert not pilot.got['teleop/wrist']
    count = len(commands)
    pilot.fly(left, lambda: len(commands) > count + 30, 'some commands')
    assert commands[-1][1].reason == 'place not known in metres: position and turn held'
    assert process.text().count('hands come without metres') == 1


def test_hands_of_a_slow_clock_are_refused_and_their_age_is_told(pilot, teleop):
    process = teleop(clutch='always', watchdog=3.0, max_age=5.0, rate=30.0)
    pilot.wait(lambda: pilot.mode() == Grasp.SAFE, 'the first command')
    grasps = pilot.got['teleop/grasp']
    assert grasps[-1][1].reason == 'no hand'
    pilot.slow, start = 1000.0, time.monotonic()
    pilot.fly(waving, lambda: 'max_age' in grasps[-1][1].reason, 'the reason')
    found = re.fullmatch(
        r'hands are (\d+\.\d\d) s old, max_age 5 s \(clock\? use_sim_time\?\)',
        grasps[-1][1].reason,
    )
    assert found, grasps[-1][1].reason
    assert 1000 <= float(found[1]) < 1000 + TIMEOUT
    count = len(grasps)
    pilot.fly(waving, lambda: len(grasps) > count + 30, 'some commands')
    assert all(message.mode == Grasp.SAFE for _, message in grasps)
    # Not once for each hand.
    count = len(re.findall(r'not followed: hands are \d+\.\d\d s old', process.text()))
    assert 1 <= count <= 1 + (time.monotonic() - start) / 5

    pilot.slow = 0.0
    pilot.fly(waving, lambda: pilot.mode() == Grasp.ENGAGED, 'a robot that follows')
    assert grasps[-1][1].reason == 'following'


def test_ages_and_stamps_of_predicted_hands(pilot, teleop):
    teleop(clutch='always', watchdog=3.0, max_age=5.0, rate=30.0)
    pilot.wait(lambda: pilot.mode() == Grasp.SAFE, 'the first command')
    grasps, wrists = pilot.got['teleop/grasp'], pilot.got['teleop/wrist']

    def predicted(number):
        return dataclasses.replace(waving(number), lead=10.0)

    # Predicted to later than now, and of an image too old all the same.
    pilot.slow = 8.0
    pilot.fly(predicted, lambda: 'max_age 5 s' in grasps[-1][1].reason, 'the reason')
    assert all(message.mode == Grasp.SAFE for _, message in grasps)

    pilot.slow = 0.0
    pilot.fly(predicted, lambda: wrists and pilot.got['teleop/angles'], 'what was seen')
    now = stamp_to_seconds(pilot.node.get_clock().now().to_msg())
    for topic in ('teleop/wrist', 'teleop/angles'):
        (_, message) = pilot.got[topic][-1]
        assert stamp_to_seconds(message.header.stamp) > now + 10.0 - 5.0
        assert message.header.frame_id == 'eye'
    pilot.fly(predicted, lambda: grasps[-1][1].image_stamp.sec, 'the command')
    assert stamp_to_seconds(grasps[-1][1].image_stamp) <= time.time()


def test_a_change_of_scale_source_moves_no_robot(pilot, teleop):
    teleop(clutch='always', watchdog=3.0, max_age=0.0, rate=30.0)
    pilot.wait(lambda: pilot.mode() == Grasp.SAFE, 'the first command')
    targets, grasps = pilot.got['teleop/target'], pilot.got['teleop/grasp']

    def reason():
        return grasps[-1][1].reason

    def seen_by_size(number):
        return hand_at(np.array([0, 0, 0.5]))

    def seen_by_depth(number):
        return hand_at(np.array([0, 0, 0.525]), scale_source=ScaleSource.DEPTH)

    pilot.fly(seen_by_size, lambda: reason() == 'following', 'a robot that follows')
    count = len(targets)
    pilot.fly(seen_by_depth, lambda: 'scale changed' in reason(), 'the change')
    pilot.fly(seen_by_depth, lambda: reason() == 'following', 'the end of settling')
    pilot.fly(seen_by_depth, lambda: len(targets) > count + 30, 'some commands')
    places = [message.pose.position.z for _, message in targets[count:]]
    assert np.ptp(places) < 1e-3


def test_what_metres_rest_on_is_taken_over():
    header = Header()
    (message,) = hands_to_msg([hand_at(np.zeros(3))], header).hands
    seen = seen_hand(message, header)
    assert seen.scale_source is ScaleSource.MEAN
    assert seen.hand_size == pytest.approx(0.09)
    message.scale_source = 200
    assert seen_hand(message, header).scale_source is ScaleSource.NONE


def test_the_time_of_the_geometry_is_taken_over_and_may_be_left_out():
    header = Header(stamp=time_of(12.25))
    hand = dataclasses.replace(hand_at(np.zeros(3)), lead=0.125)
    (message,) = hands_to_msg([hand], header).hands
    seen = seen_hand(message, header)
    assert (seen.stamp, seen.seen_at) == (12.375, 12.25)
    message.geometry_stamp = time_of(0)
    seen = seen_hand(message, header)
    assert (seen.stamp, seen.seen_at) == (12.25, 12.25)


def test_a_wrist_that_is_no_pose_is_no_place_in_metres():
    (message,) = hands_to_msg([hand_at(np.zeros(3))], Header()).hands
    message.wrist.pose.position.x = np.nan
    assert seen_hand(message, Header()).camera_from_wrist is None


def test_hands_of_no_track_of_two_or_of_no_side_are_not_followed():
    seen = [hand_at(np.zeros(3), track_id=number) for number in (0, 1, 2, 2, 3, 4)]
    seen.append(hand_at(np.zeros(3), track_id=5, state=TrackState.HELD))
    message = hands_to_msg(seen, Header())
    message.hands[4].side = 7
    assert list(followable(message, 'right')) == [1, 4]
    assert list(followable(message, 'any')) == [1, 4]
    assert list(followable(message, 'left')) == []


@pytest.fixture
def node(ros):
    """In this process; the test calls its callbacks."""
    node = GraspTeleopNode()
    yield node
    node.destroy_node()


def see(node, ahead=0.0, frame='eye', **changes):
    """A hand of an image some seconds ahead of the clock; the reason of the next command."""
    stamp = shifted_stamp(node.get_clock().now().to_msg(), ahead)
    hand = dataclasses.replace(hand_at(np.array([0, 0, 0.5])), **changes)
    node._on_hands(hands_to_msg([hand], Header(stamp=stamp, frame_id=frame)))
    return node._teleop.command(time.monotonic()).reason


class Topic:
    """In a publisher's stead."""

    def __init__(self, name):
        self.topic_name = f'/{name}'
        self.sent = []
        self.waited = False

    def publish(self, message):
        self.sent.append(message)

    def wait_for_all_acked(self, timeout):
        self.waited = True


@pytest.fixture
def engaged(node):
    """The same with a robot that follows, and publishers that keep what is said."""
    node._out = {topic: Topic(topic) for topic in TOPICS}
    node._teleop = GraspTeleop(TeleopConfig(clutch='always', watchdog=10.0))
    assert see(node) == 'following'
    node._on_timer()
    assert node._out['teleop/grasp'].sent[-1].mode == Grasp.ENGAGED
    return node


def test_an_error_that_ends_the_node_leaves_no_robot_moving(engaged, monkeypatch):
    def fail(executor, timeout_sec):
        raise RuntimeError('a callback failed')

    engaged._teleop._pose.twist[0] = 0.48
    monkeypatch.setattr(SingleThreadedExecutor, 'spin_once', fail)
    with pytest.raises(RuntimeError, match='a callback failed'):
        engaged.serve()
    assert engaged._out['teleop/grasp'].sent[-1].mode == Grasp.SAFE
    assert engaged._out['teleop/twist'].sent[-1].twist.linear.x == 0
    assert all(topic.waited for topic in engaged._out.values())


def test_an_executor_that_does_not_end_well_leaves_no_robot_moving(engaged, monkeypatch):
    def fail(executor):
        raise RuntimeError('no end')

    engaged._teleop._pose.twist[0] = 0.48
    monkeypatch.setattr(executable, 'is_over', lambda node: True)
    monkeypatch.setattr(SingleThreadedExecutor, 'shutdown', fail)
    with pytest.raises(RuntimeError, match='no end'):
        engaged.serve()
    assert engaged._out['teleop/grasp'].sent[-1].mode == Grasp.SAFE
    assert engaged._out['teleop/twist'].sent[-1].twist.linear.x == 0
    assert all(topic.waited for topic in engaged._out.values())


def test_the_last_that_is_said_opens_no_hand(engaged, monkeypatch):
    engaged._teleop = GraspTeleop(
        TeleopConfig(clutch='always', watchdog=10.0, safe_hand='open', max_joint_speed=0.1)
    )
    engaged._teleop._joints.values += 0.5
    engaged._teleop._opening.values[:] = 0.0
    assert see(engaged, ahead=0.1) == 'following'
    for _ in range(2):
        time.sleep(0.002)
        engaged._on_timer()
    sent = {topic: kept.sent for topic, kept in engaged._out.items()}
    before, width = sent['teleop/joints'][-1], sent['teleop/gripper'][-1]
    assert any(before.velocity)
    monkeypatch.setattr(executable, 'is_over', lambda node: True)
    engaged.serve()
    assert sent['teleop/grasp'][-1].mode == Grasp.SAFE
    assert sent['teleop/joints'][-1] is not before
    assert not any(sent['teleop/joints'][-1].velocity)
    assert sent['teleop/joints'][-1].position == before.position
    assert sent['teleop/gripper'][-1] is not width
    assert sent['teleop/gripper'][-1].data == width.data


def test_quaternions_of_what_is_said_go_on_from_one_to_the_next(engaged):
    command = engaged._teleop.command(time.monotonic())
    home = pose_from_xyz_rpy(np.array([0, 0, 0, np.pi, 0, 0.3]))
    for angle in (-0.01, 0.01, -0.02, 0.03, *np.linspace(0, 4 * np.pi, 100)):
        pose = home.copy()
        pose[:3, :3] = pose[:3, :3] @ about(0, angle)
        engaged._is_news = True
        # Each on its own: the wrist is a half turn off.
        other = pose.copy()
        other[:3, :3] = pose[:3, :3] @ about(0, np.pi)
        turned = dataclasses.replace(command, target=pose, wrist=other)
        engaged._publish_goals(turned, Header())
        engaged._publish_seen(turned, Header())
        for topic, wanted in (('teleop/target', pose), ('teleop/wrist', other)):
            said = transform_to_matrix(engaged._out[topic].sent[-1].pose)
            np.testing.assert_allclose(said, wanted, atol=1e-9)
    for topic in ('teleop/target', 'teleop/wrist'):
        turns = [message.pose.orientation for message in engaged._out[topic].sent]
        q = np.array([(turn.x, turn.y, turn.z, turn.w) for turn in turns])[-104:]
        assert (q[1:] * q[:-1]).sum(axis=1).min() > 0.9


@pytest.mark.parametrize('broken', TOPICS)
def test_an_error_in_what_is_said_keeps_nothing_else_from_being_said(engaged, monkeypatch, broken):
    def fail(message):
        raise RuntimeError('no room')

    for topic in engaged._out.values():
        topic.sent.clear()
    monkeypatch.setattr(engaged._out[broken], 'publish', fail)
    engaged._teleop._pose.twist[0] = 0.48
    # The timer's callback, which the executor would call.
    monkeypatch.setattr(SingleThreadedExecutor, 'spin_once', lambda *_, **__: engaged._on_timer())
    monkeypatch.setattr(executable, 'is_over', lambda node: engaged._teleop._goal is None)
    engaged._is_news = True
    with pytest.raises(RuntimeError, match='no room'):
        engaged.serve()
    if broken != 'teleop/grasp':
        assert engaged._out['teleop/grasp'].sent[-1].mode == Grasp.SAFE
    if broken != 'teleop/twist':
        assert engaged._out['teleop/twist'].sent[-1].twist.linear.x == 0


def test_a_hand_that_nobody_can_follow_is_refused_and_safe(engaged, monkeypatch):
    def fail(hand, now):
        raise ValueError('no solution')

    monkeypatch.setattr(engaged._teleop, 'see', fail)
    assert see(engaged, ahead=0.1) == "the hand cannot be followed: ValueError('no solution')"
    engaged._on_timer()
    assert engaged._out['teleop/grasp'].sent[-1].mode == Grasp.SAFE


def test_hands_of_another_camera_move_no_robot(engaged):
    # Neither there nor missing in the images of the camera that is followed.
    assert see(engaged, ahead=0.1, frame='ceiling', track_id=9) == 'following'
    assert engaged._track == 1
    engaged._teleop.lose()
    why = "hands are of frame 'ceiling', expected 'eye' (another camera? parameter camera_frame)"
    assert see(engaged, ahead=0.2, frame='ceiling') == why
    assert see(engaged, ahead=0.3) == 'following'


def test_the_camera_is_that_of_the_first_hand_that_is_taken(node):
    # Not the one that merely sends something first, nor where nobody could follow.
    stamp = node.get_clock().now().to_msg()
    for nobody in ([], [hand_at(np.array([0, 0, 0.5]), state=TrackState.HELD)]):
        node._on_hands(hands_to_msg(nobody, Header(stamp=stamp, frame_id='ceiling')))
        node._on_hands(hands_to_msg(nobody, Header(stamp=stamp)))
    assert 'max_age' in see(node, ahead=-100.0, frame='ceiling')
    assert see(node, ahead=0.1) == 'clutch not engaged'
    node._teleop.lose()
    assert "frame 'ceiling', expected 'eye'" in see(node, ahead=0.2, frame='ceiling')


def test_the_camera_can_be_named(node):
    node.settings = dataclasses.replace(node.settings, camera_frame='ceiling')
    assert "frame 'eye', expected 'ceiling'" in see(node)
    for ahead, frame in ((0.1, 'ceiling'), (0.2, '/ceiling')):
        assert see(node, ahead=ahead, frame=frame) == 'clutch not engaged'


def test_two_that_command_one_robot_are_both_safe(ros, engaged):
    other = ros.create_node('other')
    try:
        other.create_publisher(PoseStamped, 'teleop/target', 5)
        end = time.monotonic() + TIMEOUT
        while engaged.count_publishers('teleop/target') < 2:
            assert time.monotonic() < end
            time.sleep(0.01)
        why = '2 publishers on /teleop/target, expected this node alone (namespaces?)'
        assert see(engaged, ahead=0.1) == why
        assert engaged._teleop.command(time.monotonic()).mode is Mode.SAFE
    finally:
        other.destroy_node()


def test_modes_that_change_all_the_time_do_not_flood_the_log(node, monkeypatch):
    now, logged = 0.0, []
    monkeypatch.setattr(time, 'monotonic', lambda: now)
    logger = node.get_logger()
    for severity in ('info', 'warning'):
        monkeypatch.setattr(logger, severity, logged.append)
    monkeypatch.setattr(node, 'get_logger', lambda: logger)
    command = node._teleop.command(0.0)
    for number in range(300):
        now = 0.05 * number
        mode = (Mode.SAFE, Mode.PAUSED)[number % 2]
        node._log(dataclasses.replace(command, mode=mode))
    assert len(logged) == 12
    # The last that lasts is told in the end.
    now = 30.0
    node._log(dataclasses.replace(command, mode=Mode.ENGAGED))
    assert logged[-1] == 'ENGAGED: no hand'


def test_stays_until_its_last_commands_are_heard(node, monkeypatch):
    waited = {}

    def wait(publisher, timeout):
        waited[publisher.topic.strip('/')] = timeout.nanoseconds

    monkeypatch.setattr(Publisher, 'wait_for_all_acked', wait)
    monkeypatch.setattr(executable, 'is_over', lambda node: True)
    node.serve()
    assert set(waited) == set(TOPICS)
    # A robot that is gone and does not answer must not keep the process.
    assert all(0 <= each <= 1e9 for each in waited.values())


def test_hands_far_ahead_of_the_clock_are_refused(node):
    found = re.fullmatch(
        r'hands are (\d+\.\d\d) s ahead of the clock, max_age 0\.5 s \(clock\? use_sim_time\?\)',
        see(node, ahead=1000.0),
    )
    assert found
    assert 1000 - TIMEOUT < float(found[1]) <= 1000
    # A clock may be a little slow.
    assert see(node, ahead=0.3) == 'clutch not engaged'


@pytest.mark.parametrize('max_age', [0.0, 0.5])
def test_hands_without_a_stamp_are_refused_whatever_age_is_taken(node, max_age):
    node.settings = dataclasses.replace(node.settings, max_age=max_age)
    message = hands_to_msg([hand_at(np.array([0, 0, 0.5]))], Header(frame_id='eye'))
    for _ in range(3):
        node._on_hands(message)
        command = node._teleop.command(time.monotonic())
        assert (command.mode, command.reason) == (
            Grasp.SAFE,
            'hands carry no stamp (0), their age is not known (camera without stamps?)',
        )
    assert see(node) == 'clutch not engaged'


def test_a_hand_that_is_not_taken_is_no_news(node):
    see(node)
    image, geometry, node._is_news = node._image, node._geometry, False
    see(node, ahead=0.1, joints_camera=np.full((21, 3), np.nan))
    assert (node._image, node._geometry, node._is_news) == (image, geometry, False)
    see(node, ahead=0.2)
    assert node._is_news
    assert node._image != image


@pytest.mark.parametrize(
    ('values', 'said'),
    [
        ({'workspace': "'1 2 3'"}, "workspace is '1 2 3'"),
        ({'clutch': 'foot'}, "parameter 'clutch' is 'foot', expected one of curl, toggle"),
        ({'robot_hand_file': '/no/such.yaml'}, '/no/such.yaml'),
    ],
)
def test_what_cannot_work_is_named_and_ends_with_1(teleop, values, said):
    process = teleop(**values)
    assert process.process.wait(TIMEOUT) == 1
    assert said in process.text()
    assert 'Traceback' not in process.text()
