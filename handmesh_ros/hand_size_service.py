"""The service that measures the user's hand and sets the parameter `hand_size` to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.parameter import Parameter
from rclpy.task import Future

from handmesh_model.errors import CalibrationError, ConfigError, HandmeshError
from handmesh_model.hand import Hand
from handmesh_model.hand_size import HandSize, HandSizeMeter
from handmesh_model.tag_plane import check_tag_size, find_tag_plane
from handmesh_ros.calibration import Calibration
from handmesh_ros.srv import CalibrateHandSize

if TYPE_CHECKING:
    from rclpy.node import Node

NAME = '~/calibrate_hand_size'
DEFAULT_DURATION = 3.0
LONGEST_DURATION = 60.0
_TICK = 0.05


class HandSizeService:
    """
    Looks at the hands of some seconds' images when asked to.

    While it does, :attr:`is_measuring` is true and :meth:`see` is to be called with each image
    and its hands, from any thread.

    :param node: the service is made there.
    :param why_not: what keeps the node from measuring, such as not being active, or ''.
    """

    def __init__(self, node: Node, why_not: Callable[[], str]) -> None:
        self._node = node
        self._why_not = why_not
        self._lock = threading.Lock()
        self._request: Any = None
        self._meter: HandSizeMeter | None = None
        # A group of its own: the answer takes seconds, and images must come in meanwhile.
        node.create_service(
            CalibrateHandSize, NAME, self._answer, callback_group=ReentrantCallbackGroup()
        )
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)

    @property
    def is_measuring(self) -> bool:
        """Whether images are wanted."""
        return self._meter is not None

    def see(self, rgb: np.ndarray, hands: Sequence[Hand], camera: Calibration | None) -> None:
        """
        Take in an image.

        :param hands: found in it, as placed and not smoothed.
        """
        with self._lock:
            meter, request = self._meter, self._request
        if meter is None:
            return
        if request.method == CalibrateHandSize.Request.DEPTH:
            meter.see_depth(hands)
            return
        plane = None
        if camera is not None:
            distortion = camera.distortion if camera.distortion.size else None
            try:
                plane = find_tag_plane(
                    rgb, camera.intrinsics, request.tag_size, distortion, camera.fisheye
                )
            except CalibrationError as error:
                meter.miss(str(error))
                return
        meter.see_plane(hands, plane)

    async def _answer(self, request: Any, response: Any) -> Any:
        try:
            duration = self._begin(request)
        except HandmeshError as error:
            response.message = str(error)
            return response
        try:
            why_ended = await self._look(duration)
            assert self._meter is not None
            size = _result(self._meter, why_ended)
            response.hand_size, response.spread = size.metres, size.spread
            response.frames = size.frames
            response.message = self._take(size, request.only_measure)
            response.success = True
        except HandmeshError as error:
            response.message = str(error)
        finally:
            with self._lock:
                self._meter = None
        self._node.get_logger().info(f'Hand size: {response.message}')
        return response

    def _begin(self, request: Any) -> float:
        """
        Begin to look.

        :returns: seconds to look for.
        :raises HandmeshError: if the request cannot be served, or not now.
        """
        duration = _checked_duration(request)
        with self._lock:
            if self._meter is not None:
                raise CalibrationError('a hand is being measured already')
            if reason := self._why_not():
                raise CalibrationError(reason)
            self._request = request
            self._meter = HandSizeMeter(request.side or None)
        return duration

    async def _look(self, duration: float) -> str:
        """
        Let images pass until the time is over, or the node stops taking them.

        :returns: why it stops taking them, or ''.
        """
        done = Future()
        end = time.monotonic() + duration

        def tick() -> None:
            reason = self._why_not()
            if not done.done() and (reason or time.monotonic() >= end):
                done.set_result(reason)

        timer = self._node.create_timer(_TICK, tick, clock=self._steady)
        try:
            return await done
        finally:
            self._node.destroy_timer(timer)

    def _take(self, size: HandSize, only_measure: bool) -> str:
        """
        Set the parameter, unless only the size is wanted.

        :returns: what to tell the user.
        """
        said = (
            f'{size.metres:.4f} m from wrist to middle knuckle, spread {size.spread:.4f} m, '
            f'{size.frames} frames'
        )
        if only_measure:
            return said
        # What a parameter holds is what a user would type.
        value = Parameter('hand_size', value=round(size.metres, 4))
        (result,) = self._node.set_parameters([value])
        if not result.successful:
            raise CalibrationError(f'{said}; the parameter refuses it: {result.reason}')
        return f'{said}; parameter hand_size is set'


def _result(meter: HandSizeMeter, why_ended: str) -> HandSize:
    """
    What was measured.

    :param why_ended: the time for it was cut short, or ''.
    :raises CalibrationError: if it is nothing of use.
    """
    try:
        return meter.result()
    except CalibrationError:
        if why_ended:
            # What is missing then is time, whatever the images showed.
            raise CalibrationError(f'cut short: {why_ended}') from None
        raise


def _checked_duration(request: Any) -> float:
    """
    Seconds to look for.

    :raises ConfigError: if a field of the request is out of range.
    """
    if request.method not in (CalibrateHandSize.Request.DEPTH, CalibrateHandSize.Request.TAG):
        raise ConfigError(f'method is {request.method}, expected 0 (depth) or 1 (tag)')
    if request.side not in ('', 'left', 'right'):
        raise ConfigError(f"side is '{request.side}', expected left, right or nothing")
    if request.method == CalibrateHandSize.Request.TAG:
        check_tag_size(request.tag_size)
    duration = request.duration or DEFAULT_DURATION
    if not 0 < duration <= LONGEST_DURATION:
        raise ConfigError(
            f'duration is {duration:g} s, expected up to {LONGEST_DURATION:g} s, or 0 for '
            f'{DEFAULT_DURATION:g} s'
        )
    return float(duration)
