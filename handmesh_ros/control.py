"""The services that steer a running node."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger


class ControlServices:
    """
    ``~/enable`` (std_srvs/SetBool) and ``~/reset_tracks`` (std_srvs/Trigger).

    They are there in every state of the life cycle; answers say what has become of the call.

    :param node: the services are made there.
    :param enable: takes images from now on, or no more; returns whether that went well, and what
        to tell the caller.
    :param reset: forgets all hands; returns whether there was anything running, and what to tell.
    """

    def __init__(
        self,
        node: Node,
        enable: Callable[[bool], tuple[bool, str]],
        reset: Callable[[], tuple[bool, str]],
    ) -> None:
        self._enable = enable
        self._reset = reset
        node.create_service(SetBool, '~/enable', self._on_enable)
        node.create_service(Trigger, '~/reset_tracks', self._on_reset)

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        response.success, response.message = self._enable(request.data)
        return response

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = self._reset()
        return response
