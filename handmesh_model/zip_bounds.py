"""
Bounds on what reading a file of ``torch.save`` takes, whatever it says.

torch unpacks whatever a zip file holds: a hundred kilobytes of packed zeros become a hundred
megabytes. What torch writes is not packed, so that its parts never take more than the file.
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

_ZIP = b'PK\x03\x04'
"""What torch knows a zip file by; its older formats have nothing that could be packed."""


def check_stored(path: str | Path) -> None:
    """
    Make sure that the parts of a zip file lie in it as they are; other files pass.

    :raises OSError: if it cannot be read.
    :raises zipfile.BadZipFile: if it is damaged, or holds what ``torch.save`` does not write.
    """
    with open(path, 'rb') as file:
        if file.read(len(_ZIP)) != _ZIP:
            return
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
