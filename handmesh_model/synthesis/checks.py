"""Sizes that users give, checked before anything is written."""

from __future__ import annotations

from handmesh_model.errors import DatasetError

MIN_SIDE = 16
"""Pixels of the smallest picture's side."""


def check_side(name: str, value: int) -> None:
    """
    Check a picture's width, height or both, pixels.

    :raises DatasetError: if it is odd or less than :data:`MIN_SIDE`.
    """
    if value < MIN_SIDE or value % 2:
        raise DatasetError(f'{name} is {value}, expected an even number of at least {MIN_SIDE}')
