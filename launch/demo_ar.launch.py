"""
Starts a camera made of files (or the embedded clip), handmesh_node, the AR nodes and RViz.

    ros2 launch handmesh_ros demo_ar.launch.py source:=/path/to/clip.mp4 stage:=pour rviz:=true
"""

from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import EqualsSubstitution, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

LAUNCH = PathJoinSubstitution([FindPackageShare('handmesh_ros'), 'launch'])
ARGUMENTS = (
    ('source', 'demo', "Folder, video, camera number, or 'demo' for the embedded clip."),
    ('hands', 'network', "'network': what the network finds; 'truth': a synthetic clip's own."),
    ('loop', 'true', 'Start over at the end.'),
    ('namespace', '', 'Namespace of all nodes and topics.'),
    ('layout', '', 'YAML file of objects that ar_overlay_node draws; empty as in ar.yaml: none.'),
    (
        'stage',
        '',
        "Of ar_physics_node: 'cube', 'pour' or a YAML file; empty as in ar.yaml: 'cube'; 'none' "
        'leaves it out.',
    ),
    ('panel', 'none', "Of ar_buttons_node: 'keypad', 'walkie_talkie', a YAML file or 'none'."),
    ('rviz', 'true', 'Open RViz.'),
    ('log_level', 'info', 'debug, info, warn, error or fatal.'),
)
CHOICES = {'hands': ['truth', 'network']}
_OF_AR = ('namespace', 'layout', 'stage', 'panel', 'rviz', 'log_level')
_OF_HANDMESH = ('namespace', 'log_level')


def generate_launch_description() -> LaunchDescription:
    """Camera, node and AR nodes, with the arguments above."""
    value = {name: LaunchConfiguration(name) for name, _, _ in ARGUMENTS}
    is_true = IfCondition(EqualsSubstitution(value['hands'], 'truth'))
    is_network = IfCondition(EqualsSubstitution(value['hands'], 'network'))
    play = {
        'source': ParameterValue(value['source'], value_type=str),
        'loop': ParameterValue(value['loop'], value_type=bool),
    }

    def camera(executable, condition):
        return Node(
            package='handmesh_ros',
            executable=executable,
            name=executable,
            namespace=value['namespace'],
            parameters=[play],
            ros_arguments=['--log-level', value['log_level']],
            condition=condition,
            output='screen',
        )

    def include(name, passed):
        return IncludeLaunchDescription(
            PythonLaunchDescriptionSource(PathJoinSubstitution([LAUNCH, name])),
            launch_arguments=passed,
        )

    of_ar = [(name, value[name]) for name in _OF_AR]
    # Left out, it would be this file's, and RViz would open twice. In a group of its own, since
    # what is passed to one file would be seen by the next one, too.
    of_handmesh = [*((name, value[name]) for name in _OF_HANDMESH), ('rviz', 'false')]

    declared = [
        DeclareLaunchArgument(
            name, default_value=default, description=description, choices=CHOICES.get(name)
        )
        for name, default, description in ARGUMENTS
    ]
    return LaunchDescription(
        [
            *declared,
            camera('folder_camera', is_network),
            camera('true_hands', is_true),
            GroupAction([include('handmesh.launch.py', of_handmesh)], condition=is_network),
            include('ar.launch.py', of_ar),
        ]
    )
