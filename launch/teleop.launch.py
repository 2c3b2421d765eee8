"""
Starts grasp_teleop_node on the hands of a handmesh_node that runs elsewhere.

    ros2 launch handmesh_ros teleop.launch.py params_file:=my_robot.yaml
"""

from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

CONFIG = PathJoinSubstitution([FindPackageShare('handmesh_ros'), 'config'])
ARGUMENTS = (
    ('namespace', '', 'Namespace of the node and of its topics.'),
    ('hands_topic', 'hands', 'The hands to follow, handmesh_ros/HandArray.'),
    (
        'params_file',
        PathJoinSubstitution([CONFIG, 'teleop.yaml']),
        'Parameters; config/teleop.yaml lists them all.',
    ),
    ('use_sim_time', 'false', 'Take the time from /clock, for simulators and recordings.'),
    ('log_level', 'info', 'debug, info, warn, error or fatal.'),
)


def generate_launch_description() -> LaunchDescription:
    """The node, with the arguments above."""
    value = {name: LaunchConfiguration(name) for name, _, _ in ARGUMENTS}
    teleop = Node(
        package='handmesh_ros',
        executable='grasp_teleop_node',
        name='grasp_teleop_node',
        namespace=value['namespace'],
        parameters=[
            value['params_file'],
            {'use_sim_time': ParameterValue(value['use_sim_time'], value_type=bool)},
        ],
        remappings=[('hands', value['hands_topic'])],
        ros_arguments=['--log-level', value['log_level']],
        output='screen',
    )
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    return LaunchDescription([*declared, teleop])
