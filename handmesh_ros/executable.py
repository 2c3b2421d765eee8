"""How every executable of this package starts and ends."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import rclpy
from rclpy.exceptions import ROSInterruptException
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from handmesh_model.errors import HandmeshError
from handmesh_ros import stop_signals

AnyNode = TypeVar('AnyNode', bound=Node)
_GLANCE = 0.1
"""Seconds after which a waiting process looks whether it shall end."""


def run(
    make_node: Callable[[], AnyNode],
    serve: Callable[[AnyNode], int | None],
    args: Sequence[str] | None = None,
) -> int:
    """
    Run one node until it ends or is told to.

    :param make_node: makes the node; ROS is up by then.
    :param serve: keeps the node going, until :func:`is_over` at the latest; what it returns is the
        exit code, None for 0.
    :returns: 0 also after SIGINT, SIGTERM or SIGHUP; 1 after an error of the user's, which is
        logged.
    """
    with stop_signals.asking():
        return _run(make_node, serve, args)


def _run(
    make_node: Callable[[], AnyNode],
    serve: Callable[[AnyNode], int | None],
    args: Sequence[str] | None,
) -> int:
    node = None
    try:
        # ROS's own handlers would raise KeyboardInterrupt anywhere, or end ROS under a callback.
        rclpy.init(
            args=None if args is None else list(args),
            signal_handler_options=SignalHandlerOptions.NO,
        )
        node = make_node()
        return serve(node) or 0
    except (ExternalShutdownException, ROSInterruptException):
        return 0
    except HandmeshError as error:
        _say_error(node, str(error))
        return 1
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()


def is_over(node: Node) -> bool:
    """Whether the node shall end: a signal has asked for it, or somebody has ended ROS."""
    return stop_signals.is_stop_requested() or not node.context.ok()


def spin(node: Node, until: float = math.inf) -> None:
    """
    Serve callbacks until the node is told to end, or time is up.

    :param until: time.monotonic() to end at, seconds.
    """
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        while not is_over(node) and time.monotonic() < until:
            executor.spin_once(timeout_sec=_GLANCE)
    finally:
        executor.shutdown()


def spin_until(node: Node, executor: Executor, is_true: Callable[[], bool], until: float) -> bool:
    """
    Serve callbacks until something holds: at least once, unless it holds already.

    :param node: whose end to look for.
    :param executor: of the node.
    :param is_true: whether it holds; asked before each callback.
    :param until: time.monotonic() to give up at, seconds.
    :returns: whether it came to hold in time.
    :raises ExternalShutdownException: if the node is told to end.
    """
    while not is_true():
        left = until - time.monotonic()
        executor.spin_once(timeout_sec=min(max(left, 0.0), _GLANCE))
        if is_over(node):
            raise ExternalShutdownException
        if time.monotonic() >= until:
            return is_true()
    return True


def _say_error(node: Node | None, text: str) -> None:
    if node is not None and rclpy.ok():
        node.get_logger().error(text)
    else:
        print(f'error: {text}', file=sys.stderr, flush=True)
