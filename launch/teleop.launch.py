"""
Starts grasp_teleop_node on the hands of a handmesh_node that runs elsewhere.

    ros2 launch handmesh_ros teleop.launch.py params_file:=my_robot.yaml
"""

from launch.actions import OpaqueFunction

from handmesh_ros import launch_parts as parts
from handmesh_ros.launch_parts import Argument
from launch import LaunchDescription

ARGUMENTS = (
    Argument('namespace', '', 'Namespace of the node and of its topics.'),
    Argument('hands_topic', 'hands', 'The hands to follow, handmesh_ros/HandArray.'),
    parts.params_file('teleop.yaml'),
    parts.USE_SIM_TIME,
    parts.LOG_LEVEL,
)


def generate_launch_description() -> LaunchDescription:
    """The node, with the arguments above."""
    return LaunchDescription([*parts.declare(ARGUMENTS), OpaqueFunction(function=start)])


def start(context) -> list:
    """The node; only now it is known whether the time's source is given."""
    value = parts.values(ARGUMENTS)
    sim_time = parts.use_sim_time(context.launch_configurations)
    teleop = parts.own_node(
        'grasp_teleop_node',
        value,
        parameters=[value['params_file'], *sim_time],
        remappings=[('hands', value['hands_topic'])],
    )
    return [teleop]
