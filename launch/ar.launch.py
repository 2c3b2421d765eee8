"""
Starts the AR nodes beside a running handmesh_node, and RViz if wanted.

    ros2 launch handmesh_ros ar.launch.py stage:=cube rviz:=true \
        image_topic:=/camera/color/image_raw camera_info_topic:=/camera/color/camera_info
"""

from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
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
    (
        'params_file',
        PathJoinSubstitution([CONFIG, 'ar.yaml']),
        'Parameters; config/ar.yaml lists them all.',
    ),
    ('layout', '', 'YAML file of objects that ar_overlay_node draws; empty as in params_file.'),
    (
        'image_is_rectified',
        '',
        "'true' if the images are undistorted already, or 'false'; empty as in params_file.",
    ),
    (
        'stage',
        '',
        "Of ar_physics_node: 'cube', 'pour' or a YAML file; empty as in params_file; 'none' "
        'leaves it out.',
    ),
    (
        'panel',
        'none',
        "Of ar_buttons_node: 'keypad', 'walkie_talkie' or a YAML file; empty as in params_file; "
        "'none' leaves it out.",
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
PARAMETERS = {'layout': str, 'image_is_rectified': bool, 'stage': str, 'panel': str}
"""Arguments that are parameters of a node, with their types."""


def generate_launch_description() -> LaunchDescription:
    """The nodes and RViz, with the arguments above."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])


def start(context) -> list:
    """The nodes that the arguments ask for; only now it is known which of them are empty."""
    value = context.launch_configurations

    def node(executable, names, **more):
        given = {
            name: ParameterValue(LaunchConfiguration(name), value_type=PARAMETERS[name])
            for name in names
            if value[name]
        }
        return Node(
            package='handmesh_ros',
            executable=executable,
            name=executable,
            namespace=value['namespace'],
            parameters=[value['params_file'], given, _use_sim_time()],
            ros_arguments=['--log-level', value['log_level']],
            output='screen',
            **more,
        )

    topics = [('image', value['image_topic']), ('camera_info', value['camera_info_topic'])]
    nodes = [node('ar_overlay_node', ['layout', 'image_is_rectified'], remappings=topics)]
    if value['stage'] != 'none':
        nodes.append(node('ar_physics_node', ['stage']))
    if value['panel'] != 'none':
        nodes.append(node('ar_buttons_node', ['panel']))
    if value['rviz'].lower() in ('true', '1'):
        nodes.append(_rviz(value))
    return nodes


def _use_sim_time() -> dict:
    # A text would have to be of the type already; a configuration is turned into it.
    return {'use_sim_time': ParameterValue(LaunchConfiguration('use_sim_time'), value_type=bool)}


def _rviz(value) -> Node:
    return Node(
        package='rviz2',
        executable='rviz2',
        name='rviz',
        namespace=value['namespace'],
        parameters=[_use_sim_time()],
        # The file names absolute topics; with a namespace the nodes' are elsewhere.
        remappings=[(f'/{topic}', topic) for topic in OUTPUTS],
        arguments=['-d', PathJoinSubstitution([CONFIG, 'ar.rviz']), '-f', value['fixed_frame']],
    )
