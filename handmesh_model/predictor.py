"""A colour picture in, hands out: the array edge of the library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np

from handmesh_model.backends import choose_device, create_backend
from handmesh_model.backends.interface import reason_of
from handmesh_model.checkpoints import load_network
from handmesh_model.crop import check_box, check_image
from handmesh_model.detector import HandDetector, load_detector
from handmesh_model.errors import BackendError, ConfigError
from handmesh_model.estimator import (
    Estimate,
    HandEstimator,
    is_settled,
    recropped,
    without_duplicates,
)
from handmesh_model.hand import HAND_SIZE_RANGE, SIDES, Hand, HandBox, Side
from handmesh_model.hand_placing import place_estimate
from handmesh_model.placement import has_metric_depth
from handmesh_model.stopwatch import Stopwatch
from handmesh_model.topology import HandTopology
from handmesh_model.view import View
from handmesh_model.weight_files import chosen_weights, weight_files

PRESENCE_THRESHOLD = 0.5
"""Presence from which a detected hand is reported."""
SPARE_CANDIDATES = 2
"""Boxes beyond ``max_hands`` that the mesh network gets to judge: it tells hands from other things
better than the detector does."""


class HandMeshPredictor:
    """
    Finds hands in colour pictures and says where their meshes are.

    >>> predictor = HandMeshPredictor()
    >>> hands = predictor.predict(rgb, intrinsics)

    Threads may share one: it works on one picture at a time, and the others wait.

    :param weights: 'auto' for the shipped ones that suit the device, 'open' for those of the small
        network, 'open-large' for those of the large one, a folder with mesh.safetensors (and
        detector.safetensors), or the mesh network's file; without a detector beside it the shipped
        one is used.
    :param device: 'auto', 'cpu', 'cuda', 'cuda:1', ...; 'auto' is one that the backend runs on.
    :param backend: 'auto' or one of :data:`handmesh_model.backends.BACKENDS`.
    :param max_hands: hands at most that are reported in one picture.
    :param hand_size: metres from wrist to middle knuckle of the user, if known.
    :param precision: 'auto' or one of :data:`handmesh_model.backends.PRECISIONS`.
    :param side: 'left' or 'right' takes every hand for one of this side, whatever boxes say; None
        judges each.
    :raises CheckpointError: if weights are missing or damaged.
    :raises BackendError: if device or backend cannot be used here.
    :raises ConfigError: if a number is outside its range, or there is no such side.
    """

    lock: RLock
    """Held while a picture is worked on, over several calls by who makes them for one picture."""

    def __new__(cls, *arguments: Any, **more: Any) -> HandMeshPredictor:
        """Give every predictor its lock, whatever else it is made of."""
        predictor = super().__new__(cls)
        predictor.lock = RLock()
        return predictor

    def __init__(
        self,
        weights: str | Path = 'auto',
        device: str = 'auto',
        backend: str = 'auto',
        max_hands: int = 2,
        hand_size: float | None = None,
        precision: str = 'auto',
        side: str | None = None,
    ) -> None:
        if isinstance(max_hands, bool) or not isinstance(max_hands, int) or max_hands < 1:
            raise ConfigError(f'max_hands is {max_hands!r}, expected a whole number of at least 1')
        self.max_hands = max_hands
        self.hand_size = hand_size
        self.side = side
        self.device = choose_device(device, backend)
        self.weights = chosen_weights(weights, self.device)
        """What ``weights`` came to."""
        mesh_file, self._detector_file = weight_files(self.weights, self.device)
        net = load_network(mesh_file)
        self.topology: HandTopology = net.topology
        # Every hand may be looked at as one of the other side, too.
        self.backend = create_backend(backend, net, self.device, precision, 2 * max_hands)
        self.stopwatch = Stopwatch()
        """Seconds in 'detect', 'crop', 'network' and 'place' for the last picture."""
        self.estimator = HandEstimator(self.backend, net.config, self.stopwatch)
        self._detector: HandDetector | None = None

    @property
    def hand_size(self) -> float | None:
        """Metres from wrist to middle knuckle of the user; None for the population's mean."""
        return self._hand_size

    @hand_size.setter
    def hand_size(self, metres: float | None) -> None:
        low, high = HAND_SIZE_RANGE
        if metres is not None and not low <= metres <= high:
            raise ConfigError(f'hand_size is {metres} m, expected {low} to {high} m or None')
        self._hand_size = metres

    @property
    def most_candidates(self) -> int:
        """Boxes that the mesh network gets to judge in one picture, at most."""
        return self.max_hands + SPARE_CANDIDATES

    @property
    def side(self) -> Side | None:
        """The side that every hand is taken for; None if each is judged."""
        return self._side

    @side.setter
    def side(self, side: str | None) -> None:
        if side is not None and side not in SIDES:
            raise ConfigError(f"side is {side!r}, expected 'left', 'right' or None")
        self._side: Side | None = side  # type: ignore[assignment]

    def sided(self, boxes: Sequence[HandBox]) -> list[HandBox]:
        """The boxes with the side that every hand is taken for, if there is such."""
        if self.side is None:
            return list(boxes)
        return [replace(box, side=self.side) for box in boxes]

    def predict(
        self,
        rgb: np.ndarray,
        intrinsics: np.ndarray | None = None,
        boxes: Sequence[HandBox] | None = None,
        depth: np.ndarray | None = None,
        distortion: np.ndarray | None = None,
        fisheye: bool = False,
        refine: bool = True,
    ) -> list[Hand]:
        """
        Hands of one picture, best first; with boxes, one hand a box in their order.

        :param rgb: (H, W, 3) uint8 RGB.
        :param intrinsics: (3, 3) camera matrix K; None leaves metres root-relative.
        :param boxes: where the hands are, around hand without forearm; a box without side gets the
            side that the network sees, unless :attr:`side` says it. None looks for hands.
        :param depth: (H, W) registered depth image, uint16 millimetres or floating point metres;
            where it agrees with a hand, the hand's distance and size come from it. Needs
            intrinsics.
        :param distortion: the lens's coefficients in OpenCV's order, for a picture that is not
            rectified. A hand so far off the axis that the lens does not tell its rays stays
            root-relative, and :attr:`Hand.scale_note` says so.
        :param fisheye: whether they are of OpenCV's fisheye model.
        :param refine: False if only joints are wanted: the network's refine stage is then left
            out as soon as the backend is ready to, vertices are the rough mesh's, which lies less
            well on the picture, and joints come from it. :attr:`Hand.refined` says which it is.
        :raises ImageError: if picture or boxes cannot be used.
        :raises ShapeError: if an array has another shape.
        :raises IntrinsicsError: if there can be no such camera or lens, or no camera is given for
            the depth or the lens.
        """
        rgb = check_image(rgb)
        view = View.of(rgb, intrinsics, distortion, fisheye, depth)
        if boxes is not None:
            boxes = [check_box(box, rgb.shape[1], rgb.shape[0]) for box in boxes]
        with self.working_on(rgb, refine):
            estimates = self._find(rgb) if boxes is None else self._look_at(rgb, boxes)
            return [self.place(estimate, view) for estimate in estimates]

    @contextmanager
    def working_on(self, rgb: np.ndarray, refine: bool = True) -> Iterator[None]:
        """
        Work on a picture, while other threads wait; its array may be used for another one after.

        :param rgb: and ``refine``: as for :meth:`begin`.
        """
        with self.lock:
            self.begin(rgb, refine)
            try:
                yield
            finally:
                self.estimator.close()

    def begin(self, rgb: np.ndarray, refine: bool = True) -> None:
        """
        Begin with a new picture, even if it lies in the same memory as the last.

        :param rgb: (H, W, 3) uint8, checked.
        :param refine: for all estimates in it, as for :meth:`predict`.
        """
        self.stopwatch.restart()
        self.estimator.open(rgb, refine)

    def detect(self, rgb: np.ndarray) -> list[HandBox]:
        """
        Boxes that may hold hands in one picture, best first, some more than ``max_hands``.

        :param rgb: (H, W, 3) uint8 RGB.
        :raises CheckpointError: if there are no weights for the detector.
        :raises BackendError: if it cannot be used here, or running it fails.
        """
        rgb = check_image(rgb)
        with self.lock:
            if self._detector is None:
                self._detector = HandDetector(
                    load_detector(self._detector_file), self.device, self.backend.name
                )
            try:
                with self.stopwatch('detect'):
                    picture = self.estimator.picture(rgb)
                    return self._detector.detect(picture, self.most_candidates)
            except RuntimeError as error:
                raise BackendError(
                    f'the detector failed on {self.device}: {reason_of(error)}'
                ) from error

    def _look_at(self, rgb: np.ndarray, boxes: Sequence[HandBox]) -> list[Estimate]:
        """One estimate a box, in their order."""
        estimates = self.estimator.estimate(rgb, self.sided(boxes))
        return self.estimator.with_likelier_sides(rgb, estimates, doubt_given=False)

    def _find(self, rgb: np.ndarray) -> list[Estimate]:
        """Detect, estimate, look again where the first crop was off, keep what is a hand."""
        estimates = self.estimator.estimate(rgb, self.sided(self.detect(rgb)))
        if self.side is None:
            estimates = self.estimator.with_likelier_sides(rgb, estimates)
        estimates = [e for e in estimates if e.presence >= PRESENCE_THRESHOLD / 2]
        off = [i for i, estimate in enumerate(estimates) if not is_settled(estimate)]
        again = self.estimator.estimate(rgb, [recropped(estimates[i]) for i in off])
        for i, estimate in zip(off, again, strict=True):
            if estimate.presence >= estimates[i].presence - 0.1:
                estimates[i] = estimate
        present = [e for e in estimates if e.presence >= PRESENCE_THRESHOLD]
        return without_duplicates(present)[: self.max_hands]

    def place(self, estimate: Estimate, view: View, measured_size: float | None = None) -> Hand:
        """
        Give an estimate its place in space.

        :param view: of its picture, checked as :meth:`View.of` does.
        :param measured_size: metres from wrist to middle knuckle that depth told of this hand
            before; comes before :attr:`hand_size` where there is no depth.
        """
        with self.stopwatch('place'):
            return place_estimate(
                estimate,
                view,
                topology=self.topology,
                metric_depth=has_metric_depth(self.topology),
                depth_axis=self.estimator.depth_axis,
                hand_size=self.hand_size,
                measured_size=measured_size,
            )

    def close(self) -> None:
        """Let go of memory and devices; no thread may use the predictor any more."""
        # Without the lock: a network that hangs would hold it for ever.
        self.backend.close()
        self._detector = None
