"""Crop samples kept in files, as a dataset to train on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import mode
from typing import Any

import numpy as np

from handmesh_model.datasets.files import read_json, read_npz, read_rgb, require
from handmesh_model.errors import DatasetError
from handmesh_model.training.augmentation import Augmenter
from handmesh_model.training.batches import CROP_FIELDS, empty_batch
from handmesh_model.training.config import AugmentationConfig

NAME = 'samples'
CARD = 'dataset.json'
LABELS = tuple(name for name in CROP_FIELDS if name != 'image')


class SampleFile:
    """
    Crop samples of a folder that ``handmesh synthesize dataset`` wrote, or of an npz file.

    A file holds the arrays of :func:`handmesh_model.training.batches.empty_batch`, points in crop
    pixels and metres, and may hold ``depth_axis``, the network's entry of that name which their
    depth fits. Left hands (``side`` 0) keep their mesh, though ``mesh_valid`` is false: mirrored
    they are right ones, whose mesh is learned. Where there is none, vertices are NaN or all zero.
    Where ``mesh_valid`` is true, vertices and joints are learned, and have to be finite; the same
    goes for ``presence`` and ``side`` everywhere.

    Labels, and the pictures of a file, are kept in memory; a folder's pictures are read when they
    are asked for.

    :param path: folder or file.
    :param augmentation: varies each sample; None for a plain resize.
    :param size: pixels of the network's input.
    :param seed: what the variations are drawn from, together with the epoch and the index.
    :param start: first sample to use, as in a slice.
    :param stop: where to stop, as in a slice.
    :ivar total: how many samples there are, of which ``start`` and ``stop`` choose.
    :ivar depth_axis: what their depth is measured along; None for a file that does not say.
    :raises DatasetError: if a file is missing, damaged, or lacks an array, if an array has
        another type or shape than those of a batch, or if what is to be learned is not finite.
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
        self.path = Path(path)
        self._images: np.ndarray | None = None
        self.depth_axis: str | None = None
        if self.path.is_dir():
            card = read_json(require(self.path, CARD, NAME))
            card = card if isinstance(card, dict) else {}
            # Before it was said, it was the camera's.
            self.depth_axis = card.get('depth_axis', 'camera')
            self._labels = _folder_labels(self.path, card)
        else:
            self._labels = read_npz(self.path, CROP_FIELDS)
            said = self._labels.pop('depth_axis', None)
            self.depth_axis = None if said is None else str(said)
            _check_arrays(self.path, self._labels, self._labels)
            self._images = self._labels.pop('image')
        self.total = len(self._labels['joints'])
        self.indices = range(self.total)[start:stop]
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
        """
        A sample varied; points in pixels of the network's input and metres.

        :raises DatasetError: if its picture cannot be read or is not twice the mask's size.
        """
        row = self.indices[index]
        sample = {name: self._labels[name][row] for name in LABELS}
        sample['image'] = self._image(row)
        rng = np.random.default_rng((self.seed, self.epoch, row))
        batch = empty_batch(1, self.size, len(sample['vertices']))
        self._augmenter.write(sample, rng, batch, 0)
        return {name: value[0] for name, value in batch.items()}

    def _image(self, row: int) -> np.ndarray:
        if self._images is not None:
            return self._images[row]
        file = self.path / 'images' / f'{row:06d}.png'
        image, side = read_rgb(file), self._labels['mask'].shape[1]
        height, width = image.shape[:2]
        if height != width or height // 2 != side:
            wanted = f'{2 * side} x {2 * side}, twice the size of its mask'
            raise DatasetError(f"{NAME}: '{file}' is {width} x {height} pixels, expected {wanted}")
        return image


def _folder_labels(folder: Path, card: dict[str, Any]) -> dict[str, np.ndarray]:
    """The labels of all samples, whose files each hold a run of them."""
    # Names have six digits at least: from a million samples on, their order is not the samples'.
    files = sorted(folder.glob('labels_*.npz'), key=_first_sample)
    if not files:
        raise DatasetError(f"{NAME}: '{folder}' holds no labels_*.npz")
    parts = [read_npz(file, LABELS) for file in files]
    for file, part in zip(files, parts, strict=True):
        _check_arrays(file, part, parts[0])
    labels = {name: np.concatenate([part[name] for part in parts]) for name in LABELS}
    count = card.get('count')
    if len(labels['joints']) != count:
        raise DatasetError(
            f"{NAME}: '{folder}' has labels of {len(labels['joints'])} samples, expected {count} "
            f'as {CARD} says; the command that wrote it has not come to its end'
        )
    require(folder, f'images/{count - 1:06d}.png', NAME)
    return labels


def _check_arrays(
    file: Path, arrays: Mapping[str, np.ndarray], model: Mapping[str, np.ndarray]
) -> None:
    """
    Hold the arrays of a file to those of a batch, and what is learned of them to numbers.

    :param model: arrays that tell how many pixels a crop and how many vertices a mesh has.
    :raises DatasetError: if one has another type or shape, or if a number to learn is not finite.
    """
    # The pictures of a folder lie beside its labels.
    names = [name for name in CROP_FIELDS if name in arrays]
    # Where one array is too short, that one is to be named.
    count = mode(_length(arrays[name], 0) for name in names)
    size = _length(model['image'], 1) if 'image' in model else 2 * _length(model['mask'], 1)
    batch = empty_batch(0, max(size, 2), max(_length(model['vertices'], 1), 1))
    for name in names:
        array, (wanted, shape) = arrays[name], (batch[name].dtype, batch[name].shape)
        shape = (count, *shape[1:])
        if array.shape != shape or not _fits(array.dtype, wanted):
            raise DatasetError(
                f"{NAME}: '{file}' has {name} as {array.dtype} {array.shape}, "
                f'expected {wanted} {shape}'
            )
    _check_finite(file, arrays)


def _check_finite(file: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """
    One number that is not finite would spoil the step of its whole batch, and silently.

    :param arrays: of the shapes of a batch's.
    :raises DatasetError: if there is one that the losses look at; without a mesh, points are not.
    """
    has_mesh = arrays['mesh_valid'].astype(bool)
    for name in ('vertices', 'joints', 'presence', 'side'):
        array = arrays[name]
        has_points = array.ndim > 1
        is_broken = ~np.isfinite(array).all(axis=tuple(range(1, array.ndim)))
        rows = np.flatnonzero(is_broken & has_mesh if has_points else is_broken)
        if len(rows):
            wanted = 'numbers, or mesh_valid false' if has_points else 'a number'
            raise DatasetError(
                f"{NAME}: '{file}' has {name} that are not finite in row {rows[0]} (from 0), "
                f'expected {wanted}; rows like it: {len(rows)}'
            )


def _length(array: np.ndarray, axis: int) -> int:
    """Along an axis, which the array may lack."""
    return array.shape[axis] if array.ndim > axis else 0


def _fits(found: np.dtype, wanted: np.dtype) -> bool:
    """Whether numbers of a type keep their meaning in a batch."""
    if wanted == np.uint8:
        # Pictures in 0..1 would be black.
        return found == wanted
    return found.kind in ('biuf' if wanted.kind == 'f' else 'biu')


def _first_sample(file: Path) -> int:
    """The sample that a file of labels starts with, which its name says."""
    number = file.stem.removeprefix('labels_')
    if not (number.isascii() and number.isdigit()):
        raise DatasetError(
            f"{NAME}: '{file}' is named for sample '{number}', expected a number as in "
            'labels_000000.npz'
        )
    return int(number)
