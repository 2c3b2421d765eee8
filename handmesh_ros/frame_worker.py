"""The thread that holds the network: takes the newest image, finds the hands, publishes them."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from handmesh_model.errors import BackendError, HandmeshError, ImageError
from handmesh_model.hand import Hand, HandBox, TrackState
from handmesh_ros.calibration import Calibration
from handmesh_ros.camera_changes import CameraChanges
from handmesh_ros.compressed_images import compressed_image_to_rgb
from handmesh_ros.conversions import is_finite
from handmesh_ros.depth_stream import DepthStream
from handmesh_ros.hand_size_service import HandSizeService
from handmesh_ros.image_times import ImageTimes
from handmesh_ros.images import image_to_rgb
from handmesh_ros.metric_input import MetricInput
from handmesh_ros.monitor import FaultKind, Monitor
from handmesh_ros.newest import NewestSlot
from handmesh_ros.node_parameters import ANY_SIDE, NodeParameters
from handmesh_ros.outputs import JOINTS_ONLY, HandOutputs, Picture
from handmesh_ros.recovery import Recovery
from handmesh_ros.stamps import UNSTAMPED, stamp_to_nanoseconds
from handmesh_ros.steadying import Steadier

if TYPE_CHECKING:
    # PyTorch comes with it, and takes seconds that a node that only waits does without.
    from handmesh_model.tracker import HandTracker

JOIN_TIMEOUT = 10.0
"""Seconds that the image at hand may take when the worker shall end."""


class Surroundings(NamedTuple):
    """
    What the worker asks of its node; all of it may be called from the worker's thread.

    :param settings: the parameters of the moment.
    :param calibration: what is known of the camera, None if nothing can be relied on.
    :param now: seconds, by the node's clock.
    :param fault: say and remember a fault of a kind.
    :param is_alive: whether messages can still be sent.
    :param load: makes a tracker with a network; the argument counts attempts to replace one that
        fails. May raise what loading raises.
    :param report: gets, of every image answered, the seconds that it took from when it was taken
        up, and from its stamp.
    :param depth: depth images to go with the images.
    :param hand_size: measures hands when asked to.
    """

    settings: Callable[[], NodeParameters]
    calibration: Callable[[], Calibration | None]
    now: Callable[[], float]
    fault: Callable[[FaultKind, str], None]
    is_alive: Callable[[], bool]
    load: Callable[[int], HandTracker]
    report: Callable[[float, float], None]
    depth: DepthStream
    hand_size: HandSizeService


class FrameWorker:
    """
    Serves images one at a time; those that come meanwhile give way to the newest one.

    Whatever goes wrong with an image is said, and the next one is served.

    :param tracker: used by the worker's thread alone.
    :param outputs: where hands go.
    :param boxes: hands that others have found in the image of a stamp, width and height; None
        leaves it to the detector. Called from the worker's thread, too.
    """

    def __init__(
        self,
        tracker: HandTracker,
        outputs: HandOutputs,
        monitor: Monitor,
        surroundings: Surroundings,
        boxes: Callable[[float, int, int], list[HandBox] | None],
    ) -> None:
        self._tracker = tracker
        self._outputs = outputs
        self._monitor = monitor
        self._surroundings = surroundings
        self._boxes = boxes
        self._steadier = Steadier(surroundings.now, surroundings.fault)
        self._slot: NewestSlot[Image | CompressedImage] = NewestSlot()
        self._thread: threading.Thread | None = None
        self._times = ImageTimes(surroundings.now, surroundings.fault, monitor)
        self._changes = CameraChanges()
        self._metric_input = MetricInput(
            surroundings.calibration, surroundings.depth, surroundings.fault, monitor
        )
        self._recovery = Recovery()
        self._is_broken = self._is_inferring = False
        self._origin: int | None = None
        self._forget = threading.Event()
        self._busy_since = float('inf')
        self.refined: bool | None = None
        """Whether the last hands were refined; None before any."""

    def start(self) -> None:
        """
        Begin to serve.

        :raises BackendError: if an image of before is still being worked on.
        """
        if self._thread is not None and self._thread.is_alive():
            raise BackendError(f'the last image takes {self.busy_for():.0f} s by now')
        self._slot = NewestSlot()
        self._start_anew()
        self._times.reset()
        self._changes.reset()
        self._thread = threading.Thread(target=self._run, name='frames', daemon=True)
        self._thread.start()

    def _start_anew(self) -> None:
        """Forget all hands."""
        self._tracker.reset()
        self._steadier.reset()
        self._outputs.reset()
        self._origin = None

    def forget(self) -> None:
        """Forget all hands before the next image."""
        self._forget.set()

    def busy_for(self) -> float:
        """Seconds since the image at hand was taken up; 0 if there is none."""
        return max(0.0, time.monotonic() - self._busy_since)

    def stop(self) -> bool:
        """
        Finish the image at hand, of which nothing is published any more, and end.

        :returns: whether it has ended; an image that takes forever is not waited for.
        """
        self._slot.close()
        if self._thread is None:
            return True
        self._thread.join(JOIN_TIMEOUT)
        if self._thread.is_alive():
            self._surroundings.fault(
                'inference', f'an image is not done after {self.busy_for():.0f} s'
            )
            return False
        self._thread = None
        return True

    def close(self) -> None:
        """Let go of the network; the worker is not used afterwards."""
        # What is in use must not be pulled away.
        if self.stop():
            self._tracker.predictor.close()

    def offer(self, message: Image | CompressedImage) -> None:
        """Lay down the newest image; never waits."""
        self._monitor.count('received')
        if self._slot.put(message):
            self._monitor.count('dropped')

    def _run(self) -> None:
        while (message := self._slot.take()) is not None:
            self._busy_since = time.monotonic()
            try:
                self._serve(message)
            except ImageError as error:
                self._monitor.count('faulty')
                self._surroundings.fault('image', str(error))
            except Exception as error:  # the thread must outlive whatever an image brings about
                if not self._surroundings.is_alive():
                    return  # somebody has ended ROS in the middle of this image
                self._fail(error)
            finally:
                self._busy_since = float('inf')
                self._is_inferring = False

    def _fail(self, error: Exception) -> None:
        """Say what went wrong with an image; a network that it went wrong in may be replaced."""
        text = str(error)
        if not isinstance(error, HandmeshError):
            text = f'{type(error).__name__}: {error}\n{traceback.format_exc(limit=-2)}'
        self._monitor.count('failed')
        self._surroundings.fault('inference' if self._is_inferring else 'serving', text)
        # Another network would not help against what happens before or after it.
        attempt = self._recovery.note_failure() if self._is_inferring else 0
        if attempt:
            self._load_anew(attempt)

    def _load_anew(self, attempt: int) -> None:
        """Replace a network that fails again and again; images that come meanwhile give way."""
        self._is_broken = True
        try:
            # First, since both may not fit into memory.
            self._tracker.predictor.close()
            tracker = self._surroundings.load(attempt)
            if attempt == 1:
                # Later on, the hands themselves may be what fails.
                tracker.take_over(self._tracker)
            self._tracker, self._is_broken = tracker, False
        except Exception as error:  # the next attempt may go better
            reason = f'{type(error).__name__}: {error}'
            self._surroundings.fault('inference', f'cannot load the network anew: {reason}')

    def _serve(self, message: Image | CompressedImage) -> None:
        settings = self._surroundings.settings()
        wanted = self._outputs.wanted(settings)
        measuring = self._surroundings.hand_size.is_measuring
        if not (wanted or measuring):
            self._monitor.count('unwatched')
            return
        stamp = self._times.stamp_of(message.header)
        is_stamped = stamp_to_nanoseconds(message.header.stamp) != UNSTAMPED
        if self._times.is_stale(stamp, settings.max_age):
            return
        if self._times.is_late(stamp, is_stamped):
            return
        if self._times.went_back(stamp):
            self._start_anew()
        start = time.perf_counter()
        rgb = _to_rgb(message)
        self._monitor.note('decode', time.perf_counter() - start)
        height, width = rgb.shape[:2]
        camera = self._metric_input.camera(width, height)
        self._check_camera(message, camera, rgb)
        depth = None
        if camera is not None:
            depth = self._metric_input.depth(message.header, (height, width), settings)
        # Meshes cost more than joints alone; a measurement of the hand rests on the best.
        refine = measuring or not wanted <= JOINTS_ONLY
        hands = self._hands(message.header, rgb, stamp, camera, depth, settings, refine)
        if self._slot.is_closed:
            self._monitor.count('dropped')
            return  # whoever has ended the worker wants no more hands, and may not have waited
        self._surroundings.hand_size.see(rgb, hands, camera)
        with self._monitor.stage('smooth'):
            steady = self._steadier.steady(hands, stamp, settings)
        with self._monitor.stage('publish'):
            picture = Picture(message, rgb, camera, hands)
            self._outputs.publish(steady, picture, wanted, settings)
        self._monitor.count('processed')
        self._surroundings.report(
            time.perf_counter() - start, self._times.note_age('latency', stamp)
        )

    def _check_camera(
        self, message: Image | CompressedImage, camera: Calibration | None, rgb: np.ndarray
    ) -> None:
        frame_id = message.header.frame_id
        if not frame_id:
            self._surroundings.fault(
                'frame', 'images have no frame_id: TF and RViz cannot place hands'
            )
        before = self._changes.other_frame(frame_id)
        if before is not None:
            self._surroundings.fault(
                'frame',
                f"images are of frame '{frame_id}' after '{before}': tracks start anew, expected "
                'one camera on a topic',
            )
        is_other = self._changes.other_rays(camera, rgb.shape[1], rgb.shape[0])
        if is_other and camera is not None:
            k = camera.intrinsics
            self._surroundings.fault(
                'calibration',
                f'camera_info shows another view than before, now of focal lengths {k[0, 0]:g}, '
                f'{k[1, 1]:g} around {k[0, 2]:g}, {k[1, 2]:g} pixels: tracks start anew, expected '
                'a lens that stays as it is',
            )
        if is_other or before is not None:
            self._start_anew()

    def _tracker_time(self, header: Header, stamp: float) -> float:
        """
        Seconds since the first image that there are tracks from.

        Of seconds since 1970 a float has only every 240th nanosecond, and messages shall say by
        the exact stamp in which image a hand was last seen.
        """
        now = stamp_to_nanoseconds(header.stamp) or round(stamp * 1e9)
        if self._origin is None:
            self._origin = now
        return (now - self._origin) * 1e-9

    def _hands(
        self,
        header: Header,
        rgb: np.ndarray,
        stamp: float,
        camera: Calibration | None,
        depth: np.ndarray | None,
        settings: NodeParameters,
        refine: bool,
    ) -> list[Hand]:
        """The hands of an image, those left out whose numbers no message can carry."""
        self._check_network()
        self._take_over(settings)
        if self._forget.is_set():
            self._forget.clear()
            self._tracker.reset()
        boxes = self._boxes(stamp, rgb.shape[1], rgb.shape[0])
        known: dict[str, Any] = {'boxes': boxes, 'refine': refine}
        if camera is not None:
            known |= {'intrinsics': camera.intrinsics, 'depth': depth}
            if camera.distortion.size:
                known |= {'distortion': camera.distortion, 'fisheye': camera.fisheye}
        hands = self._infer(rgb, self._tracker_time(header, stamp), **known)
        for stage, seconds in self._tracker.predictor.stopwatch.seconds.items():
            self._monitor.note(stage, seconds)
        seen = [hand.refined for hand in hands if hand.state is TrackState.TRACKED]
        self.refined = any(seen) if seen else self.refined
        self._metric_input.check(hands, camera is not None, depth is not None)
        good = [hand for hand in hands if is_finite(hand)]
        if len(good) < len(hands):
            self._surroundings.fault(
                'inference', 'a hand came out with numbers that are not finite'
            )
        return good

    def _check_network(self) -> None:
        if self._is_broken:
            self._is_inferring = True
            raise BackendError('there is no network since loading it anew has failed')

    def _infer(self, rgb: np.ndarray, when: float, **known: Any) -> list[Hand]:
        """What the tracker finds; only what fails in here may cost the network."""
        self._is_inferring = True
        hands = self._tracker.update(rgb, when, **known)
        self._is_inferring = False
        self._recovery.note_success()
        return hands

    def _take_over(self, settings: NodeParameters) -> None:
        """Let changes of parameters count from this image on."""
        predictor = self._tracker.predictor
        predictor.hand_size = settings.hand_size or None
        predictor.side = None if settings.side == ANY_SIDE else settings.side
        self._tracker.settings = replace(
            self._tracker.settings,
            enter_presence=settings.enter_presence,
            stay_presence=settings.stay_presence,
            hold_time=settings.hold_time,
            detect_period=settings.detect_period,
        )


def _to_rgb(message: Image | CompressedImage) -> np.ndarray:
    if isinstance(message, CompressedImage):
        return compressed_image_to_rgb(message)
    return image_to_rgb(message)
