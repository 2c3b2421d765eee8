"""
A simulated robot hand and gripper that follow the demo clip, with RViz.

    ros2 launch handmesh_ros demo_teleop.launch.py              # the clip's true hands
    ros2 launch handmesh_ros demo_teleop.launch.py hands:=network
"""

from launch.actions import DeclareLaunchArgument
from launch.conditions import IfCondition
from launch.substitutions import EqualsSubstitution, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

CONFIG = PathJoinSubstitution([FindPackageShare('handmesh_ros'), 'config'])
CAMERA = ('0', '0', '0.45', '-1.570796', '0', '0')
"""x, y, z, roll, pitch, yaw of the camera in the base: looks along y, z of the base is up."""
ARGUMENTS = (
    ('namespace', '', 'Namespace of all nodes and of their topics.'),
    ('hands', 'truth', "Whose hands are followed: the clip's own 'truth', or the 'network'."),
    ('loop', 'true', 'Start over at the end of the clip.'),
    ('rviz', 'true', 'Open RViz.'),
    ('log_level', 'info', 'debug, info, warn, error or fatal.'),
)
CHOICES = {'hands': ['truth', 'network']}
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
    value = {name: LaunchConfiguration(name) for name, _, _ in ARGUMENTS}

    def node(executable: str, **more: object) -> Node:
        return Node(
            package='handmesh_ros',
            executable=executable,
            name=executable,
            namespace=value['namespace'],
            ros_arguments=['--log-level', value['log_level']],
            output='screen',
            **more,
        )

    is_true = IfCondition(EqualsSubstitution(value['hands'], 'truth'))
    is_network = IfCondition(EqualsSubstitution(value['hands'], 'network'))
    camera = [{'loop': ParameterValue(value['loop'], value_type=bool)}]
    # Roll, pitch and yaw are those of static_transform_publisher as well.
    names = ('--x', '--y', '--z', '--roll', '--pitch', '--yaw')
    place = [word for pair in zip(names, CAMERA, strict=True) for word in pair]
    nodes = [
        node('true_hands', condition=is_true, parameters=camera),
        node('folder_camera', condition=is_network, parameters=camera),
        node('handmesh_node', condition=is_network),
        node('grasp_teleop_node', parameters=[TELEOP]),
        node('robot_sim', parameters=[{'base_from_camera': TELEOP['base_from_camera']}]),
        Node(
            package='tf2_ros',
            executable='static_transform_publisher',
            arguments=[
                *place,
                '--frame-id',
                'base_link',
                '--child-frame-id',
                'camera_optical_frame',
            ],
        ),
        Node(
            package='rviz2',
            executable='rviz2',
            name='rviz',
            namespace=value['namespace'],
            condition=IfCondition(value['rviz']),
            remappings=[
                (f'/{t}', t) for t in ('teleop/target', 'teleop/wrist', 'markers', 'robot/image')
            ],
            arguments=['-d', PathJoinSubstitution([CONFIG, 'teleop.rviz'])],
        ),
    ]
    declared = [
        DeclareLaunchArgument(
            name, default_value=default, description=description, choices=CHOICES.get(name)
        )
        for name, default, description in ARGUMENTS
    ]
    return LaunchDescription([*declared, *nodes])
