"""
Starts a camera made of files (or the embedded clip), handmesh_node, the AR nodes and RViz.

    ros2 launch handmesh_ros demo_ar.launch.py source:=/path/to/clip.mp4 stage:=pour rviz:=true
"""

from launch.actions import GroupAction

from handmesh_ros import launch_parts as parts
from handmesh_ros.launch_parts import HANDS, Argument
from launch import LaunchDescription

ARGUMENTS = (
    Argument('source', 'demo', "Folder, video, camera number, or 'demo' for the embedded clip."),
    Argument(
        'hands',
        'network',
        "'network': what the network finds; 'truth': a synthetic clip's own.",
        choices=HANDS,
    ),
    Argument('loop', 'true', 'Start over at the end.'),
    Argument('namespace', '', 'Namespace of all nodes and topics.'),
    Argument(
        'layout', '', 'YAML file of objects that ar_overlay_node draws; empty as in ar.yaml: none.'
    ),
    Argument(
        'stage',
        '',
        "Of ar_physics_node: 'cube', 'pour' or a YAML file; empty as in ar.yaml: 'cube'; 'none' "
        'leaves it out.',
    ),
    Argument(
        'panel', 'none', "Of ar_buttons_node: 'keypad', 'walkie_talkie', a YAML file or 'none'."
    ),
    Argument('rviz', 'true', 'Open RViz.'),
    parts.LOG_LEVEL,
)
_OF_AR = ('namespace', 'layout', 'stage', 'panel', 'rviz', 'log_level')
_OF_HANDMESH = ('namespace', 'log_level')


def generate_launch_description() -> LaunchDescription:
    """Camera, node and AR nodes, with the arguments above."""
    value = parts.values(ARGUMENTS)
    of_ar = [(name, value[name]) for name in _OF_AR]
    # Left out, it would be this file's, and RViz would open twice. In a group of its own, since
    # what is passed to one file would be seen by the next one, too.
    of_handmesh = [*((name, value[name]) for name in _OF_HANDMESH), ('rviz', 'false')]

    def camera(executable, whose):
        play = {'source': parts.typed('source', str), 'loop': parts.typed('loop', bool)}
        return parts.own_node(
            executable, value, parameters=[play], condition=parts.hands_are(whose)
        )

    return LaunchDescription(
        [
            *parts.declare(ARGUMENTS),
            camera('folder_camera', 'network'),
            camera('true_hands', 'truth'),
            GroupAction(
                [parts.include('handmesh.launch.py', of_handmesh)],
                condition=parts.hands_are('network'),
            ),
            parts.include('ar.launch.py', of_ar),
        ]
    )
