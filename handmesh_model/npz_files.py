"""Reading npz files that may be damaged, or made to fill the memory."""

from __future__ import annotations

import math
import os
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

_ZIP = b'PK'
"""What an npz file starts with, as every zip file."""
MOST_BYTES = 2 << 30
"""Of a file's arrays together, where its reader states no limit of its own: labels and masks."""
MOST_SHRINKING = 8
"""A file that is larger than that may unpack to so many times its own size: pictures and
coordinates shrink by less, and arrays that were not compressed not at all."""
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What numpy writes. Of the others, zipfile unpacks a block whole, however large it gets."""
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_arrays(path: str | Path, limit: int | None = None) -> dict[str, np.ndarray]:
    """
    All arrays of an npz file, without pickles.

    What the file says of its sizes is held to the limit before anything is unpacked, and no more
    than that is read.

    :param limit: bytes of all its arrays together; by default :data:`MOST_BYTES`, or
        :data:`MOST_SHRINKING` times what the file takes.
    :raises ValueError: saying why, if it is missing, damaged, no npz, or larger than the limit.
    """
    try:
        with open(path, 'rb') as file:
            start = file.read(npy.MAGIC_LEN)
            if start.startswith(npy.MAGIC_PREFIX):
                file.seek(0)
                shape = _read_header(file)[0]
                raise ValueError(f'one array of shape {shape}, expected an npz with several')
            if not start.startswith(_ZIP):
                raise ValueError('it is no npz file')
            if limit is None:
                limit = max(MOST_BYTES, MOST_SHRINKING * file.seek(0, os.SEEK_END))
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                _check_members(members, limit)
                return {m.filename.removesuffix('.npy'): _array(archive, m) for m in members}
    # A damaged file raises whatever zipfile, zlib and numpy stumble over.
    except Exception as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _check_members(members: list[zipfile.ZipInfo], limit: int) -> None:
    total = sum(member.file_size for member in members)
    if total > limit:
        largest = max(members, key=lambda member: member.file_size)
        raise ValueError(
            f"it unpacks to {total} bytes, {largest.file_size} of them in '{largest.filename}', "
            f'expected at most {limit}'
        )
    for member in members:
        if member.compress_type not in _COMPRESSIONS:
            raise ValueError(
                f"'{member.filename}' is compressed by method {member.compress_type}, expected "
                f'one of {_COMPRESSIONS}, as numpy writes'
            )


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """Read one array, which needs no more memory than the member's size."""
    with archive.open(member) as stream:
        try:
            shape, dtype = _read_header(stream)
            # Memory is taken for what the header says.
            size = math.prod(shape) * max(dtype.itemsize, 1)
            left = member.file_size - stream.tell()
            if size != left and not dtype.hasobject:
                raise ValueError(
                    f'an array of shape {shape} and type {dtype}, which takes {size} bytes, in '
                    f'{left} bytes'
                )
            stream.seek(0)
            return npy.read_array(stream, allow_pickle=False)
        except ValueError as error:
            raise ValueError(f"'{member.filename}': {error}") from error


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of an array, whose numbers come next."""
    version = npy.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f'npy format {version}, expected one of {", ".join(map(str, _HEADERS))}')
    shape, _, dtype = _HEADERS[version](file)
    return shape, dtype
