"""
A simulated robot hand and gripper that follow the demo clip, with RViz.

    ros2 launch handmesh_ros demo_teleop.launch.py              # the clip's true hands
    ros2 launch handmesh_ros demo_teleop.launch.py hands:=network
"""

from functools import partial

from launch.conditions import IfCondition
from launch_ros.actions import Node

from handmesh_ros import launch_parts as parts
from handmesh_ros.launch_parts import HANDS, Argument
from launch import LaunchDescription

OUTPUTS = ('teleop/target', 'teleop/wrist', 'markers', 'robot/image')
CAMERA = ('0', '0', '0.45', '-1.570796', '0', '0')
"""x, y, z, roll, pitch, yaw of the camera in the base: looks along y, z of the base is up."""
ARGUMENTS = (
    Argument('namespace', '', 'Namespace of all nodes and of their topics.'),
    Argument(
        'hands',
        'truth',
        "Whose hands are followed: the clip's own 'truth', or the 'network'.",
        choices=HANDS,
    ),
    Argument('loop', 'true', 'Start over at the end of the clip.'),
    Argument('rviz', 'true', 'Open RViz.'),
    parts.LOG_LEVEL,
)
TELEOP = {
    'clutch': 'always',
    'mapping': 'absolute',
    'base_from_camera': ' '.join(CAMERA),
    'home': '0.1 0.45 0.4 0 0 0',
    'max_speed': 2.0,
    'max_turn_speed': 8.0,
}


def generate_launch_description() -> LaunchDescription:
    """All nodes, with the arguments above."""
    value = parts.values(ARGUMENTS)
    node = partial(parts.own_node, value=value)
    play = [{'loop': parts.typed('loop', bool)}]
    # Roll, pitch and yaw are those of static_transform_publisher as well.
    names = ('--x', '--y', '--z', '--roll', '--pitch', '--yaw')
    place = [word for pair in zip(names, CAMERA, strict=True) for word in pair]
    frames = ['--frame-id', 'base_link', '--child-frame-id', 'camera_optical_frame']
    nodes = [
        node('true_hands', condition=parts.hands_are('truth'), parameters=play),
        node('folder_camera', condition=parts.hands_are('network'), parameters=play),
        node('handmesh_node', condition=parts.hands_are('network')),
        node('grasp_teleop_node', parameters=[TELEOP]),
        node('robot_sim', parameters=[{'base_from_camera': TELEOP['base_from_camera']}]),
        Node(
            package='tf2_ros',
            executable='static_transform_publisher',
            arguments=[*place, *frames],
        ),
        parts.rviz_node(
            ['-d', parts.shared_file('config', 'teleop.rviz')],
            OUTPUTS,
            value,
            condition=IfCondition(value['rviz']),
        ),
    ]
    return LaunchDescription([*parts.declare(ARGUMENTS), *nodes])
