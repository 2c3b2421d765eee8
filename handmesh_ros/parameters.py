"""
How a node declares its parameters, once: name, default, description, range, read-only.

A parameter is one line of a frozen dataclass, which stands beside its node. What ROS is told
(descriptors), what is checked and what the code reads all come from that line.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from handmesh_model.errors import ConfigError

RATE_RANGE = (0.1, 240.0)
"""Images a second that a source is played and filmed at."""

Settings = TypeVar('Settings')


@dataclass(frozen=True)
class Row:
    """
    What is known of one parameter besides its name, type and default.

    :param low: smallest value allowed.
    :param high: largest value allowed.
    :param special: one more value allowed, which switches something off.
    :param at_most: another parameter, that this one must not be above.
    :param choices: the only values allowed.
    :param read_only: read when the node configures; afterwards it changes only after a clean-up.
    """

    description: str
    low: float | None = None
    high: float | None = None
    special: float | None = None
    at_most: str = ''
    choices: tuple[str, ...] = ()
    read_only: bool = False


def parameter(default: Any, description: str, **row: Any) -> Any:
    """One row of a table of parameters; see :class:`Row` for the keywords."""
    return field(default=default, metadata={'row': Row(description, **row)})


def rows(table: type) -> dict[str, Row]:
    """The row of each parameter of a table, by name."""
    return {f.name: f.metadata['row'] for f in fields(table)}


def defaults(table: type) -> dict[str, Any]:
    """The default of each parameter of a table, by name."""
    return {f.name: f.default for f in fields(table)}


def check_value(table: type, name: str, value: object) -> Any:
    """
    The value of a parameter in its declared type.

    :raises ConfigError: if the name is unknown, or the value has another type or is out of range.
    """
    known = defaults(table)
    if name not in known:
        raise ConfigError(f"unknown parameter '{name}', expected one of {', '.join(known)}")
    kind = type(known[name])
    # YAML makes numbers of '1' for 1.0, and of a camera's '0'.
    if type(value) is int and kind in (float, str):
        value = kind(value)
    if type(value) is not kind:
        raise ConfigError(f"parameter '{name}' is {value!r}, expected {_KINDS[kind]}")
    row = rows(table)[name]
    if row.choices and value not in row.choices:
        raise ConfigError(
            f"parameter '{name}' is {value!r}, expected one of {', '.join(row.choices)}"
        )
    if kind in (int, float):
        _check_range(name, value, row)  # type: ignore[arg-type]
    return value


_KINDS = {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'text'}


def _check_range(name: str, value: float, row: Row) -> None:
    low = -math.inf if row.low is None else row.low
    high = math.inf if row.high is None else row.high
    if value != row.special and not (math.isfinite(value) and low <= value <= high):
        also = '' if row.special is None else f' or {row.special:g}'
        raise ConfigError(f"parameter '{name}' is {value}, expected {low:g} to {high:g}{also}")


def settings_from(table: type[Settings], values: Mapping[str, object]) -> Settings:
    """
    A table filled with values; those not given are the defaults.

    :raises ConfigError: for the first value that does not fit.
    """
    return table(**{name: check_value(table, name, value) for name, value in values.items()})


def check_together(settings: object, changed: Collection[str] | None = None) -> None:
    """
    See whether values that are good each by itself go together.

    :param settings: a filled table.
    :param changed: what is set just now; what others clash in is none of its fault. None for all.
    :raises ConfigError: if a parameter is above the one that it must not be above.
    """
    for name, row in rows(type(settings)).items():
        value = getattr(settings, name)
        if changed is not None and not {name, row.at_most} & set(changed):
            continue
        if row.at_most and value > (bound := getattr(settings, row.at_most)):
            raise ConfigError(
                f"parameter '{name}' is {value}, expected at most '{row.at_most}', "
                f'which is {bound}'
            )
