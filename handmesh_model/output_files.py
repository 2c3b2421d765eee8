"""Files that are written whole or not at all, and pictures among them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import cv2
import numpy as np

from handmesh_model.errors import OutputError


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """
    A file to write in place of another, which it replaces when it is whole.

    :param path: its folder is made if need be; of a link, what it points to is replaced.
    :returns: a hidden name beside it, with the same ending; nothing stays there after an error.
    :raises OutputError: if the file cannot be written.
    """
    target = Path(os.path.realpath(path))
    # Of its own, since others may write the same file; short, since names may be long.
    part = target.with_name(f'.part-{uuid4().hex[:12]}{target.suffix}')
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(target)
    except OSError as error:
        raise OutputError(f"cannot write '{path}': {error}") from error
    finally:
        # Where it cannot be there, what went wrong before is what to say.
        with suppress(OSError):
            part.unlink()


def check_picture_name(path: Path) -> None:
    """
    Check that a picture can have a name.

    :raises OutputError: if its ending is not that of a kind of picture.
    """
    if not cv2.haveImageWriter(str(path)):
        raise OutputError(
            f"cannot write '{path}' as a picture; expected a name ending in .png or .jpg"
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
