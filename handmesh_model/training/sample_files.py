"""Crop samples kept in npz files: written once by many renderers, read as a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from handmesh_model.datasets.files import read_npz
from handmesh_model.errors import DatasetError
from handmesh_model.training.augmentation import Augmenter
from handmesh_model.training.config import AugmentationConfig
from handmesh_model.training.progress import Progress
from handmesh_model.training.renderer import Render, load_renderer, sample_rng
from handmesh_model.training.sample_pool import FIELDS
from handmesh_model.training.synthetic_stream import RendererError
from handmesh_model.training.targets import empty_batch

_CHUNK = 16


class SampleFile:
    """
    Crop samples of an npz file, or of all npz files of a folder, as a dataset.

    A file holds the arrays of :func:`handmesh_model.training.targets.empty_batch`, points in crop
    pixels and metres, as :func:`write_samples` writes them. They are kept in memory.

    :param path: file or folder.
    :param augmentation: varies each sample; None for a plain resize.
    :param size: pixels of the network's input.
    :param seed: what the variations are drawn from, together with the epoch and the index.
    :param start: first sample to use, as in a slice.
    :param stop: where to stop, as in a slice.
    :raises DatasetError: if a file is missing, damaged, or lacks an array.
    """

    def __init__(
        self,
        path: str | Path,
        augmentation: AugmentationConfig | None,
        size: int,
        seed: int = 0,
        start: int | None = None,
        stop: int | None = None,
    ) -> None:
        self.samples = _read(Path(path))
        self.indices = range(len(self.samples['image']))[start:stop]
        self.size = size
        self.seed = seed
        self.epoch = 0
        self._augmenter = Augmenter(augmentation, size)

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.indices)

    def set_epoch(self, epoch: int) -> None:
        """Draw other variations from now on."""
        self.epoch = epoch

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """A sample varied; points in pixels of the network's input and metres."""
        row = self.indices[index]
        sample = {name: self.samples[name][row] for name in FIELDS}
        rng = np.random.default_rng((self.seed, self.epoch, row))
        batch = empty_batch(1, self.size, len(sample['vertices']))
        self._augmenter.write(sample, rng, batch, 0)
        return {name: value[0] for name, value in batch.items()}


def write_samples(
    path: Path, renderer: str, count: int, seed: int, size: int, vertex_count: int, workers: int
) -> None:
    """
    Render crop samples into an npz file; the same whatever the number of workers.

    :param renderer: see :class:`handmesh_model.training.config.DataConfig`.
    :param seed: sample i is drawn from (seed, i).
    :param size: pixels of the crops; even.
    :param workers: processes that render.
    :raises RendererError: if a renderer died.
    """
    samples = empty_batch(count, size, vertex_count)
    progress = Progress(count, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    for row, sample in enumerate(_rendered(renderer, count, seed, size, workers)):
        for name in FIELDS:
            samples[name][row] = sample[name]
        if (row + 1) % max(1, count // 20) == 0:
            progress.update(row + 1, {})
    progress.close()
    part = path.with_suffix('.part')
    with part.open('wb') as file:
        np.savez(file, **samples)  # type: ignore[arg-type]
    part.replace(path)


def _rendered(
    renderer: str, count: int, seed: int, size: int, workers: int
) -> Iterator[Mapping[str, Any]]:
    if workers <= 1:
        render = load_renderer(renderer)
        for row in range(count):
            yield render(sample_rng(seed, row), size)
        return
    with ProcessPoolExecutor(workers, get_context('fork'), _load, (renderer,)) as pool:
        try:
            keys = ((seed, row, size) for row in range(count))
            yield from pool.map(_render, keys, chunksize=_CHUNK)
        except BrokenProcessPool as error:
            raise RendererError(f'a process that renders samples died: {error}') from error


_render_one: Render | None = None


def _load(renderer: str) -> None:
    global _render_one
    cv2.setNumThreads(0)
    _render_one = load_renderer(renderer)


def _render(key: tuple[int, int, int]) -> dict[str, Any]:
    assert _render_one is not None
    seed, row, size = key
    return _render_one(sample_rng(seed, row), size)


def _read(path: Path) -> dict[str, np.ndarray]:
    files = sorted(path.glob('*.npz')) if path.is_dir() else [path]
    if not files:
        raise DatasetError(f"'{path}' holds no *.npz, expected crop samples")
    parts = [read_npz(file, FIELDS) for file in files]
    if len(parts) == 1:
        return parts[0]
    shapes = {tuple(part[name].shape[1:] for name in FIELDS) for part in parts}
    if len(shapes) > 1:
        raise DatasetError(f"the files in '{path}' hold samples of different shapes: {shapes}")
    return {name: np.concatenate([part[name] for part in parts]) for name in FIELDS}
