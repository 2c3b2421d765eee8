"""The services that steer a running node."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger


def offer_control(
    node: Node,
    enable: Callable[[bool], tuple[bool, str]],
    reset: Callable[[], tuple[bool, str]],
) -> None:
    """
    Offer ``~/enable`` (std_srvs/SetBool) and ``~/reset_tracks`` (std_srvs/Trigger).

    They are there in every state of the life cycle; answers say what has become of the call.

    :param node: the services are made there, and live as long as it.
    :param enable: takes images from now on, or no more; returns whether that went well, and what
        to tell the caller.
    :param reset: forgets all hands; returns whether there was anything running, and what to tell.
    """

    def on_enable(request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        response.success, response.message = enable(request.data)
        return response

    def on_reset(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = reset()
        return response

    node.create_service(SetBool, '~/enable', on_enable)
    node.create_service(Trigger, '~/reset_tracks', on_reset)
