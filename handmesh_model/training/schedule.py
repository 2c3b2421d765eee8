"""The learning rate as a function of how far the run has come."""

from __future__ import annotations

import math

import numpy as np

from handmesh_model.training.config import ScheduleConfig


def rate_factor(config: ScheduleConfig, samples: float, progress: float) -> float:
    """
    What the peak learning rate is multiplied with.

    :param samples: samples seen so far.
    :param progress: 0..1, share of the run that is done.
    :returns: 0..1.
    """
    warmup = min(1.0, (samples + 1) / config.warmup_samples) if config.warmup_samples else 1.0
    progress = min(max(progress, 0.0), 1.0)
    low = config.final_factor
    if config.kind == 'steps':
        return warmup * config.factor ** sum(progress >= m for m in config.milestones)
    if config.kind == 'cosine':
        return warmup * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * progress)))
    left = (1 - progress) / max(config.cooldown, 1e-9)
    return warmup * max(low, min(1.0, left))


def ramp(knots: tuple[float, ...], samples: float) -> float:
    """
    What a loss term's weight is multiplied with.

    :param knots: samples, factor, samples, factor, ...; linear in between, constant outside.
    """
    return float(np.interp(samples, knots[::2], knots[1::2]))
