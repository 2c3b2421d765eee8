"""Tiny runs on this process alone, and one broken off as a signal does it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import torch
from torch import Tensor

from handmesh_model.training.config import TrainingConfig
from handmesh_model.training.distributed import Ranks
from handmesh_model.training.trainer import Trainer

CPU = torch.device('cpu')
ALONE = Ranks(0, 1, CPU)
MakeRun = Callable[..., TrainingConfig]


def train(config: TrainingConfig, stop_after: int = 0) -> tuple[Trainer, list[float]]:
    """Run until done or until a signal after some steps; the total losses of all steps."""
    trainer = Trainer(config, ALONE)
    losses: list[float] = []
    step = trainer._step

    def counted(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        terms = step(batch)
        losses.append(terms['total'].item())
        if len(losses) == stop_after:
            os.kill(os.getpid(), signal.SIGTERM)
        return terms

    trainer._step = counted  # type: ignore[method-assign]
    trainer.run()
    return trainer, losses
