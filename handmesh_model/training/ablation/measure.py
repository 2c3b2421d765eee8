"""The figures of one trained network: pose, mesh, and how well the mesh lies on the picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from handmesh_model.backends.exact_float32 import exact_float32
from handmesh_model.datasets.records import HandDataset
from handmesh_model.evaluation.benchmarks import evaluate_records
from handmesh_model.evaluation.estimates import NetworkRunner
from handmesh_model.metrics import silhouette_scores
from handmesh_model.metrics.silhouettes import ALIGNMENT_SIZE
from handmesh_model.network import HandMeshNet
from handmesh_model.rendering import PartRenderer
from handmesh_model.training.config import TrainingConfig
from handmesh_model.training.data import open_validation, validation_samples
from handmesh_model.training.setup import lixel_scale, network_config
from handmesh_model.training.validation import BATCH, to_tensors, validate


def check_measurable(config: TrainingConfig) -> None:
    """
    Look whether there is what a run will be measured on.

    :raises HandmeshError: if there is not, as of
        :func:`handmesh_model.training.data.open_validation`, or without meshes.
    """
    if config.data.kind != 'synthetic':
        open_validation(config, network_config(config))[0]


def measure(
    config: TrainingConfig, net: HandMeshNet, folder: Path, device: torch.device
) -> dict[str, float]:
    """
    Measure a network on its run's validation samples.

    Published datasets are measured as ``handmesh evaluate`` does: alignment in the pictures, at
    224 x 224. Crop samples are measured in the crop: alignment there, drawn at 224 x 224 too, so
    that a pixel of Hausdorff distance is a 224th of the crop.

    :param folder: keeps validation samples that have to be rendered.
    :returns: among others ``pa_mpjpe_mm``, ``pa_mpvpe_mm``, ``hand_miou``, ``hand_hausdorff_px``,
        ``finger_miou``, ``finger_hausdorff_px``.
    """
    net = net.to(device).eval()
    if config.data.kind in ('freihand', 'obman'):
        return _measure_records(config, net)
    samples = validation_samples(config, net, folder)
    assert samples is not None
    figures = validate(net, samples, lixel_scale(net), device)
    return {**figures, **alignment_in_crops(net, samples, device)}


def _measure_records(config: TrainingConfig, net: HandMeshNet) -> dict[str, float]:
    source = open_validation(config, net.config)
    assert isinstance(source, HandDataset)
    count = min(config.validation.samples, len(source))
    records = [source.record(i * len(source) // count) for i in range(count)]
    boxes = [record.box for record in records]
    runner = NetworkRunner(net, metric_depth=True)
    result = evaluate_records(
        runner,
        records,
        boxes,  # type: ignore[arg-type]
        source.root_relative,
        source.fingertips,
    )
    return result.scores


@torch.no_grad()
def alignment_in_crops(
    net: HandMeshNet, samples: Mapping[str, np.ndarray], device: torch.device
) -> dict[str, float]:
    """
    Overlap and Hausdorff distance of predicted and true meshes painted onto their crops.

    :param net: in evaluation mode.
    :param samples: arrays as in a batch, points in crop pixels; those without a mesh are left out.
    :returns: see :func:`handmesh_model.metrics.silhouette_scores`; empty without a mesh.
    """
    renderer = PartRenderer(net.topology, ALIGNMENT_SIZE).to(device)
    scale = lixel_scale(net)
    rows = np.flatnonzero(samples['mesh_valid'])
    painted: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        images = to_tensors({'image': samples['image'][part]}, device)['image']
        with exact_float32(device):
            vertices = net(images).vertices
        predicted = scale.from_lixels(vertices.double().cpu().numpy())
        for points, paintings in zip((predicted, samples['vertices'][part]), painted, strict=True):
            paintings.append(_paint(renderer, points, net.config.input_size, device))
    if not len(rows):
        return {}
    return silhouette_scores(np.concatenate(painted[0]), np.concatenate(painted[1]))


def _paint(
    renderer: PartRenderer, points: np.ndarray, size: int, device: torch.device
) -> np.ndarray:
    """(B, 224, 224) parts of meshes (B, V, 3) in crops of ``size`` pixels."""
    # Pixel centres are at integers, the crop's edge is at -0.5.
    points = points.astype(np.float64)
    points[..., :2] = (points[..., :2] + 0.5) * (ALIGNMENT_SIZE / size) - 0.5
    vertices: Tensor = torch.from_numpy(points).float().to(device)
    return renderer.part_maps(vertices).cpu().numpy()
