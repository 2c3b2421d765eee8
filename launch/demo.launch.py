"""
Starts a camera made of files (or the embedded clip), handmesh_node and RViz.

    ros2 launch handmesh_ros demo.launch.py source:=/path/to/images rviz:=true
"""

from handmesh_ros import launch_parts as parts
from handmesh_ros.launch_parts import Argument
from launch import LaunchDescription

CAMERA_PARAMETERS = (
    (str, 'source', 'demo', "Folder of images, image, video file, bag, camera number, or 'demo'."),
    (str, 'bag_topic', '', 'Image topic to play of a bag; empty takes the only one.'),
    (float, 'rate', '0.0', "Images a second; 0 takes the source's own rate."),
    (bool, 'loop', 'true', 'Start over at the end of the source.'),
    (str, 'intrinsics_file', '', 'JSON or YAML with the camera; empty looks beside the source.'),
    (
        float,
        'field_of_view',
        '60.0',
        'Horizontal degrees assumed where no camera matrix is known.',
    ),
)
"""Arguments that are the camera's parameters of the same names, with their types."""
ARGUMENTS = (
    Argument('namespace', '', 'Namespace of both nodes and of their topics.'),
    *(Argument(*row) for _, *row in CAMERA_PARAMETERS),
    Argument('rviz', 'true', 'Open RViz.'),
    parts.LOG_LEVEL,
)


def generate_launch_description() -> LaunchDescription:
    """The camera, and all of handmesh.launch.py."""
    value = parts.values(ARGUMENTS)
    play = {name: parts.typed(name, kind) for kind, name, *_ in CAMERA_PARAMETERS}
    camera = parts.own_node('folder_camera', value, parameters=[play])
    passed = [(name, value[name]) for name in ('namespace', 'rviz', 'log_level')]
    hands = parts.include('handmesh.launch.py', passed)
    return LaunchDescription([*parts.declare(ARGUMENTS), camera, hands])
