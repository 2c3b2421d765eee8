"""Random numbers that belong to a sample, whoever draws it and whenever."""

from __future__ import annotations

import numpy as np


def sample_rng(*key: int) -> np.random.Generator:
    """
    The random numbers of one sample, which depend on its key alone.

    :param key: such as seed and number; whole numbers of 0 or more.
    """
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(key)))
