"""The launch files: run for real where launch_ros is installed, and against stand-ins anywhere."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
import yaml

from handmesh_ros import ar_parameters
from handmesh_ros.camera_parameters import CameraParameters
from handmesh_ros.parameters import defaults, rows, settings_from

ROOT = Path(__file__).parents[2]
MODULES = (
    'launch',
    'launch.actions',
    'launch.conditions',
    'launch.launch_description_sources',
    'launch.substitutions',
    'launch_ros',
    'launch_ros.actions',
    'launch_ros.parameter_descriptions',
    'launch_ros.substitutions',
)


def load(name):
    path = ROOT / 'launch' / name
    spec = importlib.util.spec_from_file_location(name.replace('.', '_'), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def stand_ins(monkeypatch):
    """Modules of launch that note what they are asked for."""
    modules = {name: MagicMock(name=name) for name in MODULES}
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return modules


def declared(stand_ins):
    calls = stand_ins['launch.actions'].DeclareLaunchArgument.call_args_list
    return {call.args[0]: call.kwargs for call in calls}


def start(stand_ins, name, **given):
    """
    Start a launch file with arguments.

    :returns: the keywords of its nodes, by executable.
    """
    stand_ins['launch_ros.actions'].Node.reset_mock()
    opaque = stand_ins['launch.actions'].OpaqueFunction
    opaque.reset_mock()
    load(name).generate_launch_description()
    arguments = {name: kwargs['default_value'] for name, kwargs in declared(stand_ins).items()}
    context = SimpleNamespace(launch_configurations=arguments | given)
    for call in opaque.call_args_list:
        call.kwargs['function'](context)
    calls = stand_ins['launch_ros.actions'].Node.call_args_list
    return {call.kwargs['executable']: call.kwargs for call in calls}


def test_handmesh_launch_starts_the_node_and_rviz(stand_ins):
    node, rviz = start(stand_ins, 'handmesh.launch.py').values()
    arguments = declared(stand_ins)
    expected = {'namespace', 'image_topic', 'camera_info_topic', 'depth_topic', 'boxes_topic'}
    expected |= {'params_file', 'use_sim_time', 'log_level', 'respawn', 'rviz', 'rviz_config'}
    assert expected <= set(arguments)
    assert all(kwargs['description'] for kwargs in arguments.values())
    assert (node['package'], node['executable']) == ('handmesh_ros', 'handmesh_node')
    assert [source for source, _ in node['remappings']][:4] == [
        'image',
        'camera_info',
        'depth',
        'boxes',
    ]
    assert (rviz['package'], rviz['executable']) == ('rviz2', 'rviz2')


def test_demo_launch_gives_the_camera_parameters_that_it_has(stand_ins):
    load('demo.launch.py').generate_launch_description()
    (camera,) = (call.kwargs for call in stand_ins['launch_ros.actions'].Node.call_args_list)
    assert camera['executable'] == 'folder_camera'
    given = camera['parameters'][0]
    assert set(given) <= set(defaults(CameraParameters))
    assert {'bag_topic', 'intrinsics_file', 'field_of_view'} <= set(given)
    include = stand_ins['launch.actions'].IncludeLaunchDescription.call_args.kwargs
    passed = {name for name, _ in include['launch_arguments']}
    stand_ins['launch.actions'].DeclareLaunchArgument.reset_mock()
    load('handmesh.launch.py').generate_launch_description()
    assert passed <= set(declared(stand_ins))


def test_demo_launch_changes_no_default_of_the_camera_but_the_loop(stand_ins):
    substitutions = stand_ins['launch.substitutions']
    substitutions.LaunchConfiguration.side_effect = lambda name: name
    descriptions = stand_ins['launch_ros.parameter_descriptions']
    descriptions.ParameterValue.side_effect = lambda value, value_type: (value, value_type)
    load('demo.launch.py').generate_launch_description()
    arguments = declared(stand_ins)
    (camera,) = (call.kwargs for call in stand_ins['launch_ros.actions'].Node.call_args_list)
    for name, (argument, kind) in camera['parameters'][0].items():
        assert argument == name
        default = defaults(CameraParameters)[name]
        assert type(default) is kind
        expected = 'true' if name == 'loop' else str(default)
        assert arguments[argument]['default_value'] == expected


def typed(value, value_type):
    """As launch_ros's ParameterValue: a text is no number, only a substitution becomes one."""
    if isinstance(value, str) and value_type is not str:
        raise TypeError(f'{value!r} is not of {value_type}')
    return value


def ar_nodes(stand_ins, **given):
    """What ar.launch.py starts."""
    stand_ins['launch_ros.parameter_descriptions'].ParameterValue.side_effect = typed
    return start(stand_ins, 'ar.launch.py', **given)


@pytest.mark.parametrize('name', ['handmesh.launch.py', 'teleop.launch.py', 'ar.launch.py'])
def test_the_clock_of_others_holds_unless_one_is_given(stand_ins, name):
    descriptions = stand_ins['launch_ros.parameter_descriptions']
    descriptions.ParameterValue.side_effect = lambda value, value_type: value_type

    def told(**given):
        nodes = start(stand_ins, name, panel='keypad', rviz='true', **given).values()
        assert nodes
        parameters = [[p for p in node['parameters'] if isinstance(p, dict)] for node in nodes]
        return [[p for p in of_node if 'use_sim_time' in p] for of_node in parameters]

    # A parameter that is given comes last, and would undo what a file or a SetParameter says.
    assert not any(told())
    for value in ('true', 'false'):
        assert all(each == [{'use_sim_time': bool}] for each in told(use_sim_time=value))


AR_TABLES = {
    'ar_overlay_node': ar_parameters.OverlayParameters,
    'ar_physics_node': ar_parameters.PhysicsParameters,
    'ar_buttons_node': ar_parameters.ButtonsParameters,
}


def test_ar_launch_gives_the_nodes_parameters_that_they_have(stand_ins):
    given = {'layout': 'mine.yaml', 'image_is_rectified': 'true', 'stage': 'pour'}
    more = {'panel': 'keypad', 'rviz': 'true', 'use_sim_time': 'true'}
    *nodes, rviz = ar_nodes(stand_ins, **more, **given).values()
    assert [node['executable'] for node in nodes] == list(AR_TABLES)
    for node in nodes:
        assert set(node['parameters'][1]) <= set(defaults(AR_TABLES[node['executable']]))
        assert set(node['parameters'][2]) == {'use_sim_time'}
    passed = {name for node in nodes for name in node['parameters'][1]}
    assert passed == {*given, 'panel'}
    assert rviz['executable'] == 'rviz2'


def test_ar_launch_leaves_out_what_is_not_asked_for(stand_ins):
    nodes = ar_nodes(stand_ins, params_file='my_ar.yaml')
    assert list(nodes) == ['ar_overlay_node', 'ar_physics_node']
    for node in nodes.values():
        # Nothing that would hide what the file says.
        assert node['parameters'] == ['my_ar.yaml', {}]
    stand_ins['launch.actions'].reset_mock()
    assert list(ar_nodes(stand_ins, stage='none', panel='')) == [
        'ar_overlay_node',
        'ar_buttons_node',
    ]


def test_ar_config_lists_every_parameter_with_its_default_and_description():
    text = (ROOT / 'config' / 'ar.yaml').read_text()
    sections = yaml.safe_load(text)
    assert list(sections) == [f'/**/{node}' for node in AR_TABLES]
    for node, table in AR_TABLES.items():
        listed = sections[f'/**/{node}']['ros__parameters']
        assert listed == defaults(table)
        assert settings_from(table, listed) == table()
        for name, row in rows(table).items():
            assert row.description in text, name


def test_ar_demo_launch_passes_arguments_that_exist(stand_ins):
    load('demo_ar.launch.py').generate_launch_description()
    actions = stand_ins['launch.actions']
    passed = [
        {name for name, _ in call.kwargs['launch_arguments']}
        for call in actions.IncludeLaunchDescription.call_args_list
    ]
    # The file's own RViz argument would be seen by both included files, which would open two.
    hands = actions.IncludeLaunchDescription.call_args_list[0].kwargs['launch_arguments']
    assert ('rviz', 'false') in hands
    (group,) = actions.GroupAction.call_args_list
    assert group.args == ([actions.IncludeLaunchDescription.return_value],)
    assert set(group.kwargs) == {'condition'}
    for names, file in zip(passed, ('handmesh.launch.py', 'ar.launch.py'), strict=True):
        stand_ins['launch.actions'].DeclareLaunchArgument.reset_mock()
        load(file).generate_launch_description()
        assert names <= set(declared(stand_ins))


def test_ar_demo_launch_starts_one_camera_with_the_log_level(stand_ins):
    substitutions = stand_ins['launch.substitutions']
    substitutions.LaunchConfiguration.side_effect = lambda name: name
    substitutions.EqualsSubstitution.side_effect = lambda left, right: (left, right)
    stand_ins['launch.conditions'].IfCondition.side_effect = lambda condition: condition
    load('demo_ar.launch.py').generate_launch_description()
    assert declared(stand_ins)['hands']['choices'] == ['truth', 'network']
    cameras = [call.kwargs for call in stand_ins['launch_ros.actions'].Node.call_args_list]
    assert {camera['executable']: camera['condition'] for camera in cameras} == {
        'folder_camera': ('hands', 'network'),
        'true_hands': ('hands', 'truth'),
    }
    for camera in cameras:
        assert camera['ros_arguments'] == ['--log-level', 'log_level']


def test_ar_rviz_shows_topics_that_exist():
    config = yaml.safe_load((ROOT / 'config' / 'ar.rviz').read_text())
    displays = config['Visualization Manager']['Displays']
    topics = {display['Topic']['Value'] for display in displays if 'Topic' in display}
    assert topics == {'/markers', '/objects', '/ar_overlay'}


def test_rviz_shows_topics_that_exist():
    pytest.importorskip('rclpy')
    pytest.importorskip('handmesh_ros.msg')
    from handmesh_ros.outputs import TOPICS

    config = yaml.safe_load((ROOT / 'config' / 'handmesh.rviz').read_text())
    displays = config['Visualization Manager']['Displays']
    topics = [display['Topic']['Value'] for display in displays if 'Topic' in display]
    assert '/markers' in topics
    assert {topic.lstrip('/') for topic in topics} <= set(TOPICS)


def test_rviz_opens_on_something_to_see():
    config = yaml.safe_load((ROOT / 'config' / 'handmesh.rviz').read_text())
    manager = config['Visualization Manager']
    shown = {d['Class'].split('/')[1] for d in manager['Displays'] if d['Enabled']}
    assert shown == {'MarkerArray', 'TF', 'Image'}
    for display in manager['Displays']:
        if 'Topic' in display:
            # As the node publishes; another choice would show nothing, without a word.
            assert display['Topic']['Reliability Policy'] == 'Reliable'
            assert display['Topic']['Durability Policy'] == 'Volatile'
    fixed = manager['Global Options']['Fixed Frame']
    assert fixed == defaults(CameraParameters)['frame_id']
    view = manager['Views']['Current']
    assert view['Target Frame'] == '<Fixed Frame>'
    # Where hands are: in front of the camera.
    assert 0.2 < view['Focal Point']['Z'] < 1


NAMES = ['handmesh.launch.py', 'demo.launch.py', 'ar.launch.py', 'demo_ar.launch.py']


@pytest.mark.parametrize('name', NAMES)
def test_launch_files_are_understood_by_launch(name):
    launch = pytest.importorskip('launch', reason='launch is not among the ROS wheels')
    pytest.importorskip('launch_ros', reason='launch_ros is not among the ROS wheels')
    description = load(name).generate_launch_description()
    arguments = {argument.name for argument in description.get_launch_arguments()}
    assert {'namespace', 'rviz', 'log_level'} <= arguments
    service = launch.LaunchService(argv=['rviz:=false'])
    service.include_launch_description(description)
    service.emit_event(launch.events.Shutdown(reason='the test has seen it start'))
    assert service.run() == 0
