"""
Starts a camera made of files (or the embedded clip), handmesh_node and RViz.

    ros2 launch handmesh_ros demo.launch.py source:=/path/to/images rviz:=true
"""

from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

CAMERA_PARAMETERS = (
    ('source', str, 'demo', "Folder of images, image, video file, bag, camera number, or 'demo'."),
    ('bag_topic', str, '', 'Image topic to play of a bag; empty takes the only one.'),
    ('rate', float, '0.0', "Images a second; 0 takes the source's own rate."),
    ('loop', bool, 'true', 'Start over at the end of the source.'),
    ('intrinsics_file', str, '', 'JSON or YAML with the camera; empty looks beside the source.'),
    (
        'field_of_view',
        float,
        '60.0',
        'Horizontal degrees assumed where no camera matrix is known.',
    ),
)
"""Arguments that are the camera's parameters of the same names, with their types."""
ARGUMENTS = (
    ('namespace', '', 'Namespace of both nodes and of their topics.'),
    *((name, default, description) for name, _, default, description in CAMERA_PARAMETERS),
    ('rviz', 'true', 'Open RViz.'),
    ('log_level', 'info', 'debug, info, warn, error or fatal.'),
)


def generate_launch_description() -> LaunchDescription:
    """The camera, and all of handmesh.launch.py."""
    value = {name: LaunchConfiguration(name) for name, _, _ in ARGUMENTS}
    camera = Node(
        package='handmesh_ros',
        executable='folder_camera',
        name='folder_camera',
        namespace=value['namespace'],
        parameters=[
            {
                # Said to be text, or a camera's number would arrive as a number.
                name: ParameterValue(value[name], value_type=kind)
                for name, kind, _, _ in CAMERA_PARAMETERS
            }
        ],
        ros_arguments=['--log-level', value['log_level']],
        output='screen',
    )
    folder = PathJoinSubstitution([FindPackageShare('handmesh_ros'), 'launch'])
    hands = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(PathJoinSubstitution([folder, 'handmesh.launch.py'])),
        launch_arguments={
            name: value[name] for name in ('namespace', 'rviz', 'log_level')
        }.items(),
    )
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    return LaunchDescription([*declared, camera, hands])
