"""From images to published hands: input, worker and outputs of a configured node, as one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rclpy.lifecycle import LifecycleNode

from handmesh_model.hand import HandBox
from handmesh_ros.box_input import BoxInput
from handmesh_ros.frame_worker import FrameWorker, Surroundings
from handmesh_ros.image_input import ImageInput
from handmesh_ros.monitor import Monitor
from handmesh_ros.node_parameters import DETECTOR, NodeParameters
from handmesh_ros.outputs import HandOutputs

if TYPE_CHECKING:
    from handmesh_model.tracker import HandTracker

LAZY_PAUSE = 5.0
"""Seconds that images go on being taken after the last listener has left."""
_PATIENCE = 5.0
"""Seconds without any image after which it is said."""


class HandStream:
    """
    Everything that is there from configuration to clean-up.

    :param node: subscriptions and publishers are made there.
    :param tracker: with a network ready to run; belongs to the stream from now on.
    :param monitor: of the images.
    :param surroundings: of the worker.
    """

    def __init__(
        self,
        node: LifecycleNode,
        tracker: HandTracker,
        monitor: Monitor,
        surroundings: Surroundings,
    ) -> None:
        self._monitor = monitor
        self._node = node
        self._surroundings = surroundings
        settings = surroundings.settings()
        topology = tracker.predictor.topology
        # First, since it may fail, and nothing else is there then that would have to be closed.
        self._boxes: BoxInput | None = None
        if settings.boxes != DETECTOR:
            self._boxes = BoxInput(
                node, settings.boxes, lambda text: surroundings.fault('boxes', text)
            )
        self._outputs = HandOutputs(node, topology, self._caption)
        self._worker = FrameWorker(tracker, self._outputs, monitor, surroundings, self._boxes_for)
        self._input = ImageInput(
            node,
            settings.image_transport,
            settings.image_reliability,
            self._worker.offer,
            lambda text: surroundings.fault('qos', text),
        )
        self.is_running = False
        """Whether images are taken as soon as somebody listens."""
        self._last_listened = float('-inf')

    @property
    def topic(self) -> str:
        """Full name of the topic of the images."""
        return self._input.topic

    @property
    def image_frame(self) -> str:
        """Frame of the newest image, '' while there is none."""
        return self._input.frame

    @property
    def is_taking(self) -> bool:
        """Whether images are subscribed to."""
        return self._input.is_taking

    def announce(self) -> None:
        """Say what stays the same; to be called once the node's publishers are active."""
        self._outputs.start()

    def start(self) -> None:
        """
        Take images from now on.

        :raises BackendError: if the worker is still busy with an image of before.
        """
        self._worker.start()
        self._monitor.begin()
        self.is_running = True
        self.follow_demand()

    def stop(self) -> bool:
        """
        Take no more images, and let RViz forget the hands while publishers are active.

        :returns: False if the image at hand is not done yet; its hands will not be published.
        """
        if not self.is_running:
            return True
        self.is_running = False
        self._release()
        has_ended = self._worker.stop()
        self._outputs.clear()
        return has_ended

    def close(self) -> None:
        """Let go of network, publishers and subscriptions; not to be used afterwards."""
        self.stop()
        self._worker.close()
        self._outputs.close()
        if self._boxes is not None:
            self._boxes.close()

    def forget_hands(self) -> None:
        """Let every hand be a new one from the next image on."""
        self._worker.forget()

    def busy_for(self) -> float:
        """Seconds that the image at hand takes by now."""
        return self._worker.busy_for()

    def network_facts(self) -> dict[str, str]:
        """What diagnostics say of the network at work."""
        refined = self._worker.refined
        if refined is None:
            return {}
        return {'refine stage': 'runs' if refined else 'left out'}

    def follow_demand(self) -> None:
        """Subscribe while somebody listens, in the way that the images' publishers offer."""
        if not self.is_running:
            return
        now = time.monotonic()
        settings = self._surroundings.settings()
        is_measuring = self._surroundings.hand_size.is_measuring
        if is_measuring or not settings.lazy or self._outputs.wanted(settings):
            self._last_listened = now
        if now - self._last_listened >= LAZY_PAUSE:
            self._release()
            return
        if not self._input.is_taking:
            self._monitor.begin()
            self._surroundings.depth.open(self._node)
        else:
            self._surroundings.depth.follow()
        self._input.take()

    def _release(self) -> None:
        """Take no images, nor the depth that goes with them."""
        self._input.release()
        self._surroundings.depth.close()

    def watch_for_images(self) -> None:
        """Say once that no image comes, and why that may be."""
        is_waiting = self._input.is_taking and not self._monitor.counts['received']
        is_silent = is_waiting and self._monitor.silence('received') > _PATIENCE
        if is_silent and 'silence' not in self._monitor.faults():
            self._surroundings.fault('silence', self._input.why_silent())

    def _boxes_for(self, stamp: float, width: int, height: int) -> list[HandBox] | None:
        if self._boxes is None:
            return None
        return self._boxes.for_image(
            stamp, width, height, self._surroundings.settings().boxes_max_age
        )

    def _caption(self) -> str:
        rate = f'{self._monitor.rate("processed"):.1f} fps'
        latency = self._monitor.percentiles('latency')
        return rate if latency is None else f'{rate}, {1000 * latency[0]:.0f} ms'


def load_tracker(settings: NodeParameters, attempt: int, ids: Iterator[int]) -> HandTracker:
    """
    A network, ready to follow hands.

    :param attempt: 0 at first; in the place of a network that fails, 1 loads the same once more,
        and later ones fall back to what runs anywhere, if that is allowed.
    :param ids: of its hands.
    :raises HandmeshError: if weights, device or backend cannot be used.
    """
    # PyTorch takes seconds to import; a node that only waits does without.
    from handmesh_model.predictor import HandMeshPredictor
    from handmesh_model.tracker import HandTracker

    device, backend, precision = settings.device, settings.backend, settings.precision
    if attempt > 1 and settings.fallback:
        device, backend, precision = 'cpu', 'eager', 'auto'
    return HandTracker(
        HandMeshPredictor(
            settings.weights,
            device,
            backend,
            settings.max_hands,
            settings.hand_size or None,
            precision,
        ),
        ids=ids,
    )
