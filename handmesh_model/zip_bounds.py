"""
Bounds on what a zip file of ``torch.save`` unpacks to, whatever it says.

torch unpacks whatever a zip file holds: a hundred kilobytes of packed zeros become a hundred
megabytes. What torch writes is not packed, so that its parts never take more than the file.
"""

from __future__ import annotations

import os
import zipfile
from typing import IO

_ZIP = b'PK\x03\x04'
"""What torch knows a zip file by; its older formats have nothing that could be packed."""


def is_zip(file: IO[bytes]) -> bool:
    """Whether torch takes an open file for a zip file."""
    file.seek(0)
    return file.read(len(_ZIP)) == _ZIP


def check_stored(file: IO[bytes]) -> None:
    """
    Make sure that the parts of a zip file lie in it as they are.

    :param file: it stands anywhere afterwards.
    :raises OSError: if it cannot be read.
    :raises zipfile.BadZipFile: if it is damaged, or holds what ``torch.save`` does not write.
    """
    size = file.seek(0, os.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED:
            raise zipfile.BadZipFile(
                f"'{member.filename}' is compressed by method {member.compress_type}, expected "
                'parts that are stored as they are, as torch.save writes'
            )
    total = sum(member.file_size for member in members)
    if total > size:
        raise zipfile.BadZipFile(
            f'its parts take {total} bytes, expected at most the {size} of the file'
        )
