"""Reading dataset files: what is missing or broken is said with its full path."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from handmesh_model.errors import DatasetError
from handmesh_model.npz_files import read_arrays


def require(root: Path, relative: str, dataset: str) -> Path:
    """
    The path of a file or folder that a dataset cannot do without.

    :param root: the dataset's folder.
    :param relative: where below it the thing is expected.
    :param dataset: what to call the dataset in the message.
    :raises DatasetError: if it is not there.
    """
    path = root / relative
    if not root.is_dir():
        raise DatasetError(
            f"{dataset}: '{root}' is no folder; expected the one that holds {relative}"
        )
    if not path.exists():
        raise DatasetError(f"{dataset}: '{relative}' is missing, expected at '{path}'")
    return path


def read_json(path: Path) -> Any:
    """
    Parse a JSON file.

    :raises DatasetError: if it cannot be read or is no JSON.
    """
    try:
        return json.loads(path.read_text())
    except (OSError, RecursionError, ValueError) as error:
        raise DatasetError(f"cannot read '{path}' as JSON: {error}") from error


def read_npz(path: Path, keys: Sequence[str]) -> dict[str, np.ndarray]:
    """
    Read an npz file without pickles.

    :param keys: arrays that have to be in it.
    :returns: all its arrays.
    :raises DatasetError: if it cannot be read or lacks an array.
    """
    try:
        arrays = read_arrays(path)
    except ValueError as error:
        raise DatasetError(f"cannot read '{path}' as npz: {error}") from error
    missing = [key for key in keys if key not in arrays]
    if missing:
        raise DatasetError(
            f"'{path}' lacks {', '.join(missing)}; expected {', '.join(keys)}, "
            f'found {", ".join(arrays)}'
        )
    return arrays


def read_rgb(path: Path) -> np.ndarray:
    """
    Read a picture.

    :returns: (H, W, 3) uint8 RGB.
    :raises DatasetError: if it is missing or cannot be decoded.
    """
    return cv2.cvtColor(_read(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_grey(path: Path) -> np.ndarray:
    """
    Read a picture of one channel, a mask for example.

    :returns: (H, W) uint8.
    :raises DatasetError: if it is missing or cannot be decoded.
    """
    return _read(path, cv2.IMREAD_GRAYSCALE)


def _read(path: Path, flags: int) -> np.ndarray:
    if not path.is_file():
        raise DatasetError(f"picture is missing, expected at '{path}'")
    try:
        # Not by imread, which crashes on a name that is not UTF-8.
        data = np.fromfile(path, dtype=np.uint8)
        image = cv2.imdecode(data, flags) if data.size else None
    except OSError as error:
        raise DatasetError(f"cannot read '{path}': {error.strerror}") from error
    except cv2.error as error:
        # OpenCV refuses so what claims to have more pixels than it reads.
        raise DatasetError(f"'{path}' cannot be read by OpenCV: {error.err}") from error
    if image is None:
        raise DatasetError(f"'{path}' cannot be decoded as a picture")
    return image
