"""
ObMan (Hasson et al., CVPR 2019) in its published layout.

``train``, ``val`` and ``test`` each have ``rgb/00000000.jpg`` (256 x 256 pixels), ``meta/*.pkl``
with ``verts_3d``, ``coords_3d`` and ``side``, and ``segm/*.png``. Numbers have gaps. Points are in
metres in a camera frame whose y points up and whose z points backwards; one camera matrix serves
all.

Its joints come from the posed skeleton of SMPL+H, a body with MANO's hands, and its fingertips
from vertices of that body's mesh (``obman_render/coordutils.py`` of
github.com/hassony2/obman_render). Which vertices of MANO those are is written in files under
MANO's licence alone, so that figures compare them with the fingertips of the topology.
"""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from handmesh_model.datasets.augmentation import PaperAugmentation
from handmesh_model.datasets.files import read_rgb, require
from handmesh_model.datasets.records import HandDataset, HandRecord
from handmesh_model.errors import ConfigError, DatasetError, TopologyError
from handmesh_model.hand import Side
from handmesh_model.joints import JOINT_COUNT
from handmesh_model.restricted_pickle import array_of, load_records

NAME = 'ObMan'
SPLITS = ('train', 'val', 'test')
PARTS = {split: frozenset({split}) for split in SPLITS}
"""Splits and what they consist of: none has pictures of another."""
INTRINSICS = np.array([[480.0, 0, 128], [0, 480, 128], [0, 0, 1]])
TO_OPTICAL = np.array([1.0, -1.0, -1.0])
"""From ObMan's axes to the optical frame's."""
HAND_LABELS: dict[str, tuple[int, ...]] = {'right': (22, 24), 'left': (21, 23)}
"""Values of the segmentation's blue channel that mean the hand."""


class ObMan(HandDataset):
    """
    ObMan as crop samples.

    :param root: the folder that holds ``train``, ``val`` and ``test``.
    :param split: 'train', 'val' or 'test'.
    :param size: side of the crops, pixels.
    :param augmentation: how to vary the samples.
    :param seed: what the variations are drawn from.
    :raises ConfigError: if the split is unknown.
    :raises DatasetError: if a folder is missing or empty.
    """

    parts = PARTS
    root_relative = True

    def __init__(
        self,
        root: str | Path,
        split: str = 'train',
        size: int = 256,
        augmentation: PaperAugmentation | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(size, augmentation, seed)
        if split not in SPLITS:
            raise ConfigError(f"{NAME} split is '{split}', expected one of {', '.join(SPLITS)}")
        root = Path(root)
        meta = require(root, f'{split}/meta', NAME)
        require(root, f'{split}/rgb', NAME)
        self.root = root / split
        self.names = sorted(path.stem for path in meta.glob('*.pkl'))
        if not self.names:
            raise DatasetError(f"{NAME}: '{meta}' holds no *.pkl, expected 00000000.pkl and so on")
        for name in (self.names[0], self.names[-1]):
            require(root, f'{split}/rgb/{name}.jpg', NAME)

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.names)

    def record(self, index: int) -> HandRecord:
        """
        The sample as the dataset has it.

        :raises DatasetError: if its meta file cannot be used.
        """
        name = self.names[index]
        meta = self.root / 'meta' / f'{name}.pkl'
        joints, vertices, side = read_meta(meta)
        mask = self.root / 'segm' / f'{name}.png'
        return HandRecord(
            name=name,
            load=partial(read_rgb, self.root / 'rgb' / f'{name}.jpg'),
            intrinsics=INTRINSICS,
            side=side,
            joints_camera=joints * TO_OPTICAL,
            vertices_camera=vertices * TO_OPTICAL,
            load_mask=partial(_read_mask, mask, side) if mask.is_file() else None,
        )


def read_meta(path: Path) -> tuple[np.ndarray, np.ndarray, Side]:
    """
    Read a sample's pickle without executing anything in it.

    :returns: (21, 3) joints, (V, 3) vertices, metres, ObMan's axes; side.
    :raises DatasetError: if it is missing, damaged, unsafe, or lacks an entry.
    """
    try:
        meta: Any = load_records(path)
        joints, vertices = (array_of(meta[key]) for key in ('coords_3d', 'verts_3d'))
        side = meta['side']
    except KeyError as error:
        raise DatasetError(
            f"'{path}' lacks {error}, expected coords_3d, verts_3d, side"
        ) from error
    except (TopologyError, pickle.UnpicklingError, TypeError, ValueError) as error:
        raise DatasetError(f"cannot read '{path}': {error}") from error
    if side not in HAND_LABELS:
        raise DatasetError(f"'{path}' has side {side!r}, expected 'left' or 'right'")
    if joints.shape != (JOINT_COUNT, 3) or vertices.ndim != 2 or vertices.shape[1] != 3:
        raise DatasetError(
            f"'{path}' has coords_3d of shape {joints.shape} and verts_3d of {vertices.shape}, "
            f'expected ({JOINT_COUNT}, 3) and (V, 3)'
        )
    return joints.astype(np.float64), vertices.astype(np.float64), cast(Side, side)


def _read_mask(path: Path, side: Side) -> np.ndarray:
    return np.isin(read_rgb(path)[..., 2], HAND_LABELS[side]).astype(np.uint8)
