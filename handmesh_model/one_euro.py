"""The One Euro filter, for any number of coordinates at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handmesh_model.errors import ConfigError


@dataclass(frozen=True)
class OneEuroSettings:
    """
    How much a One Euro filter smooths.

    :param min_cutoff: Hz, of what stands still: lower is steadier, and slower to start moving.
    :param beta: Hz for each m/s: higher lets what moves lag less.
    :param derivative_cutoff: Hz, of the speed that decides between the two.
    :raises ConfigError: if a value is outside its range.
    """

    min_cutoff: float = 1.0
    beta: float = 20.0
    derivative_cutoff: float = 1.0

    def __post_init__(self) -> None:
        for name in ('min_cutoff', 'derivative_cutoff'):
            if not 0 < getattr(self, name) < np.inf:
                raise ConfigError(f'{name} is {getattr(self, name)} Hz, expected more than 0')
        if not 0 <= self.beta < np.inf:
            raise ConfigError(f'beta is {self.beta} Hz s/m, expected 0 or more')


class OneEuroFilter:
    """
    A low pass whose cutoff rises with speed (Casiez, Roussel, Vogel: 1 Euro Filter, CHI 2012).

    With the time ``dt`` since the last value and the smoothing ``a(f) = r / (1 + r)``,
    ``r = 2 pi f dt``, each coordinate follows

    ``speed  += a(derivative_cutoff) * ((value - last value) / dt - speed)``
    ``result += a(min_cutoff + beta |speed|) * (value - result)``

    The last value is the raw one, as in the authors' own programs, so that the speed is that of
    the hand and not of the filter's lag.
    """

    def __init__(self, settings: OneEuroSettings | None = None) -> None:
        self.settings = settings or OneEuroSettings()
        self.reset()

    def reset(self) -> None:
        """Forget what came before."""
        self._raw: np.ndarray | None = None
        self._stamp = 0.0

    def update(self, values: np.ndarray, stamp: float) -> np.ndarray:
        """
        The smoothed values.

        Values of another shape than the last ones, and such that are not newer, start anew: they
        come back as they are.

        :param values: any shape, finite.
        :param stamp: seconds.
        """
        values = np.array(values, dtype=np.float64)
        step = stamp - self._stamp
        if self._raw is None or self._raw.shape != values.shape or step <= 0:
            self._speed, self._result = np.zeros_like(values), values
        else:
            rate = smoothing(self.settings.derivative_cutoff, step)
            self._speed = self._speed + rate * ((values - self._raw) / step - self._speed)
            cutoff = self.settings.min_cutoff + self.settings.beta * np.abs(self._speed)
            self._result = self._result + smoothing(cutoff, step) * (values - self._result)
        self._raw, self._stamp = values, stamp
        return self._result.copy()


def smoothing(cutoff: float | np.ndarray, step: float) -> float | np.ndarray:
    """
    Share of a new value in a first-order low pass.

    :param cutoff: Hz.
    :param step: seconds since the last value.
    """
    ratio = 2 * np.pi * cutoff * step
    return ratio / (1 + ratio)
