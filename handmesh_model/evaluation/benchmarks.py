"""Networks on published datasets: the figures of FreiHAND, ObMan and EgoDexter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from handmesh_model.camera import project
from handmesh_model.crop import CROP_MARGIN
from handmesh_model.datasets.egodexter import INTRINSICS as EGODEXTER_INTRINSICS
from handmesh_model.datasets.egodexter import TipRecord
from handmesh_model.datasets.records import HandRecord
from handmesh_model.errors import ConfigError
from handmesh_model.evaluation.estimates import NetworkRunner, Query
from handmesh_model.hand import Hand, HandBox
from handmesh_model.joints import TIPS, WRIST
from handmesh_model.mano import VERTEX_COUNT
from handmesh_model.metrics import (
    align_each,
    align_fingertip_centroid,
    pck_auc,
    point_errors,
    pose_scores,
    silhouette_scores,
)
from handmesh_model.metrics.silhouettes import ALIGNMENT_SIZE
from handmesh_model.rendering import PartRenderer
from handmesh_model.topology import HandTopology

if TYPE_CHECKING:
    from handmesh_model.detector import HandDetector

BoxSource = Literal['reference', 'detected', 'image']
Watch = Callable[[Iterable[Hand]], Iterable[Hand]]
MM = 1000.0


@dataclass(frozen=True, eq=False)
class BenchmarkResult:
    """
    What a network made of a dataset.

    :param hands: one estimate a record.
    :param joints: (S, 21, 3) metres, predicted, camera frame.
    :param true_joints: (S, 21, 3) metres, or None where they are kept secret.
    :param aligned_joints: (S, 21, 3) metres, the predicted ones aligned with the true ones, if
        there are such.
    :param scores: the figures, empty without truth.
    """

    hands: Sequence[Hand]
    joints: np.ndarray
    true_joints: np.ndarray | None
    aligned_joints: np.ndarray | None
    scores: dict[str, float]


def evaluate_records(
    runner: NetworkRunner,
    records: Sequence[HandRecord],
    boxes: Sequence[HandBox],
    root_relative: bool = False,
    fingertips: Sequence[int] | None = None,
    watch: Watch = iter,
) -> BenchmarkResult:
    """
    Estimate every hand and compute pose, mesh and alignment figures.

    The joints are regressed from the final mesh, as submissions to the FreiHAND competition are.
    Alignment needs meshes of the network's own topology as truth.

    :param boxes: where the hand is in each picture.
    :param root_relative: compare relative to the wrist, for datasets that are measured so.
    :param fingertips: the dataset's, see :class:`handmesh_model.datasets.HandDataset`.
    :param watch: wraps the loop over hands, for a progress bar.
    """
    topology = runner.net.topology
    queries = [
        Query(record.load, box, record.intrinsics, record.hand_size(topology))
        for record, box in zip(records, boxes, strict=True)
    ]
    hands = list(watch(runner.estimate(queries)))
    vertices = np.stack([hand.vertices_camera for hand in hands])
    joints = _regressed(topology, vertices, fingertips)
    known = [record.joints_camera for record in records]
    if any(points is None for points in known):
        return BenchmarkResult(hands, joints, None, None, {})
    true_joints = np.stack([points for points in known if points is not None])
    true_vertices = [r.vertices_camera for r in records if r.vertices_camera is not None]
    if root_relative:
        roots, true_roots = joints[:, WRIST, None], true_joints[:, WRIST, None]
        true_vertices = [v - root for v, root in zip(true_vertices, true_roots, strict=False)]
        joints, vertices = joints - roots, vertices - roots
        true_joints = true_joints - true_roots
    has_meshes = len(true_vertices) == len(records)
    scores = {'count': float(len(records))}
    aligned = align_each(joints, true_joints)
    scores |= pose_scores(
        joints,
        true_joints,
        vertices if has_meshes else None,
        true_vertices if has_meshes else None,
        aligned,
    )
    if has_meshes and len(true_vertices[0]) == topology.vertex_count:
        scores |= _alignment_scores(topology, records, hands)
    return BenchmarkResult(hands, joints, true_joints, aligned, scores)


@dataclass(frozen=True, eq=False)
class TipResult:
    """
    What a network made of EgoDexter.

    :param errors: (S, 5) metres, fingertips after alignment by their centroid, NaN without truth.
    """

    hands: Sequence[Hand]
    errors: np.ndarray
    scores: dict[str, float]


def evaluate_tips(
    runner: NetworkRunner,
    records: Sequence[TipRecord],
    boxes: Sequence[HandBox],
    watch: Watch = iter,
) -> TipResult:
    """
    Estimate every hand of EgoDexter and measure its fingertips, aligned by their centroid; they
    are regressed from the final mesh as in :func:`evaluate_records`.

    :param boxes: where the hand is in each picture.
    :param watch: wraps the loop over hands, for a progress bar.
    """
    queries = [
        Query(record.load, box, EGODEXTER_INTRINSICS)
        for record, box in zip(records, boxes, strict=True)
    ]
    hands = list(watch(runner.estimate(queries)))
    joints = _regressed(runner.net.topology, np.stack([hand.vertices_camera for hand in hands]))
    errors = np.stack(
        [
            point_errors(
                align_fingertip_centroid(points, record.tips_camera)[list(TIPS)],
                record.tips_camera,
            )
            for points, record in zip(joints, records, strict=True)
        ]
    )
    scores = {
        'count': float(len(records)),
        'tip_error_mm': float(np.nanmean(errors) * MM),
        'tip_auc_20_50': pck_auc(errors, 0.02, 0.05),
        'tip_auc_0_50': pck_auc(errors, 0.0, 0.05),
    }
    return TipResult(hands, errors, scores)


def choose_boxes(
    records: Sequence[HandRecord | TipRecord],
    source: BoxSource,
    detector: HandDetector | None = None,
) -> list[HandBox]:
    """
    Where to cut the crops.

    :param source: 'reference' as the dataset says; 'detected' by the detector, the whole picture
        where it finds nothing; 'image' the whole picture. The side is always the dataset's.
    :raises ConfigError: if the dataset says nothing, or there is no detector.
    """
    boxes = []
    for record in records:
        if source == 'reference':
            box = record.box
            if box is None:
                raise ConfigError(
                    "boxes are 'reference', but the dataset has no labels to take them from; "
                    "expected 'detected' or 'image'"
                )
            boxes.append(box)
            continue
        rgb = record.load()
        found: Sequence[HandBox] = ()
        if source == 'detected':
            if detector is None:
                raise ConfigError("boxes are 'detected', but there is no detector")
            found = detector.detect(rgb, 1)
        best = found[0] if found else whole_picture(rgb)
        boxes.append(
            HandBox(best.x_min, best.y_min, best.x_max, best.y_max, best.score, record.side)
        )
    return boxes


def whole_picture(rgb: np.ndarray) -> HandBox:
    """The box whose crop is the largest centred square of a picture."""
    height, width = rgb.shape[:2]
    x, y, half = (width - 1) / 2, (height - 1) / 2, min(height, width) / CROP_MARGIN / 2
    return HandBox(x - half, y - half, x + half, y + half)


def _regressed(
    topology: HandTopology, vertices: np.ndarray, fingertips: Sequence[int] | None = None
) -> np.ndarray:
    """Joints (S, 21, 3) of meshes (S, V, 3); MANO's have the given vertices for fingertips."""
    joints = (topology.joint_regressor @ vertices).astype(np.float64)
    if fingertips is not None and topology.vertex_count == VERTEX_COUNT:
        joints[:, list(TIPS)] = vertices[:, list(fingertips)]
    return joints


def _alignment_scores(
    topology: HandTopology, records: Sequence[HandRecord], hands: Sequence[Hand]
) -> dict[str, float]:
    """Overlap of the painted meshes in pictures of 224 x 224 pixels."""
    renderer = PartRenderer(topology, ALIGNMENT_SIZE)
    # A byte a pixel: all pictures of a dataset are held at once.
    paintings = np.empty((2, len(records), ALIGNMENT_SIZE, ALIGNMENT_SIZE), dtype=np.int8)
    # All pictures of a dataset have one size.
    scale = ALIGNMENT_SIZE / max(records[0].load().shape[:2])
    for i, (record, hand) in enumerate(zip(records, hands, strict=True)):
        truth = record.vertices_camera
        assert truth is not None
        true_image = np.column_stack([project(truth, record.intrinsics), truth[:, 2]])
        predicted = np.column_stack([hand.vertices_image, hand.vertices_camera[:, 2]])
        for points, painted in zip((predicted, true_image), paintings[:, i], strict=True):
            points[:, :2] = (points[:, :2] + 0.5) * scale - 0.5
            painted[...] = renderer.part_maps(torch.from_numpy(points)[None])[0].numpy()
    return silhouette_scores(paintings[0], paintings[1])
