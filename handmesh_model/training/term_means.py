"""Means of what training steps give, over the steps between two lines of the log."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


class TermMeans:
    """
    The mean of each term over the steps that gave it.

    A term may come and go, and the first line after a resume is of fewer steps than the others.
    Tensors are summed where they lie; only asking for the means makes a device wait.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor | float] = {}
        self._counts: dict[str, int] = {}

    def add(self, terms: Mapping[str, Tensor] | Mapping[str, float]) -> None:
        """Count one step's terms, scalars, in."""
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        """The means since the last time; the next ones start anew."""
        means = {name: float(value) / self._counts[name] for name, value in self._sums.items()}
        self._sums, self._counts = {}, {}
        return means
