"""Robot hands that a YAML file describes."""

import numpy as np
import pytest

from handmesh_model.errors import ConfigError
from handmesh_model.teleop.joint_angles import HUMAN_LIMITS, TELEOP_ANGLES
from handmesh_model.teleop.robot_hand import human_hand, load_robot_hand

GOOD = """
joints:
  - {name: finger_1, from: index_mcp_flexion, lower: 0.0, upper: 1.2}
  - {name: knuckle, from: index_mcp_flexion, scale: -0.5, offset: 0.1, lower: -1, upper: 1}
"""


def test_joints_follow_their_sources_within_limits(tmp_path):
    file = tmp_path / 'hand.yaml'
    file.write_text(GOOD)
    hand = load_robot_hand(file)
    angles = np.zeros(20)
    assert hand.names == ('finger_1', 'knuckle')
    np.testing.assert_allclose(hand.open, [0.0, 0.1])
    angles[TELEOP_ANGLES.index('index_mcp_flexion')] = 1.5
    np.testing.assert_allclose(hand.goal(np.zeros((21, 3)), 'right', angles), [1.2, -0.65])


def test_the_human_hand_keeps_human_limits():
    hand = human_hand('left_')
    assert hand.names[0] == 'left_thumb_cmc_abduction'
    goal = hand.goal(np.zeros((21, 3)), 'left', np.full(20, 9.0))
    np.testing.assert_array_equal(goal, HUMAN_LIMITS[:, 1])
    np.testing.assert_array_equal(hand.open, np.zeros(20))


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('', "expected 'joints'"),
        ('joints: []', "expected 'joints'"),
        ('joints: [1]', 'a joint is 1'),
        ('joints: [{name: a, from: elbow, lower: 0, upper: 1}]', "is from 'elbow'"),
        ('joints: [{name: a, from: thumb_ip_flexion, lower: 0}]', 'expected numbers'),
        ('joints: [{name: a, from: thumb_ip_flexion, lower: 2, upper: 1}]', 'above upper'),
        ('joints: [{name: a, from: thumb_ip_flexion, lower: 0, upper: .nan}]', 'expected numbers'),
        ('joints: [{name: a, form: thumb_ip_flexion, lower: 0, upper: 1}]', 'a joint is'),
        (GOOD + GOOD.replace('joints:', '').replace('\n\n', '\n'), 'occurs twice'),
        ('x: &x {a: 1}\ny: &y {<<: [*x, *x]}\njoints: [*y]', 'a joint is'),
        ('#' * ((1 << 20) + 1), 'more than 1048576 characters'),
        ('joints: !!python/object/apply:os.system [echo]', 'cannot read'),
    ],
)
def test_files_that_say_no_hand_are_refused(tmp_path, text, said):
    file = tmp_path / 'hand.yaml'
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_robot_hand(file)


@pytest.mark.parametrize('key', ['', 'name', 'from', 'lower'])
def test_a_list_of_lists_without_end_makes_no_endless_message(tmp_path, key):
    file = tmp_path / 'hand.yaml'
    levels = [f'l{i}: &l{i} [{", ".join([f"*l{i - 1}"] * 10)}]' for i in range(1, 5)]
    joint = {'name': 'a', 'from': 'thumb_ip_flexion', 'lower': '0', 'upper': '1'} | {key: '*l4'}
    joint = '*l4' if not key else '{' + ', '.join(f'{k}: {v}' for k, v in joint.items()) + '}'
    file.write_text('\n'.join(['l0: &l0 [x]', *levels, f'joints: [{joint}]']))
    with pytest.raises(ConfigError) as caught:
        load_robot_hand(file)
    assert len(str(caught.value)) < 2000


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r'none\.yaml'):
        load_robot_hand(tmp_path / 'none.yaml')
