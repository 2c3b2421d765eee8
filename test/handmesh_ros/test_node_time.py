"""What the node says about time: filter, prediction, held hands, simulation, clocks that jump."""

import itertools

import numpy as np
import pytest
from painted_hands import paint
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from robot import stamp_of, time_of, values_of
from rosgraph_msgs.msg import Clock

from handmesh_ros.msg import Hand
from handmesh_ros.stamps import stamp_to_seconds

K = np.array([[150.0, 0, 80], [0, 150, 60], [0, 0, 1]])
NOTHING = paint([])
START = 100_000.0


def hand_at(x):
    """A right hand whose box begins at a column."""
    return paint([('right', x, 30, 40, 60)])


def joints_of(array):
    (hand,) = array.hands
    return np.reshape(hand.joints_camera, (21, 3))


def settle(robot):
    """Show a hand until every topic's subscription is known to the node, then nothing."""
    robot.wait_for_node()
    stamps = itertools.count(START - 50_000)
    awaited = set(robot.got) - {'joints/left'}  # there is no left hand
    robot.wait(
        lambda: (
            robot.show(hand_at(60), next(stamps), K) and all(robot.got[topic] for topic in awaited)
        ),
        what=f'messages on {awaited}',
    )
    robot.wait(
        lambda: (
            robot.show(NOTHING, next(stamps), K)
            and robot.got['hands/raw'][-1].hands == []
            and robot.got['joints'][-1].header.stamp == robot.got['hands/raw'][-1].header.stamp
        ),
        what='the end of the hand',
    )
    robot.ask(NOTHING, START - 1, K)
    robot.answer('joints', time_of(START - 1))
    for messages in robot.got.values():
        messages.clear()


@pytest.fixture
def clock(robot):
    return robot.node.create_publisher(Clock, '/clock', 10)


def set_parameters(robot, **values):
    client = robot.node.create_client(SetParameters, '/handmesh_node/set_parameters')
    robot.wait(client.service_is_ready, what='the parameter service')
    kinds = {bool: ('bool_value', ParameterType.PARAMETER_BOOL)}
    kinds[float] = ('double_value', ParameterType.PARAMETER_DOUBLE)
    kinds[str] = ('string_value', ParameterType.PARAMETER_STRING)
    request = SetParameters.Request()
    for name, value in values.items():
        field, kind = kinds[type(value)]
        request.parameters.append(
            Parameter(name=name, value=ParameterValue(type=kind, **{field: value}))
        )
    future = client.call_async(request)
    robot.wait(future.done, what='the answer of the parameter service')
    assert all(result.successful for result in future.result().results)


def test_still_hand_that_jitters_is_steadied_and_the_raw_stream_stays(robot, painted_node):
    painted_node()
    settle(robot)
    columns = [60 + (i * 7 % 3) for i in range(24)]
    for i, x in enumerate(columns):
        robot.ask(hand_at(x), START + i / 30, K)
        robot.answer('hands/raw', time_of(START + i / 30))
    smooth, raw = (
        np.array([joints_of(m) for m in robot.got[topic][8:24]])
        for topic in ('hands', 'hands/raw')
    )
    assert smooth[..., 0].std(axis=0).max() < 0.5 * raw[..., 0].std(axis=0).min()
    # Pixels are those of the image in both.
    for a, b in zip(robot.got['hands'], robot.got['hands/raw'], strict=True):
        np.testing.assert_array_equal(a.hands[0].joints_image, b.hands[0].joints_image)

    set_parameters(robot, filter=False)
    robot.ask(hand_at(64), START + 2, K)
    raw = robot.answer('hands/raw', time_of(START + 2))
    np.testing.assert_array_equal(joints_of(robot.got['hands'][-1]), joints_of(raw))


def test_hands_are_predicted_to_the_simulated_now(robot, painted_node, clock):
    painted_node(use_sim_time=True, predict_to='now', filter=False, max_age=10.0)
    settle(robot)
    robot.wait(lambda: clock.get_subscription_count() > 0, what='a subscriber of /clock')
    step, delay = 1 / 30, 0.0625
    leads = []
    for i in range(20):
        stamp = START + i * step
        clock.publish(Clock(clock=time_of(stamp + delay)))
        array = robot.ask(hand_at(20 + 3 * i), stamp, K)
        assert array.header.stamp == time_of(stamp)
        (hand,) = array.hands
        leads.append(stamp_to_seconds(hand.geometry_stamp) - stamp)
        raw = robot.answer('hands/raw', time_of(stamp))
        assert raw.hands[0].geometry_stamp == time_of(stamp)
    # The clock message may come a moment after the image, hence not all of them.
    exact = [i for i, lead in enumerate(leads) if abs(lead - delay) < 1e-6]
    assert len(exact) >= 10, leads
    i = exact[-1]
    hand, measured = robot.got['hands'][i].hands[0], robot.got['hands/raw'][i]
    moved = joints_of(robot.got['hands'][i]) - joints_of(measured)
    velocity = (joints_of(measured) - joints_of(robot.got['hands/raw'][i - 3])) / (3 * step)
    np.testing.assert_allclose(moved[:, 0], velocity[:, 0] * delay, rtol=0.25)
    # Messages with one stamp carry the time of the geometry, those of ours the image's too.
    pair = robot.answer('joints', time_of(START + i * step))
    assert pair.right.geometry_stamp == hand.geometry_stamp
    for topic in ('joints/right', 'points', '/tf', 'markers'):
        message = robot.answer(topic, hand.geometry_stamp)
        assert stamp_of(message) == hand.geometry_stamp


def test_clock_and_stamps_that_jump_back_start_anew(robot, painted_node, clock):
    node = painted_node(use_sim_time=True, max_age=5.0, diagnostics_period=0.1)
    settle(robot)
    robot.wait(lambda: clock.get_subscription_count() > 0, what='a subscriber of /clock')

    def play(first):
        """A recording that is played: clock and images."""
        # Images that overtake the clock are rightly dropped, as too old.
        stamps = itertools.count(first - 1, 1e-6)
        robot.wait(
            lambda: (
                clock.publish(Clock(clock=time_of(first)))
                or (robot.show(hand_at(60), next(stamps), K) and robot.got['/tf'])
            ),
            what='hands by the simulated clock',
        )
        for i in range(1, 7):
            clock.publish(Clock(clock=time_of(first + i / 10)))
            robot.ask(hand_at(60), first + i / 10, K, topic='/tf')
        return {h.track_id for m in robot.got['hands'][-6:] for h in m.hands}

    before = play(START + 1)
    assert len(before) == 1
    for topic in robot.got:
        robot.got[topic].clear()
    after = play(START - 100)
    assert len(after) == 1
    assert not before & after
    status = robot.wait_for_status('images', lambda s: int(values_of(s)['processed']) >= 12)
    assert 'image stamps went back' in node.text()
    # The clock stands still by now; diagnostics go on, and say that this image is too old by it.
    stale = int(values_of(status)['stale'])
    robot.wait(
        lambda: (
            robot.show(hand_at(60), START - 200, K)
            and int(values_of(robot.status('images'))['stale']) > stale
        ),
        what='an image that is too old',
    )


def test_held_hands_say_when_they_were_seen_and_are_not_sent_as_new(robot, painted_node):
    painted_node(hold_time=0.5, predict_ahead=0.1)
    settle(robot)
    for i in range(4):
        robot.ask(hand_at(60), START + i / 4, K)
        robot.answer('joints', time_of(START + i / 4))
    seen = START + 3 / 4
    (tracked,) = robot.got['hands'][-1].hands
    assert stamp_to_seconds(tracked.geometry_stamp) == pytest.approx(seen + 0.1, abs=1e-6)
    assert robot.got['joints'][-1].right.valid

    (held,) = robot.ask(NOTHING, seen + 0.25, K).hands
    assert held.state == Hand.HELD
    assert stamp_to_seconds(held.geometry_stamp) == pytest.approx(seen, abs=1e-6)
    right = robot.answer('joints', time_of(seen + 0.25)).right
    assert (right.valid, right.state, any(right.joints_valid)) == (False, Hand.HELD, False)
    assert stamp_to_seconds(right.geometry_stamp) == pytest.approx(seen, abs=1e-6)

    (lost,) = robot.ask(NOTHING, seen + 1.0, K).hands
    assert lost.state == Hand.LOST
    assert robot.ask(NOTHING, seen + 1.25, K).hands == []
    pair = robot.answer('joints', time_of(seen + 1.25))
    for side in (pair.left, pair.right):
        assert (side.valid, side.state) == (False, Hand.LOST)
    empty = robot.answer('joints/right', time_of(seen + 0.25))
    assert [m for m in robot.got['joints/right'] if not m.poses] == [empty]
    for topic in ('joints/right', '/tf'):
        newest = max(stamp_to_seconds(stamp_of(m)) for m in robot.got[topic] if m != empty)
        assert newest <= seen + 0.1 + 1e-6, topic
    for cloud in robot.got['points']:
        stamp = stamp_to_seconds(cloud.header.stamp)
        if stamp >= START:
            assert cloud.height == (1 if stamp < seen + 0.2 else 0)


def test_images_without_a_stamp_count_as_new(robot, painted_node):
    node = painted_node(hold_time=0.2, diagnostics_period=0.1)
    robot.wait_for_node()
    robot.ask(hand_at(60), 0.0, K)
    # Were the stamp taken as the time, the hand would be held for ever.
    robot.wait(
        lambda: robot.show(NOTHING, 0.0, K) and robot.got['hands'][-1].hands == [],
        what='the end of the hand',
    )
    assert {m.header.stamp.sec for m in robot.got['hands']} == {0}
    assert robot.got['/tf'] == []
    assert node.text().count('images carry no stamp') == 1


def test_finger_frames_hang_below_the_wrist(robot, painted_node):
    painted_node(publish_finger_tf=True, frame_prefix='arm_')
    settle(robot)
    robot.ask(hand_at(60), START, K)
    transforms = robot.ask(hand_at(60), START + 1, K, '/tf').transforms
    parents = {t.child_frame_id: t.header.frame_id for t in transforms}
    assert len(parents) == 21
    (wrist,) = (name for name in parents if 'wrist' in name)
    number = wrist.rsplit('_')[-1]
    assert parents[wrist] == 'head_camera'
    assert parents[f'arm_r_thumb_cmc_{number}'] == wrist
    assert parents[f'arm_r_index_mcp_{number}'] == wrist
    assert parents[f'arm_r_index_tip_{number}'] == f'arm_r_index_dip_{number}'
    assert {t.header.stamp.sec for t in transforms} == {int(START) + 1}
