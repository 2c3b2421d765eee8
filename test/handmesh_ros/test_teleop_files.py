"""Launch files, parameters and RViz configuration of the teleoperation, held to the code."""

from pathlib import Path

import pytest
import yaml
from test_launch_files import declared, load, start
from test_launch_files import stand_ins as stand_ins  # a fixture

from handmesh_model.errors import ConfigError
from handmesh_model.teleop.grasp_teleop import GraspTeleop
from handmesh_ros.parameters import defaults, rows, settings_from
from handmesh_ros.teleop_parameters import TeleopParameters

ROOT = Path(__file__).parents[2]


def test_config_lists_every_parameter_with_its_default_and_description():
    text = (ROOT / 'config' / 'teleop.yaml').read_text()
    listed = yaml.safe_load(text)['/**/grasp_teleop_node']['ros__parameters']
    assert listed == defaults(TeleopParameters)
    assert settings_from(TeleopParameters, listed) == TeleopParameters()
    for name, row in rows(TeleopParameters).items():
        assert row.description in text, name


def test_the_defaults_make_a_teleoperation():
    assert GraspTeleop(TeleopParameters().config()).watchdog.limit == 0.1


def test_a_watchdog_that_trips_before_every_command_is_refused():
    with pytest.raises(ConfigError, match=r"'watchdog' is 0.05 s, .* 0.05 s .*rate 20"):
        TeleopParameters(rate=20.0, watchdog=0.05).config()
    assert TeleopParameters(rate=25.0, watchdog=0.05).config().watchdog == 0.05


def test_teleop_launch_starts_the_node(stand_ins):
    nodes = start(stand_ins, 'teleop.launch.py')
    assert all(kwargs['description'] for kwargs in declared(stand_ins).values())
    assert set(nodes) == {'grasp_teleop_node'}
    assert [source for source, _ in nodes['grasp_teleop_node']['remappings']] == ['hands']


def test_demo_launch_gives_parameters_that_are_known(stand_ins):
    nodes = start(stand_ins, 'demo_teleop.launch.py')
    assert {'true_hands', 'folder_camera', 'handmesh_node', 'robot_sim', 'rviz2'} <= set(nodes)
    assert declared(stand_ins)['hands']['choices'] == ['truth', 'network']
    given = nodes['grasp_teleop_node']['parameters'][0]
    GraspTeleop(settings_from(TeleopParameters, given).config())


def test_rviz_shows_topics_that_exist():
    pytest.importorskip('rclpy')
    pytest.importorskip('handmesh_ros.msg')
    from handmesh_ros.grasp_teleop_node import TOPICS

    config = yaml.safe_load((ROOT / 'config' / 'teleop.rviz').read_text())
    displays = config['Visualization Manager']['Displays']
    topics = {d['Topic']['Value'].lstrip('/') for d in displays if 'Topic' in d}
    assert 'teleop/target' in topics
    assert topics <= {*TOPICS, 'markers', 'robot/image'}


@pytest.mark.parametrize('name', ['teleop.launch.py', 'demo_teleop.launch.py'])
def test_launch_files_are_understood_by_launch(name):
    pytest.importorskip('launch', reason='launch is not among the ROS wheels')
    pytest.importorskip('launch_ros', reason='launch_ros is not among the ROS wheels')
    arguments = load(name).generate_launch_description().get_launch_arguments()
    assert 'namespace' in {argument.name for argument in arguments}
