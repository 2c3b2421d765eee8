"""
How far away a hand is, from a depth image of its surface.

With the mesh's depth m_i below pixel i, relative to the wrist and for a hand of the topology's
size, and the measured depth D_i, the wrist is at ``D_i - s m_i`` for a hand of s times that size.
All pixels that look at the hand agree on this; those that look past it, or at something before it,
do not. What most of them agree on is found as the densest place among the candidates, then refined
by least squares with Tukey's weights, which let outliers go altogether. Where another place is
nearly as dense, as of a thing that covers half the hand, the variance has both in it. The size s
follows: with the same rays, a hand at Z times the distance is Z times as large.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handmesh_model.depth_image import SurfaceSamples
from handmesh_model.errors import DepthError
from handmesh_model.joints import PARTS

SENSOR_BIAS = 0.01
"""Standard deviation of a depth camera's scale, relative; data sheets promise 2 % at most."""
LEAST_SAMPLES = 24
"""Measured pixels on a hand below which chance decides."""
LEAST_SHARE = 0.35
"""Share of the measured pixels that must agree on one distance."""
_GATE = 4.0
"""Standard deviations of the distance by bone lengths within which the depth is looked for."""
_WINDOW = 0.012
"""Metres to either side within which candidates agree: the unevenness of an estimated mesh."""
_APART = 4 * _WINDOW
"""Metres between two places that are not one surface of an uneven mesh."""
_TUKEY = 4.685
"""Tukey's constant: 95 % efficiency for normal noise."""
_LEAST_SCATTER, _MOST_SCATTER = 0.0005, 0.010
_ROUNDS = 4
_STEPS = 10
_CORRELATED = 9.0
"""Neighbouring pixels that share one error of the sensor."""


@dataclass(frozen=True)
class DepthSolution:
    """
    What a depth image says of a hand.

    :param wrist_depth: metres.
    :param variance: of it, square metres.
    :param scale: size of the hand over the topology's.
    :param share: of the measured pixels, 0..1, that agree.
    """

    wrist_depth: float
    variance: float
    scale: float
    share: float


def solve_depth(
    samples: SurfaceSamples,
    unit_depth: float,
    expected: float,
    spread: float,
    mesh_noise: float,
    metric: bool = False,
) -> DepthSolution:
    """
    The wrist's depth and the hand's size.

    :param unit_depth: depth Z by bone lengths for a hand of the topology's size, metres.
    :param expected: scale of the hand that is to be expected, about 1.
    :param spread: relative standard deviation of the distance that follows from it.
    :param mesh_noise: standard deviation of the mesh's relative depth for the topology's size.
    :param metric: whether the samples' offsets are this hand's already, of whatever size it is.
    :raises DepthError: if too little is measured, or too little of it agrees.
    """
    known = np.isfinite(samples.measured)
    measured, offsets = samples.measured[known], samples.offsets[known]
    if len(measured) < LEAST_SAMPLES:
        raise DepthError(
            f'depth is known at {len(measured)} of {len(known)} pixels on the hand, '
            f'expected {LEAST_SAMPLES} at least'
        )
    scale, depth, doubt = expected, expected * unit_depth, 0.0
    for round_number in range(_ROUNDS):
        candidates = measured - (1.0 if metric else scale) * offsets
        if round_number == 0:
            depth, doubt = _densest(candidates, depth, spread * depth)
        depth, scatter, weights = _refine(candidates, depth)
        scale = depth / unit_depth
    share = float((np.abs(candidates - depth) < 2 * _WINDOW).mean())
    if share < LEAST_SHARE:
        raise DepthError(
            f'{share:.0%} of the depth on the hand agrees on a distance, '
            f'expected {LEAST_SHARE:.0%} at least'
        )
    variance = (SENSOR_BIAS * depth) ** 2 + doubt
    variance += scatter**2 * _CORRELATED / max(float(weights.sum()), 1.0)
    variance += (mesh_noise * scale) ** 2 * _concentration(samples.parts[known], weights)
    return DepthSolution(depth, variance, scale, share)


def _densest(candidates: np.ndarray, expected: float, spread: float) -> tuple[float, float]:
    """
    Middle of the window that holds most candidates, the expected ones counting more.

    :returns: it, and the variance for it being another place: the densest one apart from it may
        be the right one instead, with the odds of their densities.
    :raises DepthError: if no candidate is near what is expected.
    """
    near = np.sort(candidates[np.abs(candidates - expected) < _GATE * spread])
    if not len(near):
        raise DepthError(
            f'depth puts the wrist at {np.median(candidates):.3g} m, its size at {expected:.3g} m '
            f'(give or take {_GATE * spread:.2g} m)'
        )
    ends = np.searchsorted(near, near + 2 * _WINDOW, side='right')
    counts = ends - np.arange(len(near))
    middles = near + _WINDOW
    density = counts * np.exp(-0.5 * ((middles - expected) / spread) ** 2)
    best = int(np.argmax(density))
    away = middles - middles[best]
    rivals = np.where(np.abs(away) > _APART, density, 0.0)
    rival = int(np.argmax(rivals))
    share = float(rivals[rival] / (density[best] + rivals[rival]))
    doubt = share * float(away[rival]) ** 2
    return float(np.median(near[best : ends[best]])), doubt


def _refine(candidates: np.ndarray, depth: float) -> tuple[float, float, np.ndarray]:
    """Depth, standard deviation and weights by iteratively reweighted least squares."""
    weights = np.zeros(len(candidates))
    scatter = _MOST_SCATTER
    for _ in range(_STEPS):
        residuals = candidates - depth
        close = np.abs(residuals) < 3 * _WINDOW
        if close.any():
            deviation = 1.4826 * float(np.median(np.abs(residuals[close])))
            scatter = float(np.clip(deviation, _LEAST_SCATTER, _MOST_SCATTER))
        ratio = residuals / (_TUKEY * scatter)
        weights = np.where(np.abs(ratio) < 1, (1 - ratio**2) ** 2, 0.0)
        total = float(weights.sum())
        if total <= 0:
            break
        depth, before = float(weights @ candidates) / total, depth
        if abs(depth - before) < 1e-6:
            break
    return depth, scatter, weights


def _concentration(parts: np.ndarray, weights: np.ndarray) -> float:
    """
    Variance of a mean over parts of the hand whose errors are independent, over that of one.

    1 if a single part is seen, 1/6 if all six are seen alike.
    """
    shares = np.bincount(parts, weights, minlength=len(PARTS))
    return float((shares**2).sum() / max(shares.sum() ** 2, 1e-12))
