"""
Starts handmesh_node on a camera's topics, and RViz if wanted.

    ros2 launch handmesh_ros handmesh.launch.py rviz:=true \
        image_topic:=/camera/camera/color/image_raw \
        camera_info_topic:=/camera/camera/color/camera_info
"""

from launch.actions import OpaqueFunction
from launch.conditions import IfCondition

from handmesh_ros import launch_parts as parts
from handmesh_ros.launch_parts import Argument
from launch import LaunchDescription

OUTPUTS = ('markers', 'points', 'overlay', 'joints/left', 'joints/right')
ARGUMENTS = (
    Argument('namespace', '', 'Namespace of the node and of its topics.'),
    parts.IMAGE_TOPIC,
    parts.CAMERA_INFO_TOPIC,
    Argument('depth_topic', 'depth', 'Depth registered to the images, if there is any.'),
    Argument('boxes_topic', 'boxes', 'Boxes around hands, if the parameter boxes says so.'),
    parts.params_file('handmesh.yaml'),
    parts.USE_SIM_TIME,
    Argument('rviz', 'false', 'Open RViz.'),
    Argument('rviz_config', parts.shared_file('config', 'handmesh.rviz'), 'What RViz shows.'),
    parts.FIXED_FRAME,
    parts.LOG_LEVEL,
    Argument('respawn', 'true', 'Start the node again if it dies.'),
)


def generate_launch_description() -> LaunchDescription:
    """The node and RViz, with the arguments above."""
    return LaunchDescription([*parts.declare(ARGUMENTS), OpaqueFunction(function=start)])


def start(context) -> list:
    """The node and RViz; only now it is known whether the time's source is given."""
    value = parts.values(ARGUMENTS)
    sim_time = parts.use_sim_time(context.launch_configurations)
    node = parts.own_node(
        'handmesh_node',
        value,
        parameters=[value['params_file'], *sim_time],
        remappings=[
            (topic, value[f'{topic}_topic'])
            for topic in ('image', 'camera_info', 'depth', 'boxes')
        ],
        respawn=value['respawn'],
        respawn_delay=2.0,
    )
    rviz = parts.rviz_node(
        ['-d', value['rviz_config'], '-f', value['fixed_frame']],
        OUTPUTS,
        value,
        condition=IfCondition(value['rviz']),
        parameters=sim_time,
    )
    return [node, rviz]
