"""From boxes in a picture to meshes in its pixels: crop, network, back to the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from handmesh_model.backends import Backend
from handmesh_model.backends.interface import reason_of
from handmesh_model.boxes import intersection_over_union
from handmesh_model.crop import CROP_MARGIN, apply_affine, crop_hands, image_from_crop
from handmesh_model.device_image import DeviceImage, crop_on_device
from handmesh_model.errors import BackendError
from handmesh_model.hand import HandBox, Side
from handmesh_model.lixels import LixelScale
from handmesh_model.stopwatch import Stopwatch

if TYPE_CHECKING:
    from handmesh_model.network.config import NetworkConfig

_SETTLED_IOU = 0.7
"""Overlap from which two crops show about the same."""
CLEAR_SIDE_ODDS = 2.0
"""Log-odds by which the network must prefer the other side to overrule the one that was given."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """
    One hand in one picture, before it has a place in space.

    :param source: the box that the crop was cut around; its side is the one assumed.
    :param presence: 0..1, probability that the crop shows a hand; from networks that cannot tell,
        the score of the box.
    :param side_agreement: 0..1, probability that the hand is of the assumed side.
    :param joints_image: (21, 2) pixels.
    :param joints_depth: (21,) metres relative to the wrist at the reference hand size.
    :param vertices_image: (V, 2) pixels.
    :param vertices_depth: (V,) like ``joints_depth``.
    :param confidence: (21,) 0..1.
    :param refined: whether the refine stage has run; else the mesh is the rough one.
    """

    source: HandBox
    presence: float
    side_agreement: float
    joints_image: np.ndarray
    joints_depth: np.ndarray
    vertices_image: np.ndarray
    vertices_depth: np.ndarray
    confidence: np.ndarray
    refined: bool = True

    @property
    def side_odds(self) -> float:
        """Log-odds that the hand is of the assumed side."""
        agreement = min(max(self.side_agreement, 1e-6), 1 - 1e-6)
        return math.log(agreement / (1 - agreement))

    @property
    def side(self) -> Side:
        """The side that was assumed for this estimate."""
        return 'left' if self.source.side == 'left' else 'right'

    @cached_property
    def box(self) -> HandBox:
        """The tight box of the mesh."""
        source = self.source
        return HandBox.around(
            self.vertices_image, score=self.presence, side=self.side, track_id=source.track_id
        )

    @property
    def crop_side(self) -> float:
        """Side of the crop in pixels of the picture."""
        return CROP_MARGIN * max(self.source.width, self.source.height)


class HandEstimator:
    """
    The mesh network applied to boxes.

    :param backend: runs the network.
    :param config: of that network.
    :param stopwatch: measures the stages 'crop' and 'network'.
    :ivar depth_axis: what depth is measured along, as the network's configuration says.
    :ivar tells_presence: whether the network says if there is a hand in a crop.
    :ivar tells_side: whether it says of which side; else a look both ways tells nothing.
    """

    refine = True
    """Whether the opened picture's meshes shall be refined; False lets backends leave that out."""

    def __init__(self, backend: Backend, config: NetworkConfig, stopwatch: Stopwatch) -> None:
        self.backend = backend
        self.stopwatch = stopwatch
        self.input_size = config.input_size
        self.tells_presence, self.tells_side = config.presence, config.side
        self.depth_axis = config.depth_axis
        self.lixels = LixelScale(config.input_size, config.heatmap_size)
        self._picture: DeviceImage | None = None

    def open(self, rgb: np.ndarray, refine: bool = True) -> DeviceImage:
        """
        Begin with a new picture: what is on the device of the last one is not used any more.

        :param rgb: (H, W, 3) uint8; later calls with this very array share its copy on the device.
        :param refine: see :attr:`refine`.
        """
        self.refine = refine
        self._picture = DeviceImage(rgb)
        return self._picture

    def close(self) -> None:
        """Share the opened picture no more: its array may hold another one from now on."""
        self._picture = None

    def picture(self, rgb: np.ndarray) -> DeviceImage:
        """The opened picture if it is this very array, else one for this call alone."""
        opened = self._picture
        return opened if opened is not None and opened.rgb is rgb else DeviceImage(rgb)

    def estimate(self, rgb: np.ndarray, boxes: Sequence[HandBox]) -> list[Estimate]:
        """
        One estimate a box, in one run of the network; a box without side is taken as a right hand.

        :param rgb: (H, W, 3) uint8.
        :raises BackendError: if running the network fails or gives no finite numbers.
        """
        if not boxes:
            return []
        with self.stopwatch('crop'):
            try:
                crops, affines = self._crops(rgb, boxes)
            except RuntimeError as error:
                # As of a GPU that has no room for a large picture.
                raise BackendError(
                    f'hands cannot be cut out on {self.backend.device}: {reason_of(error)}'
                ) from error
        with self.stopwatch('network'):
            result = self.backend.run(crops, self.refine)
        for name in ('vertices', 'joints', 'presence', 'right', 'confidence'):
            if not np.isfinite(getattr(result, name)).all():
                raise BackendError(
                    f"the network ({self.backend.name}) gave NaN or infinite values in '{name}', "
                    'expected finite ones'
                )
        vertices = self.lixels.from_lixels(result.vertices)
        joints = self.lixels.from_lixels(result.joints)
        vertices_image = apply_affine(affines, vertices[..., :2])
        joints_image = apply_affine(affines, joints[..., :2])
        return [
            Estimate(
                source=box,
                presence=float(result.presence[i]) if self.tells_presence else box.score,
                # A mirrored crop shows a right hand if the box holds a left one.
                side_agreement=float(result.right[i]),
                joints_image=joints_image[i],
                joints_depth=joints[i, :, 2].astype(np.float64),
                vertices_image=vertices_image[i],
                vertices_depth=vertices[i, :, 2].astype(np.float64),
                confidence=result.confidence[i],
                refined=result.refined,
            )
            for i, box in enumerate(boxes)
        ]

    def _crops(
        self, rgb: np.ndarray, boxes: Sequence[HandBox]
    ) -> tuple[np.ndarray | Tensor, np.ndarray]:
        """Crops where the backend wants them, and their (N, 2, 3) affines to the image."""
        device = self.backend.device
        if device.type == 'cpu':
            crop = crop_hands(rgb, boxes, self.input_size)
            return crop.images, crop.image_from_crop
        affines = np.stack(
            [image_from_crop(box, self.input_size, box.side == 'left') for box in boxes]
        )
        image = self.picture(rgb).on(device)
        return crop_on_device(image, affines, self.input_size), affines

    def with_likelier_sides(
        self, rgb: np.ndarray, estimates: Sequence[Estimate], doubt_given: bool = True
    ) -> list[Estimate]:
        """
        The same estimates, or those of the mirrored crops where these fit better.

        Both crops are looked at: whatever the network thinks of hands in general, such as that
        most are right ones, is in both of its opinions and cancels out.

        :param doubt_given: whether a clear opinion of the network overrules the side that a box
            came with; where it came without one, the network's opinion always counts.
        """
        chosen = list(estimates)
        if not self.tells_side:
            return chosen
        doubted = [i for i, e in enumerate(estimates) if doubt_given or e.source.side is None]
        others = self.estimate(rgb, [mirrored(chosen[i].source) for i in doubted])
        for i, other in zip(doubted, others, strict=True):
            chosen[i] = likelier(chosen[i], other)
        return chosen


def mirrored(box: HandBox) -> HandBox:
    """The box for a look at the same crop as one of the other side's hand."""
    return replace(box, side=other_side(box.side or 'right'))


def likelier(estimate: Estimate, other: Estimate) -> Estimate:
    """
    The one of two looks at a crop that fits better.

    :param estimate: with the side that its box came with, which counts for something.
    :param other: of the :func:`mirrored` box.
    """
    needed = 0.0 if estimate.source.side is None else CLEAR_SIDE_ODDS
    return other if other.side_odds - estimate.side_odds > needed else estimate


def other_side(side: Side) -> Side:
    """The side of the other hand."""
    return 'left' if side == 'right' else 'right'


def same_hand(a: Estimate, b: Estimate) -> bool:
    """
    Whether two estimates show one hand: joints lie on joints, or boxes cover each other.

    Two hands that touch have overlapping boxes too, hence the high bar for boxes.
    """
    distance = np.linalg.norm(a.joints_image - b.joints_image, axis=1).mean()
    near = distance < 0.15 * min(a.box.diagonal, b.box.diagonal)
    return bool(near) or intersection_over_union(a.box, b.box) > 0.65


def recropped(estimate: Estimate) -> HandBox:
    """The box for another look at the same hand: its mesh's, of a size not far from the last."""
    box, before = estimate.box, estimate.source
    side, side_before = box.longer_side, before.longer_side
    wanted = min(max(side, 0.5 * side_before), 2.0 * side_before)
    grow = (wanted - side) / 2
    return replace(
        before,
        x_min=box.x_min - grow,
        y_min=box.y_min - grow,
        x_max=box.x_max + grow,
        y_max=box.y_max + grow,
        side=estimate.side,
    )


def is_settled(estimate: Estimate) -> bool:
    """Whether another crop around the mesh would be about the same crop."""
    return intersection_over_union(_square(estimate.box), _square(estimate.source)) > _SETTLED_IOU


def _square(box: HandBox) -> HandBox:
    (x, y), half = box.center, box.longer_side / 2
    return HandBox(x - half, y - half, x + half, y + half)


def without_duplicates(estimates: Sequence[Estimate]) -> list[Estimate]:
    """Estimates by falling presence, those left out that show the hand of a better one."""
    kept: list[Estimate] = []
    for estimate in sorted(estimates, key=lambda e: -e.presence):
        if not any(same_hand(estimate, other) for other in kept):
            kept.append(estimate)
    return kept
