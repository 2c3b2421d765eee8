"""How every executable of this package starts and ends."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import rclpy
from rclpy.exceptions import ROSInterruptException
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from handmesh_model.errors import HandmeshError
from handmesh_ros import early_exit

Serve = Callable[[Node], int | None]


def run(
    make_node: Callable[[], Node],
    serve: Serve,
    args: Sequence[str] | None = None,
    signals: SignalHandlerOptions = SignalHandlerOptions.ALL,
) -> int:
    """
    Run one node until it ends or is told to.

    :param make_node: makes the node; ROS is up by then.
    :param serve: keeps the node going; what it returns is the exit code, None for 0.
    :param signals: which ones end ROS at once.
    :returns: 0 also after SIGINT or SIGTERM; 1 after an error of the user's, which is logged.
    """
    node = None
    try:
        early_exit.restore()
        rclpy.init(args=None if args is None else list(args), signal_handler_options=signals)
        node = make_node()
        return serve(node) or 0
    except (KeyboardInterrupt, ExternalShutdownException, ROSInterruptException):
        return 0
    except HandmeshError as error:
        _say_error(node, str(error))
        return 1
    except Exception:
        # A signal that comes in the middle of a call into ROS surfaces as an error of that call.
        if rclpy.ok():
            raise
        return 0
    finally:
        _clean_up(node)


def spin(node: Node) -> None:
    """Serve callbacks until the node is told to end."""
    if node.context.ok():
        rclpy.spin(node)


def _say_error(node: Node | None, text: str) -> None:
    if node is not None and rclpy.ok():
        node.get_logger().error(text)
    else:
        print(f'error: {text}', file=sys.stderr, flush=True)


def _clean_up(node: Node | None) -> None:
    """Free everything, also when a second signal comes meanwhile."""
    for step in (lambda: node and node.destroy_node(), rclpy.try_shutdown):
        try:
            step()
        except KeyboardInterrupt:
            step()
