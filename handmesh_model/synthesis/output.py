"""What is written: numbers checked before, and files that are whole or not there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from handmesh_model.errors import DatasetError

MIN_SIDE = 16
"""Pixels of the smallest picture's side."""


def check_number(name: str, value: int, least: int) -> None:
    """
    Check a number that a user gives.

    :raises DatasetError: if it is less than ``least``.
    """
    if value < least:
        raise DatasetError(f'{name} is {value}, expected at least {least}')


def check_side(name: str, value: int) -> None:
    """
    Check a picture's width, height or both, pixels.

    :raises DatasetError: if it is odd or less than :data:`MIN_SIDE`.
    """
    if value < MIN_SIDE or value % 2:
        raise DatasetError(f'{name} is {value}, expected an even number of at least {MIN_SIDE}')


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """
    A file to write in place of another, which it replaces when it is whole.

    :param path: its folder is made if need be.
    :returns: a hidden name beside it, with the same ending; nothing stays there after an error.
    :raises DatasetError: if the file cannot be written.
    """
    part = path.with_name(f'.part-{path.name}')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        raise DatasetError(f"cannot write '{path}': {error}") from error
    finally:
        part.unlink(missing_ok=True)


def check_picture_name(path: Path) -> None:
    """
    Check that a picture can have a name.

    :raises DatasetError: if its ending is not that of a kind of picture.
    """
    if not cv2.haveImageWriter(str(path)):
        raise DatasetError(
            f"cannot write '{path}' as a picture; expected a name ending in .png or .jpg"
        )


def write_picture(path: Path, rgb: np.ndarray, parameters: Sequence[int] = ()) -> None:
    """
    Write a picture, of the kind that its name's ending says.

    :param rgb: (H, W, 3) uint8.
    :param parameters: of OpenCV's encoder.
    :raises DatasetError: if it cannot be written.
    """
    check_picture_name(path)
    # Not by imwrite, which says that a small picture is written when the disk is full.
    _, encoded = cv2.imencode(path.suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), parameters)
    with written_beside(path) as part:
        part.write_bytes(encoded.tobytes())
