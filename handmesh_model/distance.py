"""How far away a hand is: by a depth image, or by a size that it has or is taken to have."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from handmesh_model.camera import lift
from handmesh_model.depth_image import DepthView, sample_surface
from handmesh_model.depth_solver import solve_depth
from handmesh_model.errors import DepthError
from handmesh_model.hand import ScaleSource
from handmesh_model.scale_solver import (
    PointNoise,
    ScaleSolution,
    relative_size,
    rigid_lengths,
    solve_wrist_depth,
)
from handmesh_model.topology import HandTopology

MEAN_SIZE_SPREAD = 0.07
"""Relative standard deviation of hand size in the population, hence of a depth from it."""
KNOWN_SIZE_SPREAD = 0.03
"""The same where the user says the hand size: by a ruler (2 %), and of the palm alone, which
differs by 4 % among hands with the same fingers; about half of that comes through."""
MEASURED_SIZE_SPREAD = 0.05
"""The same where a depth image told it before: how much that differs from pose to pose."""
_SIZE_SPREADS = {
    ScaleSource.MEAN: MEAN_SIZE_SPREAD,
    ScaleSource.PARAMETER: KNOWN_SIZE_SPREAD,
    ScaleSource.MEASURED: MEASURED_SIZE_SPREAD,
}


@dataclass(frozen=True)
class Distance:
    """
    How far away a hand is, and how large.

    :param scale: its size over the topology's.
    :param stretch: metres of its relative depth over the network's: 1 if these are metric, else
        the scale.
    :param depth: of the wrist, metres.
    :param variance: of that depth.
    :param note: why a better source was not used, or ''.
    """

    source: ScaleSource
    scale: float
    stretch: float
    depth: float
    variance: float
    note: str = ''


NOWHERE = Distance(ScaleSource.NONE, 1.0, 1.0, 0.0, 0.0)
"""Of a hand without a camera."""


@dataclass(frozen=True, eq=False)
class Sighting:
    """
    A hand as the network sees it, in a camera that looks along the axis of its depth.

    :param joints: (21, 3) x / z, y / z, root-relative depth.
    :param vertices_depth: (V,) root-relative depth.
    :param noise: of the joints.
    :param focal: pixels.
    :param is_metric: whether depth is in metres of this hand, of whatever size it is; else it is
        for a hand of the topology's size.
    """

    joints: np.ndarray
    vertices_depth: np.ndarray
    noise: PointNoise
    focal: float
    is_metric: bool
    topology: HandTopology

    @property
    def lengths(self) -> np.ndarray:
        """(24,) metres, see :func:`handmesh_model.scale_solver.rigid_lengths`."""
        return rigid_lengths(self.topology)


def distance_of(
    seen: Sighting,
    depth: DepthView | None = None,
    measured_size: float | None = None,
    hand_size: float | None = None,
) -> Distance:
    """
    By the first that is there: a depth image, a size that one told before, a size that is set.

    :param depth: counts where enough of it agrees with the hand.
    :param measured_size: metres from wrist to middle knuckle.
    :param hand_size: likewise; without any of the three it is the mean hand's.
    """
    unit, at = _by_size(seen, hand_size, ScaleSource.PARAMETER)
    if depth is not None:
        at = _by_depth(depth, seen, unit, at)
    if measured_size is None or at.source is ScaleSource.DEPTH:
        return at
    # Not sooner: what a depth image once told must not decide what the next one may.
    measured = _by_size(seen, measured_size, ScaleSource.MEASURED)[1]
    return replace(measured, note=at.note)


def _by_size(
    seen: Sighting, size: float | None, source: ScaleSource
) -> tuple[ScaleSolution, Distance]:
    """
    From the lengths of the bones: twice the size, twice as far.

    :param size: metres, or None for the mean hand's.
    :param source: of the size, if it is given.
    :returns: the solution for a hand of the topology's size, and the distance.
    """
    scale = 1.0 if size is None else size / seen.topology.hand_size
    source = ScaleSource.MEAN if size is None else source
    shape = seen.joints[:, 2] / scale if seen.is_metric else seen.joints[:, 2]
    unit = solve_wrist_depth(seen.joints[:, :2], shape, seen.lengths, seen.noise)
    value = scale * unit.value
    variance = scale**2 * unit.variance + (_SIZE_SPREADS[source] * value) ** 2
    stretch = 1.0 if seen.is_metric else scale
    return unit, Distance(source, scale, stretch, value, variance)


def _by_depth(view: DepthView, seen: Sighting, unit: ScaleSolution, by_size: Distance) -> Distance:
    """From a depth image, or by size, with a note, where the depth image says too little."""
    try:
        pixel = by_size.depth / seen.focal
        samples = sample_surface(view, seen.vertices_depth, seen.topology, pixel)
        # What is measured is not refused because somebody said a size.
        spread = float(np.hypot(np.sqrt(unit.variance) / unit.value, MEAN_SIZE_SPREAD))
        mesh_noise = float(np.sqrt(np.mean(seen.noise.depth**2)))
        found = solve_depth(samples, unit.value, by_size.scale, spread, mesh_noise, seen.is_metric)
    except DepthError as error:
        return replace(by_size, note=str(error))
    scale = stretch = found.scale
    if seen.is_metric:
        # Joints at a known depth have a size; the unit's was of the one expected.
        known = lift(seen.joints[:, :2], found.wrist_depth + seen.joints[:, 2])
        scale, stretch = relative_size(known, seen.lengths), 1.0
    return Distance(ScaleSource.DEPTH, scale, stretch, found.wrist_depth, found.variance)
