"""What the hands of an image get their metres from, and what is said where it does not serve."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from std_msgs.msg import Header

from handmesh_model.errors import IntrinsicsError
from handmesh_model.hand import Hand, ScaleSource, TrackState
from handmesh_ros.calibration import Calibration
from handmesh_ros.depth_stream import DepthStream
from handmesh_ros.monitor import FaultKind, Monitor
from handmesh_ros.node_parameters import NodeParameters


class MetricInput:
    """
    The camera and the depth of each image.

    :param calibration: what is known of the camera, None if nothing can be relied on.
    :param depth: depth images to go with the images.
    :param fault: say and remember a fault of a kind.
    """

    def __init__(
        self,
        calibration: Callable[[], Calibration | None],
        depth: DepthStream,
        fault: Callable[[FaultKind, str], None],
        monitor: Monitor,
    ) -> None:
        self._calibration = calibration
        self._depth = depth
        self._fault = fault
        self._monitor = monitor

    def camera(self, width: int, height: int) -> Calibration | None:
        """The camera of an image of this size, pixels; None if it is not known."""
        camera = self._calibration()
        if camera is None:
            return None
        try:
            camera.check_size(width, height)
        except IntrinsicsError as error:
            self._fault('calibration', f'{error}; pixels only')
            return None
        return camera

    def depth(
        self, header: Header, shape: tuple[int, int], settings: NodeParameters
    ) -> np.ndarray | None:
        """
        The depth image of an image, waited for as the settings say.

        :param header: of the image.
        :param shape: its height and width.
        :returns: (H, W), whole millimetres or floating point metres, see
            :func:`handmesh_model.depth_image.check_depth`; None if there is none that can be used.
        """
        with self._monitor.stage('depth'):
            return self._depth.match(header, shape, settings.depth_tolerance, settings.depth_wait)

    def check(self, hands: Sequence[Hand], has_camera: bool, has_depth: bool) -> None:
        """
        Say that hands have no metres, or, once, that they are not from the depth image.

        :param hands: of one image.
        :param has_camera: whether its camera was known.
        :param has_depth: whether it had a depth image.
        """
        seen = [hand for hand in hands if hand.state is TrackState.TRACKED]
        placed = [hand for hand in seen if hand.is_metric]
        if has_camera and len(placed) < len(seen):
            why = next(hand.scale_note for hand in seen if not hand.is_metric)
            self._fault('calibration', f'{why}; pixels only')
        if has_depth and placed:
            self._check_depth(placed)

    def _check_depth(self, placed: Sequence[Hand]) -> None:
        """Judge the depth image by the hands that have metres."""
        notes = [f'{h.scale_note}; sizes come without depth' for h in placed if h.scale_note]
        if any(hand.scale_source is ScaleSource.DEPTH for hand in placed):
            self._depth.works()
            # Another hand may be where the depth camera does not see.
            for note in notes[:1]:
                self._monitor.fault('depth', note)
        elif notes:
            self._depth.fault(notes[0])
