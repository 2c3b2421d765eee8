"""The learning rate as a function of how far the run has come."""

from __future__ import annotations

import math

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


def ramp(span: tuple[float, ...] | None, samples: float) -> float:
    """
    Share 0..1 of its factor that a loss term has reached.

    :param span: (first, last) samples of the rise; None for none.
    """
    if span is None:
        return 1.0
    first, last = span
    if samples >= last:
        return 1.0
    return max(0.0, (samples - first) / max(last - first, 1e-9))
