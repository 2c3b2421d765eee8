"""How a hand's bones go from where they are to where they are to be."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np


@dataclass(frozen=True, eq=False)
class HandMove:
    """
    From where (0) to where (1) a hand's bones go in a span of time, and how fast.

    :param positions: two of (20, 3) metres; quaternions two of (20, 4) w, x, y, z.
    :param velocities: (20, 3) metres a second.
    :param turns: (20, 3) radians a second, in the bones' own frames, as MuJoCo wants it.
    """

    positions: tuple[np.ndarray, np.ndarray]
    quaternions: tuple[np.ndarray, np.ndarray]
    velocities: np.ndarray
    turns: np.ndarray

    @classmethod
    def between(
        cls,
        before: np.ndarray,
        after: np.ndarray,
        turned: np.ndarray,
        turned_after: np.ndarray,
        span: float,
    ) -> HandMove:
        """
        An even move.

        :param before: (20, 3) metres; ``turned`` (20, 4) quaternions w, x, y, z.
        :param span: seconds.
        """
        signs = np.where((turned * turned_after).sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
        turned_after = signs * turned_after
        if span <= 0:
            still = np.zeros_like(before)
            return cls((before, after), (turned, turned_after), still, still)
        turns = np.empty_like(before)
        for i in range(len(turns)):
            mujoco.mju_subQuat(turns[i], turned_after[i], turned[i])
        return cls((before, after), (turned, turned_after), (after - before) / span, turns / span)

    def at(self, share: float) -> tuple[np.ndarray, np.ndarray]:
        """Positions (20, 3) and quaternions (20, 4) after a share of the way."""
        positions = (1 - share) * self.positions[0] + share * self.positions[1]
        blend = (1 - share) * self.quaternions[0] + share * self.quaternions[1]
        return positions, blend / np.linalg.norm(blend, axis=1, keepdims=True)

    def part(self, share: float) -> HandMove:
        """The first share of the way in the same time, and so more slowly."""
        positions, quaternions = self.at(share)
        return HandMove(
            (self.positions[0], positions),
            (self.quaternions[0], quaternions),
            share * self.velocities,
            share * self.turns,
        )
