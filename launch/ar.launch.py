"""
Starts the AR nodes beside a running handmesh_node, and RViz if wanted.

    ros2 launch handmesh_ros ar.launch.py stage:=cube rviz:=true \
        image_topic:=/camera/camera/color/image_raw \
        camera_info_topic:=/camera/camera/color/camera_info
"""

from launch.actions import OpaqueFunction

from handmesh_ros import launch_parts as parts
from handmesh_ros.launch_parts import Argument
from launch import LaunchDescription

OUTPUTS = ('markers', 'objects', 'ar_overlay')
ARGUMENTS = (
    Argument('namespace', '', 'Namespace of handmesh_node, of these nodes and of their topics.'),
    parts.IMAGE_TOPIC,
    parts.CAMERA_INFO_TOPIC,
    parts.params_file('ar.yaml'),
    Argument(
        'layout', '', 'YAML file of objects that ar_overlay_node draws; empty as in params_file.'
    ),
    Argument(
        'image_is_rectified',
        '',
        "'true' if the images are undistorted already, or 'false'; empty as in params_file.",
    ),
    Argument(
        'stage',
        '',
        "Of ar_physics_node: 'cube', 'pour' or a YAML file; empty as in params_file; 'none' "
        'leaves it out.',
    ),
    Argument(
        'panel',
        'none',
        "Of ar_buttons_node: 'keypad', 'walkie_talkie' or a YAML file; empty as in params_file; "
        "'none' leaves it out.",
    ),
    parts.USE_SIM_TIME,
    Argument('rviz', 'false', 'Open RViz.'),
    parts.FIXED_FRAME,
    parts.LOG_LEVEL,
)
PARAMETERS = {'layout': str, 'image_is_rectified': bool, 'stage': str, 'panel': str}
"""Arguments that are parameters of a node, with their types."""


def generate_launch_description() -> LaunchDescription:
    """The nodes and RViz, with the arguments above."""
    return LaunchDescription([*parts.declare(ARGUMENTS), OpaqueFunction(function=start)])


def start(context) -> list:
    """The nodes that the arguments ask for; only now it is known which of them are empty."""
    value = context.launch_configurations

    def node(executable, names, **more):
        given = {name: parts.typed(name, PARAMETERS[name]) for name in names if value[name]}
        parameters = [value['params_file'], given, *parts.use_sim_time(value)]
        return parts.own_node(executable, value, parameters=parameters, **more)

    topics = [('image', value['image_topic']), ('camera_info', value['camera_info_topic'])]
    nodes = [node('ar_overlay_node', ['layout', 'image_is_rectified'], remappings=topics)]
    if value['stage'] != 'none':
        nodes.append(node('ar_physics_node', ['stage']))
    if value['panel'] != 'none':
        nodes.append(node('ar_buttons_node', ['panel']))
    if value['rviz'].lower() in ('true', '1'):
        shown = ['-d', parts.shared_file('config', 'ar.rviz'), '-f', value['fixed_frame']]
        sim_time = parts.use_sim_time(value)
        nodes.append(parts.rviz_node(shown, OUTPUTS, value, parameters=sim_time))
    return nodes
