"""Datasets on disk that anyone can render again from a seed, contact sheets, and timing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from handmesh_model.checks import check_range
from handmesh_model.datasets.files import read_json
from handmesh_model.errors import DatasetError
from handmesh_model.joints import BONES
from handmesh_model.output_files import (
    check_picture_name,
    write_arrays,
    write_picture,
    written_beside,
)
from handmesh_model.sample_rng import sample_rng
from handmesh_model.synthesis import DEPTH_AXIS
from handmesh_model.synthesis.checks import check_side
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.renderer_version import library_versions, renderer_version
from handmesh_model.synthesis.scenes import render_crop_sample
from handmesh_model.worker_pool import shared_out

CHUNK = 500
"""Samples whose labels share a file."""
LABELS = ('vertices', 'joints', 'mask', 'mesh_valid', 'presence', 'side')
SHEET_COLUMNS = 8
"""Of a contact sheet."""
FORMAT = 1
"""Of the files; to be counted up when samples are written in another way."""


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
    Render crops into a folder, or go on where the same command was cut short.

    It then holds ``images/000000.png`` and on, ``labels_000000.npz`` and on (a file for each
    :data:`CHUNK` samples, arrays as :func:`render_crop_sample` gives them, stacked) and
    ``dataset.json``. The same seed gives the same bits on machines of one kind and with the same
    versions of the libraries, which ``dataset.json`` tells.

    :param workers: processes.
    :raises DatasetError: if the folder holds another dataset or one of another version of the
        renderer, or one cut short under other versions of the libraries; if a number is out of
        range, or a process dies.
    :raises OutputError: if a file cannot be written.
    """
    check_range('count', count, 1, error=DatasetError)
    check_range('seed', seed, 0, error=DatasetError)
    check_side('size', size)
    check_range('workers', workers, 1, error=DatasetError)
    facts = {
        'format': FORMAT,
        'renderer': renderer_version(),
        'count': count,
        'seed': seed,
        'size': size,
        'labels': list(LABELS),
        'depth_axis': DEPTH_AXIS,
        'samples_per_file': CHUNK,
    }
    chunks = [range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
    files = {folder / f'labels_{numbers[0]:06d}.npz': numbers for numbers in chunks}
    missing = {file: numbers for file, numbers in files.items() if not file.exists()}
    _claim(folder, facts, is_whole=not missing)
    if missing:
        _clear(folder)
    todo = list(chain.from_iterable(missing.values()))
    work = partial(_write_sample, folder, seed, size)
    try:
        with shared_out(work, todo, workers) as samples:
            _write_labels(missing, samples)
    except BrokenProcessPool as error:
        raise DatasetError(
            'a process that renders died; is there too little memory? '
            'The same command goes on where it was'
        ) from error


def _write_labels(files: Mapping[Path, range], samples: Iterator[dict[str, Any]]) -> None:
    """Gather samples in files of so many each, as they come."""
    # Programs that only render do without it.
    from tqdm import tqdm

    with tqdm(total=sum(map(len, files.values())), unit='crop', disable=None) as bar:
        for file, numbers in files.items():
            rows = []
            for row in islice(samples, len(numbers)):
                rows.append(row)
                bar.update()
            arrays = {name: np.stack([row[name] for row in rows]) for name in LABELS}
            write_arrays(file, **arrays)


def _claim(folder: Path, facts: dict[str, Any], is_whole: bool) -> None:
    """Say in a folder what it holds, unless that is something else."""
    card, libraries = folder / 'dataset.json', library_versions()
    if not card.exists():
        if any(folder.glob('labels_*.npz')):
            raise DatasetError(f"'{folder}' holds labels but no {card.name}; give an empty folder")
        with written_beside(card) as part:
            part.write_text(json.dumps({**facts, 'libraries': libraries}, indent=2) + '\n')
        return
    found = read_json(card)
    # Older cards do not tell.
    begun_with = found.pop('libraries', None) if isinstance(found, dict) else None
    if found != facts:
        raise DatasetError(
            f"'{folder}' holds another dataset: {card.name} says {found}, expected {facts}; "
            'give an empty folder'
        )
    if not is_whole and begun_with != libraries:
        raise DatasetError(
            f"'{folder}' was cut short, made with {_listed(begun_with)}; expected what is "
            f'installed, {_listed(libraries)}, as others may draw otherwise; give an empty folder'
        )


def _listed(libraries: Any) -> str:
    if not isinstance(libraries, dict):
        return 'libraries of unknown versions'
    return ', '.join(f'{name} {version}' for name, version in libraries.items())


def _clear(folder: Path) -> None:
    """Remove what was half written when a process was killed."""
    for place in (folder, folder / 'images'):
        # By the names that written_beside() gives.
        for part in place.glob('.part-*'):
            with suppress(OSError):
                part.unlink()


def _write_sample(folder: Path, seed: int, size: int, number: int) -> dict[str, Any]:
    """Render a sample, write its picture, return its labels."""
    (sample,) = render_samples(seed, range(number, number + 1), size)
    write_picture(folder / 'images' / f'{number:06d}.png', sample['image'])
    return {name: sample[name] for name in LABELS}


def write_sheet(
    path: Path, seed: int, count: int = 64, size: int = 128, labels: bool = False
) -> None:
    """
    Write a :func:`contact_sheet`.

    :raises DatasetError: if a number is out of range.
    :raises OutputError: if the picture cannot be written.
    """
    check_range('count', count, 1, error=DatasetError)
    check_range('seed', seed, 0, error=DatasetError)
    check_side('size', size)
    check_picture_name(path)
    sheet = contact_sheet(seed, count, size, labels=labels)
    write_picture(path, sheet, (cv2.IMWRITE_JPEG_QUALITY, 92))


def contact_sheet(seed: int, count: int = 64, size: int = 128, labels: bool = False) -> np.ndarray:
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
    tiles += [np.zeros((size, size, 3), dtype=np.uint8)] * (-len(tiles) % SHEET_COLUMNS)
    rows = [np.hstack(tiles[i : i + SHEET_COLUMNS]) for i in range(0, len(tiles), SHEET_COLUMNS)]
    return np.vstack(rows)


def draw_joints(image: np.ndarray, joints: np.ndarray) -> None:
    """Draw bones onto an image, in place; ``joints`` (21, >= 2) pixels."""
    for start, end in BONES:
        (x0, y0), (x1, y1) = (joints[j, :2].round().astype(int).tolist() for j in (start, end))
        cv2.line(image, (x0, y0), (x1, y1), (0, 255, 255), 1, cv2.LINE_AA)


def measure_speed(count: int, size: int = 128) -> dict[str, float]:
    """
    How fast finished crops come in this process, after compiling.

    :returns: ``images_per_second`` by the clock, and ``images_per_cpu_second`` by the time that
        the processor spent on it, which other programs disturb less.
    :raises DatasetError: if a number is out of range.
    """
    check_range('count', count, 1, error=DatasetError)
    check_side('size', size)
    list(render_samples(0, range(count, count + 8), size))
    clock, cpu = time.perf_counter(), time.process_time()
    for _ in render_samples(0, range(count), size):
        pass
    return {
        'images_per_second': count / (time.perf_counter() - clock),
        'images_per_cpu_second': count / (time.process_time() - cpu),
    }
