"""
Starts grasp_teleop_node on the hands of a handmesh_node that runs elsewhere.

    ros2 launch handmesh_ros teleop.launch.py params_file:=my_robot.yaml
"""

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
    value = parts.values(ARGUMENTS)
    teleop = parts.own_node(
        'grasp_teleop_node',
        value,
        parameters=[value['params_file'], parts.use_sim_time()],
        remappings=[('hands', value['hands_topic'])],
    )
    return LaunchDescription([*parts.declare(ARGUMENTS), teleop])
