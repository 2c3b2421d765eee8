"""How well photographs of real hands are understood: joints in the image and in space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handmesh_model.datasets.real_images import RealSample, read_real_images
from handmesh_model.evaluation.estimates import Estimate, Query, estimate_hands
from handmesh_model.joints import WRIST
from handmesh_model.metrics import align, box_diagonal, point_errors
from handmesh_model.network import HandMeshNet

PCK_SHARE = 0.05
"""Share of the box diagonal within which a joint counts as correct."""


def evaluate_network_on_real(
    net: HandMeshNet, root: str | Path, batch_size: int = 32
) -> dict[str, float]:
    """
    Measure a network on real photographs whose hands' boxes and sides are given.

    :param net: on any device; left in the mode it was in.
    :param root: a folder as :mod:`handmesh_model.datasets.real_images` describes it.
    :param batch_size: crops in one forward pass.
    :returns: flat figures such as ``labelled_error_2d`` (mean, share of the box diagonal, lower is
        better), ``labelled_pck_05``, ``labelled_pa_mpjpe_mm``, ``clip_error_2d``, ...
    :raises DatasetError: if a file is missing.
    """
    figures: dict[str, float] = {}
    for name, samples in read_real_images(root).items():
        rows = [
            score_sample(sample, estimate)
            for sample, estimate in zip(
                samples, estimate_on_reference_boxes(net, samples, batch_size), strict=True
            )
        ]
        summary = summarize(samples, rows)
        figures |= {f'{name}_{key}': value for key, value in summary.items()}
    return figures


def estimate_on_reference_boxes(
    net: HandMeshNet, samples: Sequence[RealSample], batch_size: int = 32
) -> list[Estimate]:
    """Run a network on the crops around the reference joints."""
    queries = [
        Query(lambda sample=sample: sample.rgb, sample.vertex_box, sample.intrinsics)  # type: ignore[misc]
        for sample in samples
    ]
    return list(estimate_hands(net, queries, batch_size))


def score_sample(sample: RealSample, estimate: Estimate | None) -> dict[str, float]:
    """
    Compare one estimate with the reference; without an estimate the hand was not found.

    :returns: ``found`` 0 or 1 and, if found, ``error_2d`` (mean, share of the diagonal of the
        reference joints' box), ``pck_05`` (share of joints within 0.05 of it) and, where the
        reference is three-dimensional, ``pa_mpjpe_mm`` (without mirroring) and ``mpjpe_mm``
        (relative to the wrist).
    """
    if estimate is None:
        return {'found': 0.0}
    relative = point_errors(estimate.joints_image, sample.joints_image)
    relative = relative / box_diagonal(sample.joints_image)
    row = {
        'found': 1.0,
        'error_2d': float(relative.mean()),
        'pck_05': float((relative <= PCK_SHARE).mean()),
    }
    if sample.joints_camera is not None:
        row |= _errors_in_space(estimate.joints_camera, sample.joints_camera)
    return row


def summarize(samples: Sequence[RealSample], rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """
    Average over samples.

    :returns: ``count``, ``found`` (share); the means over found hands whose reference is reliable
        of what :func:`score_sample` gives; and ``pck_05_all``, where a hand not found has no
        correct joint.
    """
    figures = {'count': float(len(rows)), 'found': _mean([row['found'] for row in rows])}
    judged = [row for sample, row in zip(samples, rows, strict=True) if sample.reliable]
    keys = {key: None for row in judged for key in row if key != 'found'}
    for key in keys:
        figures[key] = _mean([row[key] for row in judged if key in row])
    figures['pck_05_all'] = _mean([row.get('pck_05', 0.0) for row in judged])
    return figures


def _errors_in_space(predicted: np.ndarray, true: np.ndarray) -> dict[str, float]:
    rooted, true_rooted = predicted - predicted[WRIST], true - true[WRIST]
    return {
        'pa_mpjpe_mm': float(point_errors(align(predicted, true), true).mean() * 1000),
        'mpjpe_mm': float(point_errors(rooted, true_rooted).mean() * 1000),
    }


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else float('nan')
