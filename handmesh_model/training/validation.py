"""How good a network is on a fixed set of crop samples."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from handmesh_model.backends.exact_float32 import exact_float32
from handmesh_model.joints import BONES
from handmesh_model.lixels import LixelScale
from handmesh_model.metrics import align
from handmesh_model.network import HandMeshNet
from handmesh_model.npz_files import read_arrays
from handmesh_model.output_files import written_beside
from handmesh_model.sample_rng import sample_rng
from handmesh_model.scale_solver import rigid_lengths
from handmesh_model.synthesis.renderer_version import library_versions, renderer_version
from handmesh_model.training.augmentation import Augmenter
from handmesh_model.training.batches import empty_batch
from handmesh_model.training.renderer import load_renderer

BATCH = 32
_ENDS = np.array(BONES)

log = logging.getLogger(__name__)


def render_validation_set(
    renderer: str, count: int, seed: int, size: int, vertex_count: int, cache: Path | None
) -> dict[str, np.ndarray]:
    """
    Render the crop samples that a run is validated on.

    :param renderer: see :class:`handmesh_model.training.config.DataConfig`.
    :param size: pixels of the network's input.
    :param cache: npz file to read if it is there and this version of the renderer wrote it for the
        same numbers with the same versions of the libraries, else to write.
    :returns: arrays as in a batch; points in crop pixels and metres.
    """
    numbers = (count, seed, size, vertex_count)
    versions = (f'{name} {version}' for name, version in library_versions().items())
    key = np.array([renderer, renderer_version(), *map(str, numbers), *versions])
    if cache is not None and cache.is_file():
        kept = _kept_samples(cache, key)
        if kept is not None:
            return kept
    render = load_renderer(renderer)
    plain = Augmenter(None, size)
    samples = empty_batch(count, size, vertex_count)
    for row in range(count):
        rng = sample_rng(seed, row)
        plain.write(render(rng, size), rng, samples, row)
    if cache is not None:
        with written_beside(cache) as part:
            np.savez(part, key=key, **samples)  # type: ignore[arg-type]
    return samples


def _kept_samples(cache: Path, key: np.ndarray) -> dict[str, np.ndarray] | None:
    """Samples of an npz file; None if it is damaged or they are others than the key's."""
    try:
        stored = read_arrays(cache)
    except ValueError as error:
        log.warning("'%s' cannot be read and is rendered anew: %s", cache, error)
        return None
    fits = np.array_equal(stored.pop('key', np.zeros(0)), key)
    return stored if fits else None


def samples_digest(samples: Mapping[str, np.ndarray]) -> str:
    """
    Tells whether figures are of the same samples: 'labels:' and a digest of their labels, joints
    to a pixel.

    Of the pictures there is nothing in it: other versions of libraries give other grey levels.
    """
    valid = samples['mesh_valid'].astype(bool)
    pixels = np.rint(samples['joints'][valid, :, :2])
    digest = hashlib.sha256()
    for values in (valid, samples['presence'], samples['side'], pixels):
        digest.update(values.astype(np.int64).tobytes())
    return f'labels:{digest.hexdigest()[:16]}'


def to_tensors(
    batch: Mapping[str, np.ndarray] | Mapping[str, Tensor], device: torch.device
) -> dict[str, Tensor]:
    """
    A batch as the network takes it.

    :param batch: images (B, S, S, 3) uint8, the rest as it is; arrays, or tensors on the device.
    :returns: images (B, 3, S, S) float 0..1 in channels-last memory.
    """
    tensors = {}
    for name, values in batch.items():
        if isinstance(values, Tensor):
            tensors[name] = values
            continue
        tensor = torch.from_numpy(values)
        if device.type == 'cuda':
            tensor = tensor.pin_memory().to(device, non_blocking=True)
        tensors[name] = tensor
    image = tensors['image'].permute(0, 3, 1, 2)
    # Dense channels-last memory stays as it is.
    tensors['image'] = image.to(torch.float32).div_(255)
    return tensors


@torch.no_grad()
def validate(
    net: HandMeshNet, samples: Mapping[str, np.ndarray], scale: LixelScale, device: torch.device
) -> dict[str, float]:
    """
    Measure a network on crop samples; its joints are regressed from the final mesh.

    :param net: in evaluation mode.
    :param samples: as from :func:`render_validation_set`.
    :returns: 'lixel_error', mean distance of vertices from the truth in lixels, depth included, by
        which the best checkpoint is chosen; 'joint_px' and 'vertex_px' in crop pixels;
        'pa_mpjpe_mm' and 'pa_mpvpe_mm' at the mean hand's size, by weak perspective;
        'presence_accuracy' and 'side_accuracy' 0..1. Figures without a sample are left out.
    """
    sums: dict[str, list[float]] = {}
    # Its pairs begin with the bones, and it knows what to do without a template.
    bone_lengths = rigid_lengths(net.topology)[: len(BONES)]
    for predicted, truth in _predictions(net, samples, scale, device):
        for name, values in _figures(predicted, truth, bone_lengths).items():
            sums.setdefault(name, []).extend(values)
    return {name: float(np.mean(values)) for name, values in sums.items() if values}


def _predictions(
    net: HandMeshNet, samples: Mapping[str, np.ndarray], scale: LixelScale, device: torch.device
) -> Iterator[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]:
    for start in range(0, len(samples['image']), BATCH):
        truth = {name: values[start : start + BATCH] for name, values in samples.items()}
        images = to_tensors({'image': truth['image']}, device)['image']
        with exact_float32(device):
            outputs = net(images)
        predicted = {
            name: value.float().cpu().numpy()
            for name, value in outputs._asdict().items()
            if isinstance(value, Tensor)
        }
        lixels = scale.to_lixels(truth['vertices'])
        predicted['lixel_error'] = np.linalg.norm(predicted['vertices'] - lixels, axis=2).mean(1)
        # The network's own may be of the mesh before it is refined.
        predicted['joints'] = net.topology.joint_regressor @ predicted['vertices']
        for name in ('vertices', 'joints'):
            predicted[name] = scale.from_lixels(predicted[name])
        yield predicted, truth


def _figures(
    predicted: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray], lengths: np.ndarray
) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {}
    for name, key in (('presence', 'presence'), ('side', 'side')):
        if name in predicted:
            known = truth[key] >= 0
            right = (predicted[name] > 0) == (truth[key] > 0.5)
            figures[f'{name}_accuracy'] = right[known].astype(float).tolist()
    valid = truth['mesh_valid'].astype(bool)
    figures['lixel_error'] = predicted['lixel_error'][valid].tolist()
    for name, short in (('joints', 'joint_px'), ('vertices', 'vertex_px')):
        gap = predicted[name][valid, :, :2] - truth[name][valid, :, :2]
        figures[short] = np.linalg.norm(gap, axis=2).mean(axis=1).tolist()
    for name, short in (('joints', 'pa_mpjpe_mm'), ('vertices', 'pa_mpvpe_mm')):
        figures[short] = [
            _aligned_error(predicted[name][i], truth[name][i], truth['joints'][i], lengths)
            for i in np.flatnonzero(valid)
        ]
    return figures


def _aligned_error(
    predicted: np.ndarray, truth: np.ndarray, joints: np.ndarray, lengths: np.ndarray
) -> float:
    """
    Mean distance in millimetres after alignment; x and y scaled so that the true bones have their
    lengths.
    """
    bones = joints[_ENDS[:, 1]] - joints[_ENDS[:, 0]]
    flat = (bones[:, :2] ** 2).sum()
    factor = np.sqrt(max((lengths**2).sum() - (bones[:, 2] ** 2).sum(), 1e-6) / max(flat, 1e-6))
    metres = np.array([factor, factor, 1.0])
    aligned = align(predicted * metres, truth * metres)
    return float(1000 * np.linalg.norm(aligned - truth * metres, axis=1).mean())
