"""The services of a node and the topics of its latency, with painted hands over DDS."""

import numpy as np
import pytest
from painted_hands import paint
from robot import Robot
from std_msgs.msg import Float64
from std_srvs.srv import SetBool, Trigger
from visualization_msgs.msg import Marker

K = np.array([[150.0, 0, 80], [0, 150, 60], [0, 0, 1]])
BOTH = paint([('right', 20, 30, 40, 60), ('left', 100, 30, 40, 60)])


@pytest.fixture
def operator(ros):
    robot = Robot(topics=('hands', 'markers', 'points', 'joints/left', 'joints/right'))
    yield robot
    robot.close()


def test_disabled_means_no_images_and_nothing_shown(operator, painted_node):
    painted_node(diagnostics_period=0.1)
    operator.wait_for_node()
    operator.ask_metric(BOTH, 0.5, K)
    answers = operator.ask_all(BOTH, 1.0, K)
    shown = answers['markers'].markers
    assert answers['points'].height == 2
    assert answers['joints/left'].poses
    assert answers['joints/right'].poses
    answer = operator.call(SetBool, 'enable', SetBool.Request(data=False))
    assert (answer.success, answer.message) == (True, 'disabled')
    operator.wait(lambda: operator.got['markers'][-1].markers[0].action == Marker.DELETE)
    gone = operator.got['markers'][-1].markers
    assert {(m.ns, m.id) for m in gone} == {(m.ns, m.id) for m in shown}
    operator.wait(lambda: operator.got['points'][-1].height == 0, what='an empty cloud')
    for topic in ('joints/left', 'joints/right'):
        operator.wait(lambda topic=topic: not operator.got[topic][-1].poses, what='no joints')
    operator.wait(lambda: operator.images.get_subscription_count() == 0)
    status = operator.wait_for_status('images', lambda s: 'disabled' in s.message)
    assert status.level == status.OK

    assert operator.call(SetBool, 'enable', SetBool.Request(data=True)).message == 'enabled'
    operator.wait_for_node()
    assert len(operator.ask(BOTH, 2.0, K).hands) == 2


def test_tracks_are_reset(operator, painted_node):
    painted_node()
    operator.wait_for_node()
    first = {hand.track_id for hand in operator.ask(BOTH, 1.0, K).hands}
    assert operator.call(Trigger, 'reset_tracks', Trigger.Request()).success
    assert not {hand.track_id for hand in operator.ask(BOTH, 1.1, K).hands} & first


def test_services_answer_in_every_state(operator, painted_node):
    painted_node(autostart='false')
    answer = operator.call(Trigger, 'reset_tracks', Trigger.Request())
    assert not answer.success
    assert answer.message == 'the node is unconfigured, it follows no hands'
    answer = operator.call(SetBool, 'enable', SetBool.Request(data=False))
    assert answer.message == 'disabled; the node is unconfigured'


def test_latency_is_published(operator, painted_node):
    painted_node()
    got = {'processing_time_ms': [], 'pipeline_latency_ms': []}
    for name, messages in got.items():
        topic = f'/handmesh_node/debug/{name}'
        operator.node.create_subscription(Float64, topic, messages.append, 10)
        operator.wait(lambda topic=topic: operator.node.count_publishers(topic) > 0)
    operator.wait_for_node()
    stamp = operator.node.get_clock().now().nanoseconds * 1e-9
    for i in range(1000):
        operator.ask(BOTH, stamp + 0.001 * i, K)
        if all(got.values()):
            break
    processing, pipeline = (messages[-1].data for messages in got.values())
    assert 0 < processing < 60_000
    assert 0 < pipeline < 600_000
