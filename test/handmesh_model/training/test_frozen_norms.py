"""Batch normalizations that stand still at the end of a run."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from tiny_runs import MakeRun, train
from torch import Tensor, nn

from handmesh_model.training import frozen_norms
from handmesh_model.training.frozen_norms import FrozenNorms
from handmesh_model.training.trainer import Trainer


def statistics(trainer: Trainer) -> Tensor:
    means = [b for name, b in trainer.net.named_buffers() if name.endswith('running_mean')]
    return torch.cat(means).clone()


def test_they_stand_still_from_their_share_of_the_schedule_on(tiny_run: MakeRun) -> None:
    seen: list[Tensor] = []

    class Watched(Trainer):
        def _step(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
            terms = super()._step(batch)
            seen.append(statistics(self))
            return terms

    config = tiny_run(freeze_norms=0.5, total_samples=64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('tiny_runs.Trainer', Watched)
        trainer, losses = train(config)
    assert len(seen) == 8
    moved = [not torch.equal(one, other) for one, other in pairwise(seen)]
    assert moved == [True] * 3 + [False] * 4
    assert trainer.norms.frozen
    assert all(loss == loss for loss in losses)


def test_ranks_freeze_the_mean_of_their_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    norm = net[1]
    assert isinstance(norm, nn.BatchNorm1d)
    assert norm.running_mean is not None
    norm.running_mean += 1.0

    def with_another(tensor: Tensor) -> None:
        tensor += 4.0

    monkeypatch.setattr(frozen_norms, 'reduce_over_ranks', with_another)
    norms = FrozenNorms(net, 2)
    norms.freeze()
    torch.testing.assert_close(norm.running_mean, torch.full((3,), 2.5))
    torch.testing.assert_close(norm.running_var, torch.full((3,), 2.5))
    # Once is enough; what the network's mode was set to is set back.
    net.train()
    norms.freeze()
    torch.testing.assert_close(norm.running_mean, torch.full((3,), 2.5))
    assert not norm.training
    assert net[0].training
