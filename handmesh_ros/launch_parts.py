"""
What the launch files share: arguments, how they are declared, paths, and kinds of nodes.

``ros2 launch`` may run on a Python that has none of the packages of the nodes, so that nothing of
the project is imported here; and a ROS made of wheels has no launch, which is imported where it is
used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
    from launch.conditions import IfCondition
    from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
    from launch_ros.actions import Node
    from launch_ros.parameter_descriptions import ParameterValue

PACKAGE = 'handmesh_ros'


class Argument(NamedTuple):
    """
    An argument of a launch file.

    :param default: text, or a substitution that gives one.
    :param choices: the texts that it may be; None for any.
    """

    name: str
    default: Any
    description: str
    choices: list[str] | None = None


IMAGE_TOPIC = Argument('image_topic', 'image', 'Camera images, sensor_msgs/Image.')
CAMERA_INFO_TOPIC = Argument(
    'camera_info_topic', 'camera_info', 'Calibration of that camera, sensor_msgs/CameraInfo.'
)
USE_SIM_TIME = Argument(
    'use_sim_time',
    '',
    "'true' takes the time from /clock, for simulators and recordings; empty as the parameters "
    'that hold already say, else false.',
)
FIXED_FRAME = Argument(
    'fixed_frame', 'camera_optical_frame', "RViz's fixed frame; that of the images, or a parent."
)
LOG_LEVEL = Argument('log_level', 'info', 'debug, info, warn, error or fatal.')
HANDS = ['truth', 'network']
"""Whose hands a demo has: those that a synthetic clip was made with, or those that are found."""


def params_file(name: str) -> Argument:
    """The argument for a file of parameters, by default one of config/."""
    default = shared_file('config', name)
    return Argument('params_file', default, f'Parameters; config/{name} lists them all.')


def shared_file(folder: str, name: str) -> PathJoinSubstitution:
    """The path of an installed file, in config/ or launch/."""
    from launch.substitutions import PathJoinSubstitution
    from launch_ros.substitutions import FindPackageShare

    return PathJoinSubstitution([FindPackageShare(PACKAGE), folder, name])


def declare(arguments: Iterable[Argument]) -> list[DeclareLaunchArgument]:
    """The actions that make arguments known, in the order of ``--show-args``."""
    from launch.actions import DeclareLaunchArgument

    return [
        DeclareLaunchArgument(
            argument.name,
            default_value=argument.default,
            description=argument.description,
            choices=argument.choices,
        )
        for argument in arguments
    ]


def values(arguments: Iterable[Argument]) -> dict[str, LaunchConfiguration]:
    """What stands for the arguments' values until they are known, by name."""
    from launch.substitutions import LaunchConfiguration

    return {argument.name: LaunchConfiguration(argument.name) for argument in arguments}


def typed(name: str, kind: type) -> ParameterValue:
    """
    An argument's value as a parameter's.

    :param kind: said, or a camera's number would arrive as a number where a text is expected.
    """
    from launch.substitutions import LaunchConfiguration
    from launch_ros.parameter_descriptions import ParameterValue

    # A text would have to be of the type already; a configuration is turned into it.
    return ParameterValue(LaunchConfiguration(name), value_type=kind)


def use_sim_time(given: Mapping[str, str]) -> list[dict[str, ParameterValue]]:
    """
    The parameter by the argument of the same name; none without it, which would hide what a file
    of parameters says, or a ``SetParameter`` of the launch file that includes this one.

    :param given: arguments by name, as they are at the start.
    """
    name = USE_SIM_TIME.name
    return [{name: typed(name, bool)}] if given[name] else []


def hands_are(whose: str) -> IfCondition:
    """The condition that the argument ``hands`` is one of :data:`HANDS`."""
    from launch.conditions import IfCondition
    from launch.substitutions import EqualsSubstitution, LaunchConfiguration

    return IfCondition(EqualsSubstitution(LaunchConfiguration('hands'), whose))


def own_node(executable: str, value: Mapping[str, Any], **more: Any) -> Node:
    """
    A node of this package, named as its executable.

    :param value: of the arguments ``namespace`` and ``log_level`` at least.
    """
    from launch_ros.actions import Node

    return Node(
        package=PACKAGE,
        executable=executable,
        name=executable,
        namespace=value['namespace'],
        ros_arguments=['--log-level', value['log_level']],
        output='screen',
        **more,
    )


def rviz_node(
    arguments: Sequence[Any], topics: Iterable[str], value: Mapping[str, Any], **more: Any
) -> Node:
    """
    RViz in the nodes' namespace.

    :param arguments: of its command line.
    :param topics: that its file shows.
    :param value: of the argument ``namespace`` at least.
    """
    from launch_ros.actions import Node

    return Node(
        package='rviz2',
        executable='rviz2',
        name='rviz',
        namespace=value['namespace'],
        # The file names absolute topics; with a namespace the nodes' are elsewhere.
        remappings=[(f'/{topic}', topic) for topic in topics],
        arguments=arguments,
        **more,
    )


def include(name: str, passed: Iterable[tuple[str, Any]]) -> IncludeLaunchDescription:
    """Another launch file of this package, with arguments."""
    from launch.actions import IncludeLaunchDescription
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    return IncludeLaunchDescription(
        PythonLaunchDescriptionSource(shared_file('launch', name)), launch_arguments=passed
    )
