"""Life cycle and parameters of the node, from outside, with painted hands."""

import gc
import os
import time

import numpy as np
import pytest
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from painted_hands import PaintedPredictor, paint
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from robot import Robot, time_of

from handmesh_model.errors import ConfigError
from handmesh_model.tracker import HandTracker
from handmesh_ros import hand_stream, handmesh_node
from handmesh_ros.node_parameters import NodeParameters
from handmesh_ros.parameters import rows
from handmesh_ros.soak_report import resident_bytes

K = np.array([[150.0, 0, 80], [0, 150, 60], [0, 0, 1]])
RIGHT = paint([('right', 20, 30, 40, 60)])
CONFIGURE, ACTIVATE = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE
DEACTIVATE, CLEANUP = Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP


class Operator(Robot):
    """A robot that also calls the services that every lifecycle node has."""

    def change(self, transition):
        request = ChangeState.Request(transition=Transition(id=transition))
        return self.call(ChangeState, 'change_state', request).success

    def state(self):
        return self.call(GetState, 'get_state', GetState.Request()).current_state.id

    def set(self, **values):
        changes = [
            Parameter(name, value=value).to_parameter_msg() for name, value in values.items()
        ]
        request = SetParameters.Request(parameters=changes)
        return self.call(SetParameters, 'set_parameters', request).results


@pytest.fixture
def operator(ros):
    operator = Operator()
    yield operator
    operator.close()


@pytest.fixture
def make_here(ros):
    """Makes nodes in this process, and leaves nothing of them."""
    made = []

    def make(**options):
        made.append(handmesh_node.HandmeshNode(**options))
        return made[-1]

    yield make
    for node in made:
        node.destroy_node()
    # rclpy keeps the services of a life cycle until then, and other nodes of this name seem there.
    del node
    made.clear()
    gc.collect()


def test_goes_through_its_life_as_told(operator, painted_node):
    node = painted_node(autostart='false')
    assert operator.state() == State.PRIMARY_STATE_UNCONFIGURED
    assert operator.images.get_subscription_count() == 0
    for stamp in (1.0, 2.0):
        operator.topologies.clear()
        assert operator.change(CONFIGURE)
        assert operator.change(ACTIVATE)
        operator.wait_for_node()
        assert len(operator.ask(RIGHT, stamp, K).hands) == 1
        assert operator.change(DEACTIVATE)
        operator.wait(lambda: operator.images.get_subscription_count() == 0)
        assert operator.state() == State.PRIMARY_STATE_INACTIVE
        assert operator.change(CLEANUP)
    assert operator.state() == State.PRIMARY_STATE_UNCONFIGURED
    assert node.end() == 0
    assert 'Traceback' not in node.text()


@pytest.mark.slow
def test_a_hundred_lives_leak_nothing(operator, painted_node):
    node = painted_node(autostart='false')
    pid = node.pid
    transitions = (CONFIGURE, ACTIVATE, DEACTIVATE, CLEANUP)

    def live(times):
        for _ in range(times):
            for transition in transitions:
                assert operator.change(transition), node.text()
        return resident_bytes(pid), len(os.listdir(f'/proc/{pid}/fd')), threads(pid)

    _, files, thread_count = live(20)
    before = live(1)[0]
    after = live(100)
    # A hundred topologies alone, of 779 vertices, would be many times as much.
    assert after[0] - before < 2e6
    assert after[1:] == (files, thread_count)
    assert operator.change(CONFIGURE)
    assert operator.change(ACTIVATE)
    operator.wait_for_node()
    assert len(operator.ask(RIGHT, 1.0, K).hands) == 1
    assert node.end() == 0
    assert 'Traceback' not in node.text()


def threads(pid):
    return len(os.listdir(f'/proc/{pid}/task'))


def test_errors_that_nobody_expects_are_said(make_here, monkeypatch):
    def fail(settings, attempt, ids):
        raise MemoryError('not enough for weights')

    monkeypatch.setattr(handmesh_node, 'load_tracker', fail)
    node = make_here()
    said = []
    monkeypatch.setattr(node, '_fault', lambda kind, text: said.append((kind, text)))
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    ((kind, text),) = said
    assert kind == 'parameters'
    assert text.startswith('cannot configure: MemoryError: not enough for weights')


def test_what_cannot_be_configured_leaves_nothing_behind(make_here, monkeypatch):
    made = []

    def load(settings, attempt, ids):
        made.append(PaintedPredictor())
        monkeypatch.setattr(made[-1], 'close', lambda: made.append('closed'))
        return HandTracker(made[-1], ids=ids)

    class NoBoxes:
        def __init__(self, *_):
            raise ConfigError('there is no vision_msgs')

    monkeypatch.setattr(handmesh_node, 'load_tracker', load)
    monkeypatch.setattr(hand_stream, 'BoxInput', NoBoxes)
    choice = [Parameter('boxes', value='detections'), Parameter('diagnostics_period', value=5.0)]
    node = make_here(parameter_overrides=choice)
    there = {publisher.topic for publisher in node.publishers}
    for _ in range(2):
        assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert made[1::2] == ['closed', 'closed']
    assert {publisher.topic for publisher in node.publishers} == there
    assert len(list(node.publishers)) == len(there)


@pytest.mark.parametrize(
    ('method', 'transition'), [('announce', 'trigger_activate'), ('close', 'trigger_cleanup')]
)
def test_a_transition_that_raises_leaves_an_unconfigured_node(
    make_here, monkeypatch, method, transition
):
    closed, does = [], getattr(hand_stream.HandStream, method)

    def load(settings, attempt, ids):
        tracker = HandTracker(PaintedPredictor(), ids=ids)
        monkeypatch.setattr(tracker.predictor, 'close', lambda: closed.append(tracker))
        return tracker

    def fail(stream):
        does(stream)
        raise RuntimeError('nobody expects it')

    monkeypatch.setattr(handmesh_node, 'load_tracker', load)
    node = make_here()
    said = []
    monkeypatch.setattr(node, '_fault', lambda kind, text: said.append((kind, text)))
    there = len(list(node.publishers))
    with monkeypatch.context() as broken:
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        broken.setattr(hand_stream.HandStream, method, fail)
        assert getattr(node, transition)() == TransitionCallbackReturn.ERROR
    text = 'a transition from inactive has failed: the node is unconfigured'
    assert said == [('parameters', text)]
    assert len(closed) == 1
    assert len(list(node.publishers)) == there
    # What is fixed while it is configured can be set, and it lives anew.
    assert node.set_parameters([Parameter('max_hands', value=1)])[0].successful
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS


def test_disabled_although_an_image_is_not_done_the_node_says_so(make_here, monkeypatch):
    monkeypatch.setattr(
        handmesh_node,
        'load_tracker',
        lambda settings, attempt, ids: HandTracker(PaintedPredictor(), ids=ids),
    )
    node = make_here()
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    cleared, stop = [], hand_stream.FrameWorker.stop
    with monkeypatch.context() as busy:
        busy.setattr(hand_stream.FrameWorker, 'stop', lambda worker: not stop(worker))
        busy.setattr(hand_stream.FrameWorker, 'busy_for', lambda worker: 12.3)
        busy.setattr(hand_stream.HandOutputs, 'clear', lambda outputs: cleared.append(outputs))
        said = 'disabled, but the image at hand is not done after 12 s'
        assert node._enable(False) == (False, said)
    # What is left of the worker publishes no more.
    assert len(cleared) == 1
    assert node._idle() == 'disabled by the service enable'
    assert node._enable(False) == (True, 'disabled')


def test_pace_of_diagnostics_is_read_when_the_node_configures(operator, painted_node):
    node = painted_node(autostart='false', diagnostics_period=60.0)
    assert operator.set(diagnostics_period=0.1)[0].successful
    assert operator.change(CONFIGURE)
    begun = time.monotonic()
    operator.wait_for_status('network', lambda s: True)
    assert time.monotonic() - begun < 30
    assert node.end() == 0


def test_ids_of_hands_are_not_given_again_in_another_life(operator, painted_node):
    node = painted_node(autostart='false')
    ids = []
    for stamp in (1.0, 2.0):
        assert operator.change(CONFIGURE)
        assert operator.change(ACTIVATE)
        operator.wait_for_node()
        ids += [hand.track_id for hand in operator.ask(RIGHT, stamp, K).hands]
        assert operator.change(DEACTIVATE)
        assert operator.change(CLEANUP)
    assert len(set(ids)) == 2
    assert node.end() == 0


def test_wrong_start_value_leaves_it_unconfigured_until_a_good_one_is_set(operator, painted_node):
    node = painted_node(max_hands=99, wieghts='x')
    assert operator.state() == State.PRIMARY_STATE_UNCONFIGURED
    status = operator.wait_for_status('network', lambda s: 'max_hands' in s.message)
    assert status.level == status.ERROR
    assert "parameter 'max_hands' is 99, expected 1 to 8" in node.text()
    assert "parameter 'wieghts' is unknown" in node.text()
    assert operator.set(max_hands=1)[0].successful
    assert operator.change(CONFIGURE)
    assert operator.change(ACTIVATE)
    operator.wait_for_node()
    assert len(operator.ask(RIGHT, 1.0, K).hands) == 1


def test_parameters_change_while_it_runs_or_say_why_not(operator, painted_node):
    painted_node()
    operator.wait_for_node()
    (result,) = operator.set(hand_size=0.02)
    assert not result.successful
    assert "'hand_size' is 0.02, expected 0.04 to 0.15 or 0" in result.reason
    (result,) = operator.set(weights='other')
    assert not result.successful
    assert "'weights' is read when the node configures" in result.reason

    operator.ask_metric(RIGHT, 0.5, K)
    operator.ask(RIGHT, 1.0, K, '/tf')
    mean = operator.answer('hands', time_of(1.0)).hands[0]
    transforms = len(operator.got['/tf'])
    assert operator.set(hand_size=0.06, publish_tf=False)[0].successful
    small = operator.ask(RIGHT, 2.0, K).hands[0]
    assert small.scale_source == small.SCALE_PARAMETER
    assert small.hand_size == pytest.approx(0.06)
    ratio = small.joints_camera[2] / mean.joints_camera[2]
    assert ratio == pytest.approx(0.06 / mean.hand_size, rel=0.02)
    operator.ask(RIGHT, 3.0, K, 'overlay')
    assert len(operator.got['/tf']) == transforms


def test_every_parameter_is_described(operator, painted_node):
    painted_node(autostart='false')
    names = list(rows(NodeParameters))
    request = DescribeParameters.Request(names=names)
    answer = operator.call(DescribeParameters, 'describe_parameters', request)
    for name, described in zip(names, answer.descriptors, strict=True):
        row = rows(NodeParameters)[name]
        assert described.description == row.description
        if row.high is not None:
            (span,) = described.integer_range or described.floating_point_range
            assert span.to_value == pytest.approx(row.high)
        for choice in row.choices:
            assert choice in described.additional_constraints
