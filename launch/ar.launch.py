"""
Starts the AR nodes beside a running handmesh_node, and RViz if wanted.

    ros2 launch handmesh_ros ar.launch.py stage:=cube rviz:=true \
        image_topic:=/camera/color/image_raw camera_info_topic:=/camera/color/camera_info
"""

from launch.actions import DeclareLaunchArgument
from launch.conditions import IfCondition
from launch.substitutions import (
    LaunchConfiguration,
    NotEqualsSubstitution,
    PathJoinSubstitution,
)
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

CONFIG = PathJoinSubstitution([FindPackageShare('handmesh_ros'), 'config'])
OUTPUTS = ('markers', 'objects', 'ar_overlay')
ARGUMENTS = (
    ('namespace', '', 'Namespace of handmesh_node, of these nodes and of their topics.'),
    ('image_topic', 'image', 'Camera images, sensor_msgs/Image.'),
    ('camera_info_topic', 'camera_info', 'Calibration of that camera, sensor_msgs/CameraInfo.'),
    ('layout', '', 'YAML file of objects that ar_overlay_node draws; empty for none.'),
    ('stage', 'cube', "Of ar_physics_node: 'cube', 'pour' or a YAML file; 'none' leaves it out."),
    (
        'panel',
        'none',
        "Of ar_buttons_node: 'keypad', 'walkie_talkie' or a YAML file; 'none' leaves it out.",
    ),
    ('use_sim_time', 'false', 'Take the time from /clock, for simulators and recordings.'),
    ('rviz', 'false', 'Open RViz.'),
    (
        'fixed_frame',
        'camera_optical_frame',
        "RViz's fixed frame; that of the images, or a parent.",
    ),
    ('log_level', 'info', 'debug, info, warn, error or fatal.'),
)


def generate_launch_description() -> LaunchDescription:
    """The nodes and RViz, with the arguments above."""
    value = {name: LaunchConfiguration(name) for name, _, _ in ARGUMENTS}
    use_sim_time = {'use_sim_time': ParameterValue(value['use_sim_time'], value_type=bool)}

    def node(executable, parameters, **more):
        return Node(
            package='handmesh_ros',
            executable=executable,
            name=executable,
            namespace=value['namespace'],
            parameters=[parameters, use_sim_time],
            ros_arguments=['--log-level', value['log_level']],
            output='screen',
            **more,
        )

    text = {
        name: ParameterValue(value[name], value_type=str) for name in ('layout', 'stage', 'panel')
    }
    overlay = node(
        'ar_overlay_node',
        {'layout': text['layout']},
        remappings=[
            ('image', value['image_topic']),
            ('camera_info', value['camera_info_topic']),
        ],
    )
    physics = node(
        'ar_physics_node',
        {'stage': text['stage']},
        condition=IfCondition(NotEqualsSubstitution(value['stage'], 'none')),
    )
    buttons = node(
        'ar_buttons_node',
        {'panel': text['panel']},
        condition=IfCondition(NotEqualsSubstitution(value['panel'], 'none')),
    )
    rviz = Node(
        package='rviz2',
        executable='rviz2',
        name='rviz',
        namespace=value['namespace'],
        condition=IfCondition(value['rviz']),
        parameters=[use_sim_time],
        # The file names absolute topics; with a namespace the nodes' are elsewhere.
        remappings=[(f'/{topic}', topic) for topic in OUTPUTS],
        arguments=[
            '-d',
            PathJoinSubstitution([CONFIG, 'ar.rviz']),
            '-f',
            value['fixed_frame'],
        ],
    )
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    return LaunchDescription([*declared, overlay, physics, buttons, rviz])
