"""
Starts handmesh_node on a camera's topics, and RViz if wanted.

    ros2 launch handmesh_ros handmesh.launch.py image_topic:=/camera/color/image_raw \
        camera_info_topic:=/camera/color/camera_info rviz:=true
"""

from launch.actions import DeclareLaunchArgument
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

CONFIG = PathJoinSubstitution([FindPackageShare('handmesh_ros'), 'config'])
OUTPUTS = ('markers', 'points', 'overlay', 'joints/left', 'joints/right')
ARGUMENTS = (
    ('namespace', '', 'Namespace of the node and of its topics.'),
    ('image_topic', 'image', 'Camera images, sensor_msgs/Image.'),
    ('camera_info_topic', 'camera_info', 'Calibration of that camera, sensor_msgs/CameraInfo.'),
    ('depth_topic', 'depth', 'Depth registered to the images, if there is any.'),
    ('boxes_topic', 'boxes', 'Boxes around hands, if the parameter boxes says so.'),
    (
        'params_file',
        PathJoinSubstitution([CONFIG, 'handmesh.yaml']),
        'Parameters; config/handmesh.yaml lists them all.',
    ),
    ('use_sim_time', 'false', 'Take the time from /clock, for simulators and recordings.'),
    ('rviz', 'false', 'Open RViz.'),
    (
        'rviz_config',
        PathJoinSubstitution([CONFIG, 'handmesh.rviz']),
        'What RViz shows.',
    ),
    (
        'fixed_frame',
        'camera_optical_frame',
        "RViz's fixed frame; that of the images, or a parent.",
    ),
    ('log_level', 'info', 'debug, info, warn, error or fatal.'),
    ('respawn', 'true', 'Start the node again if it dies.'),
)


def generate_launch_description() -> LaunchDescription:
    """The node and RViz, with the arguments above."""
    value = {name: LaunchConfiguration(name) for name, _, _ in ARGUMENTS}
    use_sim_time = {'use_sim_time': ParameterValue(value['use_sim_time'], value_type=bool)}
    node = Node(
        package='handmesh_ros',
        executable='handmesh_node',
        name='handmesh_node',
        namespace=value['namespace'],
        parameters=[value['params_file'], use_sim_time],
        remappings=[
            ('image', value['image_topic']),
            ('camera_info', value['camera_info_topic']),
            ('depth', value['depth_topic']),
            ('boxes', value['boxes_topic']),
        ],
        ros_arguments=['--log-level', value['log_level']],
        respawn=value['respawn'],
        respawn_delay=2.0,
        output='screen',
    )
    rviz = Node(
        package='rviz2',
        executable='rviz2',
        name='rviz',
        namespace=value['namespace'],
        condition=IfCondition(value['rviz']),
        parameters=[use_sim_time],
        # The file names absolute topics; with a namespace the node's are elsewhere.
        remappings=[(f'/{topic}', topic) for topic in OUTPUTS],
        arguments=[
            '-d',
            value['rviz_config'],
            '-f',
            value['fixed_frame'],
        ],
    )
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    return LaunchDescription([*declared, node, rviz])
