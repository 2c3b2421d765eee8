"""What YAML files for AR hold, read key by key with errors that name what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handmesh_model.brief import brief
from handmesh_model.errors import ConfigError
from handmesh_model.rotations import from_rpy

Vector = tuple[float, float, float]
LONGEST_NAME, LONGEST_FRAME, LONGEST_PATH = 64, 256, 4096
"""Characters of a text that names a thing, a TF frame or a file."""
HAND_FRAMES = {'left_hand': 'left', 'right_hand': 'right'}
"""Frames that stand for the wrist of a hand of that side, whichever is seen best."""


@dataclass
class Table:
    """A YAML mapping read key by key; what was not asked for is an error in the end."""

    facts: Any
    source: str
    asked: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.facts = {} if self.facts is None else self.facts
        if not isinstance(self.facts, Mapping):
            raise ConfigError(f'{self.source} is {brief(self.facts)}, expected keys and values')

    def __contains__(self, key: str) -> bool:
        """Whether the key is there; one that may be left out is asked for by this as well."""
        self.asked.add(key)
        return key in self.facts

    def take(self, key: str) -> Any:
        """What stands there, as it is; None if nothing does."""
        self.asked.add(key)
        return self.facts.get(key)

    def rows(self, key: str, most: int) -> list[Any]:
        """A list of so many entries at most; empty if it is left out."""
        value = self.take(key)
        value = [] if value is None else value
        if not isinstance(value, list) or len(value) > most:
            raise ConfigError(f"{self.source}: '{key}' is no list of up to {most} entries")
        return value

    def number(self, key: str, default: float, low: float, high: float) -> float:
        """A number within bounds."""
        value = self.take(key) if key in self else default
        return self._number(key, value, low, high)

    def _number(self, key: str, value: Any, low: float, high: float) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not low <= value <= high:
            raise ConfigError(
                f"{self.source}: '{key}' is {brief(value)}, expected {low:g} to {high:g}"
            )
        return float(value)

    def numbers(self, key: str, count: int, low: float, high: float) -> tuple[float, ...]:
        """So many numbers within bounds; a single one need not be a list."""
        value = self.take(key)
        value = [value] if isinstance(value, int | float) else value
        if not isinstance(value, list) or len(value) != count:
            raise ConfigError(
                f"{self.source}: '{key}' is {brief(value)}, expected {count} numbers"
            )
        return tuple(self._number(key, v, low, high) for v in value)

    def vector(
        self, key: str, default: Vector, low: float = -100.0, high: float = 100.0
    ) -> Vector:
        """Three numbers within bounds."""
        if key not in self:
            return default
        x, y, z = self.numbers(key, 3, low, high)
        return x, y, z

    def color(self, key: str, default: Vector) -> Vector:
        """RGB, 0 to 1."""
        return self.vector(key, default, 0.0, 1.0)

    def rotation(self, key: str, default: np.ndarray) -> np.ndarray:
        """(3, 3) of roll, pitch and yaw in degrees, about fixed x, y and z, as in URDF."""
        if key not in self:
            return default
        return from_rpy(*np.radians(self.numbers(key, 3, -360, 360)))

    def text(self, key: str, default: str, most: int = LONGEST_NAME) -> str:
        """A text of so many characters at most, and not empty."""
        value = self.take(key) if key in self else default
        if not isinstance(value, str) or not 0 < len(value) <= most:
            raise ConfigError(
                f"{self.source}: '{key}' is {brief(value)}, expected a text of 1 to {most} "
                'characters'
            )
        return value

    def frame(self) -> str:
        """The frame that something hangs on; '' where none is named."""
        return self.text('frame', '', LONGEST_FRAME) if 'frame' in self else ''

    def choice(self, key: str, choices: tuple[str, ...], default: str) -> str:
        """One of the texts that are known."""
        value = self.take(key) if key in self else default
        if value not in choices:
            raise ConfigError(
                f"{self.source}: '{key}' is {brief(value)}, expected one of {', '.join(choices)}"
            )
        return value

    def close(self) -> None:
        """
        To be called once all is read.

        :raises ConfigError: if the table has a key that nobody asked for.
        """
        unknown = sorted(str(key) for key in set(self.facts) - self.asked)
        if unknown:
            raise ConfigError(
                f"{self.source} has unknown '{unknown[0]}', expected one of "
                + ', '.join(sorted(self.asked))
            )
