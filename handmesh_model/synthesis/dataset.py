"""Datasets on disk that anyone can render again from a seed, contact sheets, and timing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from handmesh_model.errors import DatasetError
from handmesh_model.joints import BONES
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.scenes import render_crop_sample

CHUNK = 500
"""Samples whose labels share a file."""
LABELS = ('vertices', 'joints', 'mask', 'mesh_valid', 'presence', 'side')
FORMAT = 1


def sample_rng(seed: int, number: int) -> np.random.Generator:
    """The random numbers of one sample of a dataset, which depend on nothing else."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence((seed, number))))


def render_samples(seed: int, numbers: range, size: int) -> Iterator[dict[str, Any]]:
    """
    Crop samples of a dataset.

    :param numbers: of the samples.
    :param size: side of the crops, pixels.
    """
    model = HandModel.load()
    for number in numbers:
        yield render_crop_sample(sample_rng(seed, number), model, size)


def write_dataset(folder: Path, count: int, seed: int, size: int = 128, workers: int = 1) -> None:
    """
    Render crops into a folder.

    It then holds ``images/000000.png`` and on, ``labels_000000.npz`` and on (a file for each
    :data:`CHUNK` samples, arrays as :func:`render_crop_sample` gives them, stacked) and
    ``dataset.json``. The same seed gives the same bits on machines of one kind.

    :param workers: processes.
    :raises DatasetError: if the folder holds another dataset, or a number is out of range.
    """
    if count < 1 or size < 16 or size % 2:
        raise DatasetError(
            f'count is {count} and size is {size}, expected count > 0 and an even size >= 16'
        )
    facts = {'format': FORMAT, 'count': count, 'seed': seed, 'size': size}
    card = folder / 'dataset.json'
    if card.exists() and json.loads(card.read_text()) != facts:
        raise DatasetError(f"'{folder}' holds another dataset; give an empty folder")
    (folder / 'images').mkdir(parents=True, exist_ok=True)
    card.write_text(json.dumps(facts, indent=2) + '\n')
    starts = range(0, count, CHUNK)
    write = partial(_write_chunk, folder, count, seed, size)
    if workers < 2:
        for start in starts:
            write(start)
        return
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(write, starts))


def _write_chunk(folder: Path, count: int, seed: int, size: int, start: int) -> None:
    numbers = range(start, min(start + CHUNK, count))
    columns: dict[str, list[np.ndarray]] = {name: [] for name in LABELS}
    for number, sample in zip(numbers, render_samples(seed, numbers, size), strict=True):
        path = folder / 'images' / f'{number:06d}.png'
        cv2.imwrite(str(path), cv2.cvtColor(sample['image'], cv2.COLOR_RGB2BGR))
        for name in LABELS:
            columns[name].append(sample[name])
    arrays = {name: np.stack(values) for name, values in columns.items()}
    np.savez_compressed(folder / f'labels_{start:06d}.npz', **arrays)  # type: ignore[arg-type]


def contact_sheet(
    seed: int, count: int = 64, size: int = 128, columns: int = 8, labels: bool = False
) -> np.ndarray:
    """
    Random crops side by side.

    :param labels: draw the joints onto them.
    :returns: (H, W, 3) uint8 RGB.
    """
    tiles = []
    for sample in render_samples(seed, range(count), size):
        tile = sample['image'].copy()
        if labels and sample['mesh_valid']:
            draw_joints(tile, sample['joints'])
        tiles.append(tile)
    tiles += [np.zeros((size, size, 3), dtype=np.uint8)] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    return np.vstack(rows)


def draw_joints(image: np.ndarray, joints: np.ndarray) -> None:
    """Draw bones onto an image, in place; ``joints`` (21, >= 2) pixels."""
    for start, end in BONES:
        (x0, y0), (x1, y1) = (joints[j, :2].round().astype(int).tolist() for j in (start, end))
        cv2.line(image, (x0, y0), (x1, y1), (0, 255, 255), 1, cv2.LINE_AA)


def measure_speed(count: int, seed: int = 0, size: int = 128) -> dict[str, float]:
    """
    How fast finished crops come in this process, after compiling.

    :returns: ``images_per_second`` by the clock, and ``images_per_cpu_second`` by the time that
        the processor spent on it, which other programs disturb less.
    """
    list(render_samples(seed, range(count, count + 8), size))
    clock, cpu = time.perf_counter(), time.process_time()
    for _ in render_samples(seed, range(count), size):
        pass
    return {
        'images_per_second': count / (time.perf_counter() - clock),
        'images_per_cpu_second': count / (time.process_time() - cpu),
    }
