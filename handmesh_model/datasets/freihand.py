"""
FreiHAND (Zimmermann et al., ICCV 2019), version 2, in its published layout.

``training/rgb/00000000.jpg`` to ``00130239.jpg``: 32,560 pictures of 224 x 224 pixels, four times:
before a green screen, then with the background replaced in three ways. ``training/mask/`` has the
silhouettes of the first. ``training_K.json``, ``training_xyz.json`` and ``training_verts.json``
hold camera matrix, joints and MANO vertices in metres. ``evaluation/rgb/`` has 3,960 pictures,
with ``evaluation_K.json`` and ``evaluation_scale.json`` (length of the middle finger's first
bone); ``evaluation_xyz.json`` and ``evaluation_verts.json`` were published after the competition.
All hands are right ones.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from handmesh_model.datasets.augmentation import PaperAugmentation
from handmesh_model.datasets.files import read_grey, read_json, read_rgb, require
from handmesh_model.datasets.records import HandDataset, HandRecord
from handmesh_model.errors import ConfigError, DatasetError
from handmesh_model.joints import JOINT_COUNT
from handmesh_model.mano import VERTEX_COUNT

NAME = 'FreiHAND'
VERSIONS = ('gs', 'hom', 'sample', 'auto')
"""Background variants in the order of their files: green screen, homogenized, two colourings."""
PARTS = {
    'train': frozenset({'alignment', 'others'}),
    'train-alignment': frozenset({'others'}),
    'alignment': frozenset({'alignment'}),
    'evaluation': frozenset({'evaluation'}),
}
"""Splits and what they consist of."""
SPLITS = tuple(PARTS)
ALIGNMENT_COUNT = 2000
"""Training samples that the paper sets aside to measure mesh-image alignment."""
ALIGNMENT_SEED = 2021
FINGERTIP_VERTICES = (744, 320, 443, 555, 672)
"""
MANO's vertices that FreiHAND's joints have at the tips of thumb, index, middle, ring and pinky.

From ``utils/mano_utils.py`` of github.com/lmb-freiburg/freihand; others than those of the authors'
network, :data:`handmesh_model.mano.FINGERTIP_VERTICES`. The other 16 joints are of MANO's posed
skeleton, which its posed mesh tells nearly.
"""
SMALL_FILE = 1 << 20
"""Bytes up to which a JSON file is read in the plain way."""
SLICE = 1 << 24
"""Bytes of a larger one that are taken apart at a time."""
_IN_NUMBERS = b'+-.0123456789eE' + b'NaN' + b'Infinity' + b' \t\r\n'
"""What numbers consist of, and what may be around them: the rest is the list's structure."""
_BLANK_BRACKETS = bytes.maketrans(b'[]', b'  ')


class FreiHand(HandDataset):
    """
    FreiHAND as crop samples.

    :param root: the folder that holds ``training_K.json``.
    :param split: 'train', 'alignment' (the 2,000 set aside), 'train-alignment' (the rest), or
        'evaluation'.
    :param size: side of the crops, pixels.
    :param augmentation: how to vary the samples.
    :param versions: background variants; by default all for training, the green screen else.
    :param seed: what the variations are drawn from.
    :raises ConfigError: if split or version is unknown.
    :raises DatasetError: if a file is missing or contradicts another.
    """

    parts = PARTS
    fingertips = FINGERTIP_VERTICES

    def __init__(
        self,
        root: str | Path,
        split: str = 'train',
        size: int = 256,
        augmentation: PaperAugmentation | None = None,
        versions: tuple[str, ...] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(size, augmentation, seed)
        if split not in SPLITS:
            raise ConfigError(f"{NAME} split is '{split}', expected one of {', '.join(SPLITS)}")
        if versions is None:
            versions = VERSIONS if split.startswith('train') else VERSIONS[:1]
        unknown = set(versions) - set(VERSIONS)
        if unknown or not versions:
            raise ConfigError(f'{NAME} versions are {versions}, expected some of {VERSIONS}')
        self.root = Path(root)
        self.split = split
        self._set = 'evaluation' if split == 'evaluation' else 'training'
        self._read_annotations()
        self._index = self._build_index(tuple(versions) if self._set == 'training' else ('gs',))

    def _read_annotations(self) -> None:
        path = require(self.root, f'{self._set}_K.json', NAME)
        self.intrinsics = read_numbers(path, (3, 3))
        self.scales: np.ndarray | None = None
        self.joints: np.ndarray | None = None
        self.vertices: np.ndarray | None = None
        labelled = self._set == 'training' or (self.root / 'evaluation_xyz.json').exists()
        if self._set == 'evaluation':
            self.scales = read_numbers(require(self.root, 'evaluation_scale.json', NAME), ())
            self._check_count('evaluation_scale.json', self.scales)
        if labelled:
            for key, points in (('xyz', JOINT_COUNT), ('verts', VERTEX_COUNT)):
                name = f'{self._set}_{key}.json'
                array = read_numbers(require(self.root, name, NAME), (points, 3))
                self._check_count(name, array)
                setattr(self, 'joints' if key == 'xyz' else 'vertices', array)

    def _check_count(self, name: str, array: np.ndarray) -> None:
        if len(array) != len(self.intrinsics):
            raise DatasetError(
                f"{NAME}: '{self.root / name}' has {len(array)} entries, expected "
                f'{len(self.intrinsics)} as {self._set}_K.json'
            )

    def _build_index(self, versions: tuple[str, ...]) -> np.ndarray:
        """(N, 2) number of the annotation and of the picture, for each sample."""
        count = len(self.intrinsics)
        chosen = np.arange(count)
        if 'alignment' in self.split:
            held_out = alignment_samples(count)
            chosen = held_out if self.split == 'alignment' else np.setdiff1d(chosen, held_out)
        offsets = count * np.array([VERSIONS.index(version) for version in versions])
        index = np.stack(
            [np.tile(chosen, len(versions)), (offsets[:, None] + chosen).ravel()], axis=1
        )
        # The first and the last picture tell whether the folder was unpacked whole.
        for picture in index[[0, -1], 1] if len(index) else ():
            require(self.root, self._picture(picture), NAME)
        if self._set == 'training':
            require(self.root, 'training/mask', NAME)
        return index

    def _picture(self, number: int) -> str:
        return f'{self._set}/rgb/{number:08d}.jpg'

    def __len__(self) -> int:
        """Number of samples, background variants counted each."""
        return len(self._index)

    def record(self, index: int) -> HandRecord:
        """The sample as the dataset has it."""
        sample, picture = map(int, self._index[index])
        path = self.root / self._picture(picture)
        mask = self.root / f'training/mask/{sample:08d}.jpg'
        return HandRecord(
            name=path.stem,
            load=lambda: read_rgb(path),
            intrinsics=self.intrinsics[sample],
            joints_camera=None if self.joints is None else self.joints[sample],
            vertices_camera=None if self.vertices is None else self.vertices[sample],
            load_mask=(lambda: _read_mask(mask)) if self._set == 'training' else None,
            reference_bone=None if self.scales is None else float(self.scales[sample]),
        )


def alignment_samples(count: int) -> np.ndarray:
    """
    The samples set aside for alignment: a seeded draw, the same on every machine.

    :param count: training samples without their background variants.
    :returns: (2000,) sorted numbers; of a smaller copy of the dataset a tenth.
    """
    held_out = ALIGNMENT_COUNT if count > 2 * ALIGNMENT_COUNT else -(-count // 10)
    # Sorting random keys: Generator.choice may change between versions of numpy, this does not.
    keys = np.random.Generator(np.random.PCG64(ALIGNMENT_SEED)).random(count)
    return np.sort(np.argsort(keys, kind='stable')[:held_out])


def read_numbers(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """
    Read a JSON list of equally shaped arrays without building Python lists of it.

    The vertices of the training set are 76 million numbers: 2.5 GB as lists, beside the text of
    the file, and 0.6 GB so, of which 0.3 GB remain.

    :param shape: of each entry.
    :returns: (N, *shape) float32, or float64 for camera matrices.
    :raises DatasetError: if the file is no such list; it tells the first entry that does not fit.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"cannot read '{path}': {error}") from error
    if not re.fullmatch(rb'\s*\[.*\]\s*', content[:2000] + content[-2000:], re.DOTALL):
        raise DatasetError(f"'{path}' is cut off or no JSON list")
    _check_structure(path, content, shape)
    dtype = np.float64 if shape == (3, 3) else np.float32
    if len(content) < SMALL_FILE:
        return _small_array(path, shape, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        try:
            numbers = np.concatenate(
                [np.fromstring(text, np.float64, sep=',').astype(dtype) for text in _cut(content)]
            )
        except (DeprecationWarning, ValueError) as error:
            raise DatasetError(f"'{path}' holds something else than numbers: {error}") from error
    size = int(np.prod(shape, dtype=np.int64))
    if numbers.size % size:
        raise DatasetError(
            f"'{path}' has {numbers.size} numbers, expected a multiple of {size} = {shape}"
        )
    return numbers.reshape(-1, *shape)


def _cut(content: bytes) -> Iterator[bytes]:
    """The text in pieces, cut at commas, with blanks for brackets."""
    start = 0
    while start < len(content):
        comma = content.find(b',', start + SLICE)
        end = len(content) if comma < 0 else comma
        yield content[start:end].translate(_BLANK_BRACKETS)
        start = end + 1


def _check_structure(path: Path, content: bytes, shape: tuple[int, ...]) -> None:
    """
    Check that brackets and commas are those of a list of equal entries, numbers left aside.

    Without that, an entry too long and one too short would shift all between them by some points.

    :raises DatasetError: if they are not.
    """
    slices = (content[i : i + SLICE] for i in range(0, len(content), SLICE))
    found = b''.join(text.translate(None, _IN_NUMBERS) for text in slices)
    entry = b''
    for length in reversed(shape):
        entry = b'[' + b','.join([entry] * length) + b']'
    step = len(entry) + 1
    expected = b'[' + b','.join([entry] * ((len(found) - 1) // step)) + b']'
    if found == expected:
        return
    length = min(len(found), len(expected))
    same = np.frombuffer(found, np.uint8, length) == np.frombuffer(expected, np.uint8, length)
    first = length if same.all() else int(same.argmin())
    # What comes after an array belongs to the next entry, what comes after a number to that one.
    number, what = first - 1, 'number'
    if shape:
        number, what = first // step, f'array of numbers of shape {shape}'
    raise DatasetError(f"'{path}': entry {number}, counted from 0, is no {what}")


def _small_array(path: Path, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    try:
        array: np.ndarray = np.array(read_json(path), dtype=dtype)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"'{path}' is no list of numbers: {error}") from error
    if array.ndim < 1 or array.shape[1:] != shape:
        raise DatasetError(f"'{path}' has shape {array.shape}, expected (N, {shape})")
    return array


def _read_mask(path: Path) -> np.ndarray:
    # JPEG has greys where the mask has an edge.
    return (read_grey(path) > 127).astype(np.uint8)
