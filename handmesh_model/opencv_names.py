"""Names of files that OpenCV is given, whose Python binding crashes on one that is not UTF-8."""

from __future__ import annotations

from pathlib import Path

from handmesh_model.errors import HandmeshError


def shown(path: str | Path) -> str:
    """A file's name as it can be printed and logged: what is not UTF-8 is escaped."""
    return str(path).encode(errors='backslashreplace').decode()


def opencv_name(path: str | Path, error: type[HandmeshError]) -> str:
    """
    A file's name, if OpenCV can be given it.

    :param error: raised with the name if it is not UTF-8; old archives and disks have such.
    """
    name = str(path)
    if shown(name) != name:
        raise error(
            f"the file name '{shown(name)}' is not UTF-8, expected one that is, since OpenCV "
            'opens no other'
        )
    return name
