"""Files that are written whole or not at all: any, JSON, arrays, pictures."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import cv2
import numpy as np

from handmesh_model.errors import OutputError
from handmesh_model.opencv_names import shown


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """
    A file to write in place of another, which it replaces when it is whole.

    :param path: its folder is made if need be; of a link, what it points to is replaced. A pipe or
        a device is not replaced but written to.
    :returns: a hidden name beside it, with the same ending; nothing stays there after an error.
    :raises OutputError: if the file cannot be written.
    """
    target = Path(os.path.realpath(path))
    part = _part_of(target)
    try:
        if _is_device(path):
            yield path
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(target)
    except OSError as error:
        raise OutputError(f"cannot write '{path}': {error}") from error
    finally:
        # Where it cannot be there, what went wrong before is what to say.
        with suppress(OSError):
            part.unlink()


def check_place(path: Path) -> None:
    """
    Find out that :func:`written_beside` will fail, before there is something to write.

    :raises OutputError: if the file cannot be written. The folder is made if need be.
    """
    target = Path(os.path.realpath(path))
    try:
        if _is_device(path):
            return
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        target.parent.mkdir(parents=True, exist_ok=True)
        part = _part_of(target)
        part.touch()
        part.unlink()
    except OSError as error:
        raise OutputError(f"cannot write '{path}': {error.strerror}") from error


def _part_of(target: Path) -> Path:
    # Of its own, since others may write the same file; short, since names may be long.
    return target.with_name(f'.part-{uuid4().hex[:12]}{target.suffix}')


def _is_device(path: Path) -> bool:
    try:
        mode = os.stat(path).st_mode
    except OSError:  # as a rule there is nothing yet
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def write_json(path: Path, document: Mapping[str, Any] | Sequence[Any]) -> None:
    """
    Write figures as JSON: to six decimals, with what is not finite as null.

    :raises OutputError: if it cannot be written.
    """
    with written_beside(path) as part:
        part.write_text(json.dumps(_plain(document), indent=1) + '\n')


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """
    Write arrays as a compressed npz.

    :param path: ends in .npz.
    :raises OutputError: if it cannot be written.
    """
    with written_beside(path) as part:
        np.savez_compressed(part, **arrays)  # type: ignore[arg-type]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def check_picture_name(path: Path) -> None:
    """
    Check that a picture can have a name.

    :raises OutputError: if its ending is not that of a kind of picture.
    """
    # The ending alone: OpenCV crashes on a name that is not UTF-8, and opens none here.
    if not cv2.haveImageWriter(f'picture{shown(path.suffix)}'):
        raise OutputError(
            f"cannot write '{shown(path)}' as a picture; expected a name ending in .png or .jpg"
        )


def write_picture(path: Path, rgb: np.ndarray, parameters: Sequence[int] = ()) -> None:
    """
    Write a picture, of the kind that its name's ending says.

    :param rgb: (H, W, 3) uint8.
    :param parameters: of OpenCV's encoder.
    :raises OutputError: if it cannot be written.
    """
    check_picture_name(path)
    # Not by imwrite, which says that a small picture is written when the disk is full.
    _, encoded = cv2.imencode(path.suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), parameters)
    with written_beside(path) as part:
        part.write_bytes(encoded.tobytes())
