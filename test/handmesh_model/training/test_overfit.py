"""Every stage can learn eight samples by heart, from its own losses alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from handmesh_model.losses import HandMeshLoss, LossWeights
from handmesh_model.training.config import TrainingConfig
from handmesh_model.training.gradients import GradientBlock
from handmesh_model.training.optimizers import build_optimizer
from handmesh_model.training.setup import build_network, lixel_scale
from handmesh_model.training.validation import to_tensors

MakeRun = Callable[..., TrainingConfig]
NOTHING = dict.fromkeys(vars(LossWeights()), 0.0)


@pytest.fixture
def batch(
    tiny_run: MakeRun, drawn_samples: Callable[..., dict[str, np.ndarray]]
) -> dict[str, Tensor]:
    """Eight samples: six hands, two of them left ones, and two pictures of noise."""
    samples = drawn_samples(8)
    scale = lixel_scale(build_network(tiny_run()))
    for name in ('vertices', 'joints'):
        samples[name] = scale.to_lixels(samples[name])
    return to_tensors(samples, torch.device('cpu'))


class Pupil:
    """
    A tiny network and the losses it learns from.

    :param losses: factors of the only terms that count.
    """

    def __init__(self, config: TrainingConfig, **losses: float) -> None:
        self.config = config
        self.net = build_network(config).train()
        self.gradients = GradientBlock(self.net)
        self.wants(**losses)

    def wants(self, **losses: float) -> None:
        """Count these terms alone from now on."""
        self.criterion = HandMeshLoss(LossWeights(**{**NOTHING, **losses}), self.net.topology)

    def learn(self, batch: dict[str, Tensor], steps: int, part: nn.Module | None = None) -> None:
        """Take so many steps on one batch; with a part given, only that part moves."""
        optimizer = build_optimizer(self.config.optimizer, part or self.net)
        for step in range(steps):
            for group in optimizer.param_groups:
                group['lr'] = 5e-3 * group['factor'] * min(1.0, 2 * (1 - step / steps))
            self.gradients.zero()
            self.criterion(self.net(batch['image'], heads=True), batch)['total'].backward()
            self.gradients.clip(5.0)
            optimizer.step()

    @torch.no_grad()
    def terms(self, batch: dict[str, Tensor]) -> dict[str, float]:
        """How far off the network is."""
        outputs = self.net(batch['image'], heads=True)
        return {name: float(value) for name, value in self.criterion(outputs, batch).items()}


@pytest.mark.parametrize(
    ('losses', 'steps', 'most'),
    [
        ({'stage_joints': 1.0, 'heatmap': 0.5}, 40, {'stage_joints': 0.3}),
        ({'segmentation': 1.0}, 50, {'segmentation': 0.25}),
        ({'rough_mesh': 1.0, 'vertex_heatmap': 0.5}, 40, {'rough_mesh': 0.3}),
        (
            {'mesh': 1.0, 'joints': 1.0, 'rough_mesh': 1.0, 'vertex_heatmap': 0.5},
            40,
            {'mesh': 0.3, 'joints': 0.3},
        ),
        ({'presence': 1.0, 'side': 1.0}, 30, {'presence': 0.15, 'side': 0.15}),
    ],
    ids=['joint stage', 'segmentation', 'mesh stage', 'all stages', 'heads'],
)
def test_eight_samples_are_learned_by_heart(
    losses: dict[str, float],
    steps: int,
    most: dict[str, float],
    tiny_run: MakeRun,
    batch: dict[str, Tensor],
) -> None:
    pupil = Pupil(tiny_run(), **losses)
    before = pupil.terms(batch)
    pupil.learn(batch, steps)
    after = pupil.terms(batch)
    for name, limit in most.items():
        print(f'{name}: {before[name]:.3f} -> {after[name]:.3f}')
        assert before[name] > 3 * limit
        assert after[name] < limit


def test_refine_stage_betters_a_rough_mesh_that_no_longer_learns(
    tiny_run: MakeRun, batch: dict[str, Tensor]
) -> None:
    pupil = Pupil(tiny_run(), rough_mesh=1.0, vertex_heatmap=0.5)
    pupil.learn(batch, 15)
    pupil.wants(mesh=1.0, rough_mesh=1e-9)
    before = pupil.terms(batch)
    pupil.learn(batch, 50, part=pupil.net.refine_stage)
    after = pupil.terms(batch)
    print(f'rough {after["rough_mesh"]:.3f}, refined {before["mesh"]:.3f} -> {after["mesh"]:.3f}')
    assert after['rough_mesh'] == pytest.approx(before['rough_mesh'], rel=0.05)
    assert after['mesh'] < 0.75 * after['rough_mesh']
