"""Numbers that users give, held to their limits."""

from __future__ import annotations

import math

from handmesh_model.errors import ConfigError, HandmeshError


def check_range(
    name: str,
    value: float,
    low: float,
    high: float = math.inf,
    error: type[HandmeshError] = ConfigError,
) -> None:
    """
    Check a number that a user gives.

    :param error: the class of what is raised.
    :raises HandmeshError: if the value is not between the limits, which are allowed themselves.
    """
    if not low <= value <= high:
        wanted = f'at least {_shown(low)}'
        if high != math.inf:
            wanted = f'{_shown(low)} to {_shown(high)}'
        raise error(f'{name} is {_shown(value)}, expected {wanted}')


def _shown(value: float) -> str:
    """Whole numbers with all their digits: a seed may be one more than the greatest allowed."""
    return str(value) if isinstance(value, int) else f'{value:g}'
