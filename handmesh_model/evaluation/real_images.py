"""How well photographs of real hands are understood: joints in the image and in space."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from handmesh_model.boxes import intersection_over_union
from handmesh_model.datasets.real_images import RealSample, read_real_images
from handmesh_model.evaluation.estimates import NetworkRunner, Query
from handmesh_model.hand import Hand, HandBox
from handmesh_model.joints import WRIST
from handmesh_model.metrics import align, box_diagonal, iou, point_errors
from handmesh_model.network import HandMeshNet
from handmesh_model.zbuffer import NOTHING, visible_faces

if TYPE_CHECKING:
    from handmesh_model.predictor import HandMeshPredictor

PCK_SHARE = 0.05
"""Share of the box diagonal within which a joint counts as correct."""
FOUND_IOU = 0.1
"""Overlap with the reference joints' box from which a detected hand counts as the one sought."""

JOINTLESS = ('side', 'iou')
"""Figures that do not rest on reference joints."""

RESAMPLINGS = 2000
"""Times that photographs are drawn anew for the interval of a mean."""

Row = dict[str, float]


@dataclass(frozen=True, eq=False)
class RealResult:
    """
    What came out on one set of photographs.

    :param samples: the photographs.
    :param hands: the hand seen in each, or None.
    :param rows: the figures of each, see :func:`score_sample`.
    :param comparison: the figures of another method whose joints came with the photographs.
    """

    samples: Sequence[RealSample]
    hands: Sequence[Hand | None]
    rows: Sequence[Row]
    comparison: Sequence[Row] | None = None

    @property
    def summary(self) -> Row:
        """Means over the photographs, see :func:`summarize`."""
        return summarize(self.samples, self.rows)

    @property
    def interval(self) -> tuple[Row, Row]:
        """How far the means may be off by the choice of photographs, see :func:`interval`."""
        return interval(self.samples, self.rows)

    @property
    def comparison_summary(self) -> Row | None:
        """The same of the other method."""
        if self.comparison is None:
            return None
        return summarize(self.samples, self.comparison)


def evaluate_network_on_real(
    net: HandMeshNet, root: str | Path, batch_size: int = 32
) -> dict[str, float]:
    """
    Measure a network on real photographs whose hands' boxes and sides are given.

    :param net: on any device; left in the mode it was in.
    :param root: a folder as :mod:`handmesh_model.datasets.real_images` describes it.
    :param batch_size: crops in one forward pass.
    :returns: flat figures such as ``labelled_error_2d`` (mean, share of the box diagonal, lower is
        better), ``labelled_pck_05``, ``labelled_pa_mpjpe_mm``, ``clip_error_2d``, ``clip_iou``.
    :raises DatasetError: if a file is missing.
    """
    figures: dict[str, float] = {}
    for name, samples in read_real_images(root).items():
        queries = [Query(sample.load, sample.vertex_box, sample.intrinsics) for sample in samples]
        hands = NetworkRunner(net, batch_size=batch_size).estimate(queries)
        rows = [
            score_sample(sample, hand, net.topology.faces)
            for sample, hand in zip(samples, hands, strict=True)
        ]
        figures |= {f'{name}_{key}': value for key, value in summarize(samples, rows).items()}
    return figures


def evaluate_predictor_on_real(
    predictor: HandMeshPredictor,
    root: str | Path,
    reference_boxes: bool = False,
    watch: Callable[[Sequence[RealSample]], Iterable[RealSample]] = iter,
) -> dict[str, RealResult]:
    """
    Measure the whole predictor, detector included, on real photographs.

    :param root: a folder as :mod:`handmesh_model.datasets.real_images` describes it.
    :param reference_boxes: give the predictor the reference boxes instead of letting it look: what
        the network does without the detector's mistakes.
    :param watch: wraps the loop over samples, for a progress bar.
    :returns: results of 'labelled' and 'clip', those that the folder holds.
    :raises DatasetError: if a file is missing.
    """
    results = {}
    faces = predictor.topology.faces
    for name, samples in read_real_images(root).items():
        hands: list[Hand | None] = []
        for sample in watch(samples):
            boxes = [sample.vertex_box] if reference_boxes else None
            found = predictor.predict(sample.load(), sample.intrinsics, boxes)
            hands.append(found[0] if reference_boxes else _matching(found, sample.box))
        rows = [score_sample(s, hand, faces) for s, hand in zip(samples, hands, strict=True)]
        results[name] = RealResult(samples, hands, rows, _compare(samples))
    return results


def score_sample(sample: RealSample, hand: Hand | None, faces: np.ndarray) -> Row:
    """
    Compare one hand with the reference; None was not found.

    :param faces: (F, 3) of the hand's mesh.
    :returns: ``found`` 0 or 1 and, if found, ``error_2d`` (mean, share of the diagonal of the
        reference joints' box), ``pck_05`` (share of joints within 0.05 of it), ``side`` (1 if it
        is right); where the reference is three-dimensional, ``pa_mpjpe_mm`` (without mirroring)
        and ``mpjpe_mm`` (relative to the wrist); where there is a silhouette, ``iou`` with it
        inside the area where it is valid.
    """
    if hand is None:
        return {'found': 0.0}
    row = _joint_row(sample, hand.joints_image, hand.joints_camera)
    row['side'] = float(hand.side == sample.side)
    if sample.mask is not None:
        valid = np.ones_like(sample.mask) if sample.mask_valid is None else sample.mask_valid
        painted = silhouette(hand.vertices_image, faces, *sample.mask.shape)
        row['iou'] = iou(painted & valid, sample.mask & valid)
    return row


def summarize(samples: Sequence[RealSample], rows: Sequence[Row]) -> Row:
    """
    Average over samples.

    :returns: ``count``, ``found`` (share); the means over found hands of what
        :func:`score_sample` gives, of joints where the reference is reliable; and ``pck_05_all``,
        where a hand not found has no correct joint.
    """
    figures = {'count': float(len(rows))}
    return figures | {key: _mean(values) for key, values in _figures(samples, rows).items()}


def interval(samples: Sequence[RealSample], rows: Sequence[Row]) -> tuple[Row, Row]:
    """
    Where the means of :func:`summarize` would lie in 95 of 100 sets of such photographs, by
    the percentile bootstrap (Efron, 1979).

    For photographs that are independent of each other; frames of a clip are not.

    :returns: lower and upper end of each mean.
    """
    rng = np.random.default_rng(0)
    low, high = {}, {}
    for key, values in _figures(samples, rows).items():
        if values:
            means = rng.choice(values, (RESAMPLINGS, len(values))).mean(axis=1)
            low[key], high[key] = map(float, np.percentile(means, [2.5, 97.5]))
    return low, high


def _figures(samples: Sequence[RealSample], rows: Sequence[Row]) -> dict[str, list[float]]:
    """The values that each mean is of."""
    judged = [row for sample, row in zip(samples, rows, strict=True) if sample.reliable]
    figures = {'found': [row['found'] for row in rows]}
    for key in {key: None for row in rows for key in row if key != 'found'}:
        counting = rows if key in JOINTLESS else judged
        figures[key] = [row[key] for row in counting if key in row]
    figures['pck_05_all'] = [row.get('pck_05', 0.0) for row in judged]
    return figures


def silhouette(
    vertices_image: np.ndarray, faces: np.ndarray, height: int, width: int
) -> np.ndarray:
    """
    Pixels that a mesh covers.

    :param vertices_image: (V, 2) pixels.
    :param faces: (F, 3).
    :returns: (height, width) bool.
    """
    flat = torch.from_numpy(np.pad(vertices_image, ((0, 0), (0, 1))))[None]
    seen = visible_faces(flat, torch.from_numpy(faces.astype(np.int64)), height, width)
    return (seen[0] != NOTHING).numpy()


def _compare(samples: Sequence[RealSample]) -> list[Row] | None:
    """Figures of the other method's joints, if there are any."""
    if all(sample.comparison_image is None for sample in samples):
        return None
    return [
        {'found': 0.0}
        if sample.comparison_image is None
        else _joint_row(sample, sample.comparison_image, sample.comparison_camera)
        for sample in samples
    ]


def _joint_row(
    sample: RealSample, joints_image: np.ndarray, joints_camera: np.ndarray | None
) -> Row:
    relative = point_errors(joints_image, sample.joints_image)
    relative = relative / box_diagonal(sample.joints_image)
    row = {
        'found': 1.0,
        'error_2d': float(relative.mean()),
        'pck_05': float((relative <= PCK_SHARE).mean()),
    }
    if sample.joints_camera is not None and joints_camera is not None:
        true = sample.joints_camera
        rooted = joints_camera - joints_camera[WRIST]
        aligned_errors = point_errors(align(joints_camera, true), true)
        row['pa_mpjpe_mm'] = float(aligned_errors.mean() * 1000)
        row['mpjpe_mm'] = float(point_errors(rooted, true - true[WRIST]).mean() * 1000)
    return row


def _matching(hands: Sequence[Hand], box: HandBox) -> Hand | None:
    """The hand whose joints' box overlaps the reference's most, if it does so at all."""

    def overlap(hand: Hand) -> float:
        return intersection_over_union(HandBox.around(hand.joints_image), box)

    best = max(hands, key=overlap, default=None)
    return best if best is not None and overlap(best) >= FOUND_IOU else None


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else float('nan')
