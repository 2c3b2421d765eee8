"""Recorded training steps: what they give, when there are any, what they ask of the parts."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from handmesh_model.training.config import OptimizerConfig
from handmesh_model.training.gradients import GradientBlock
from handmesh_model.training.optimizers import build_optimizer, fit_device, set_rate
from handmesh_model.training.replayed_step import (
    CALM_STEPS,
    Batch,
    Compute,
    CudaRecorder,
    ReplayedStep,
)

needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available(), reason='PyTorch sees no CUDA device here'
)


class FakeRecorder:
    """Replays by computing again from the recorded memory, into the recorded memory."""

    def __init__(self) -> None:
        self.records = self.runs = 0

    def run(self, compute: Compute, batch: Batch) -> dict[str, Tensor]:
        self.runs += 1
        return compute(batch)

    def record(self, compute: Compute, batch: Batch) -> tuple[Callable[[], None], Batch]:
        self.records += 1
        results = {'total': torch.zeros(())}
        return lambda: results['total'].copy_(compute(batch)['total']) and None, results


def total(batch: Batch) -> dict[str, Tensor]:
    return {'total': batch['x'].sum()}


def batch_of(value: float) -> dict[str, Tensor]:
    return {'x': torch.full((3,), value)}


def test_replayed_steps_give_what_computed_ones_give() -> None:
    recorder = FakeRecorder()
    step = ReplayedStep(total, recorder)
    results = [step.run(batch_of(i), 'same')['total'].item() for i in range(CALM_STEPS + 5)]
    assert results == [3.0 * i for i in range(CALM_STEPS + 5)]
    assert (recorder.runs, recorder.records) == (CALM_STEPS, 1)
    assert step.recorded


def test_changing_settings_are_not_recorded() -> None:
    recorder = FakeRecorder()
    step = ReplayedStep(total, recorder)
    for i in range(3 * CALM_STEPS):
        step.run(batch_of(i), i)
    assert recorder.records == 0
    for i in range(CALM_STEPS + 2):
        step.run(batch_of(i), 'calm')
    assert recorder.records == 1
    assert step.run(batch_of(7), 'other')['total'] == 21
    assert not step.recorded


def test_device_that_refuses_is_asked_once(caplog: pytest.LogCaptureFixture) -> None:
    class Refusing(FakeRecorder):
        def record(self, compute: Compute, batch: Batch) -> Any:
            self.records += 1
            raise RuntimeError('operation not permitted')

    recorder = Refusing()
    step = ReplayedStep(total, recorder)
    with caplog.at_level(logging.WARNING):
        results = [step.run(batch_of(i), 0)['total'].item() for i in range(3 * CALM_STEPS)]
    assert results == [3.0 * i for i in range(3 * CALM_STEPS)]
    assert recorder.records == 1
    assert [r.message for r in caplog.records] == [
        'training steps cannot be recorded, going on without: operation not permitted'
    ]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(128, 5))


@pytest.mark.parametrize('name', ['adam', 'adamw', 'muon'])
def test_rates_in_tensors_give_the_same_steps(name: str) -> None:
    config = OptimizerConfig(name, learning_rate=0.01)
    nets = [network(), network()]
    optimizers = [build_optimizer(config, net) for net in nets]
    for group in optimizers[1].param_groups:
        group['lr'] = torch.tensor(group['lr'])
    for rate in (0.01, 0.003):
        for net, optimizer in zip(nets, optimizers, strict=True):
            set_rate(optimizer, rate)
            torch.manual_seed(3)
            net.zero_grad()
            net(torch.randn(2, 3, 6, 6)).square().mean().backward()
            optimizer.step()
    assert isinstance(optimizers[1].param_groups[0]['lr'], Tensor)
    assert float(optimizers[1].param_groups[0]['lr']) == pytest.approx(0.003)
    for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_state_from_a_gpu_is_taken_to_the_cpu() -> None:
    optimizer = build_optimizer(OptimizerConfig('muon', learning_rate=0.5), network())
    stored = copy.deepcopy(optimizer.state_dict())
    for part in stored['parts']:
        for group in part['param_groups']:
            group['lr'] = torch.tensor(0.25)
            if 'capturable' in group:
                group['capturable'] = True
    optimizer.load_state_dict(stored)
    fit_device(optimizer, torch.device('cpu'))
    for group in optimizer.param_groups:
        assert group['lr'] == 0.25
        assert not isinstance(group['lr'], Tensor)
        assert not group.get('capturable', False)


@pytest.mark.parametrize(('broken', 'kept'), [(torch.nan, 0.0), (torch.inf, 0.0), (1.0, 1.0)])
def test_broken_gradients_are_forgotten_without_asking(broken: float, kept: float) -> None:
    net = nn.Linear(2, 2)
    block = GradientBlock(net)
    block.flat.fill_(1.0)
    block.flat[0] = broken
    norm = block.clip(0)
    block.forget_unless(torch.isfinite(norm))
    assert (block.flat == kept).all()


@needs_cuda
def test_recorded_steps_of_a_network_are_those_computed() -> None:
    device = torch.device('cuda')
    batches = [{'x': torch.randn(4, 3, 6, 6, device=device)} for _ in range(CALM_STEPS + 6)]
    ends = []
    for recorded in (False, True):
        net = network().to(device)
        optimizer = build_optimizer(OptimizerConfig('muon', learning_rate=0.01), net)
        fit_device(optimizer, device)
        gradients = GradientBlock(net)

        def compute(batch: Batch) -> dict[str, Tensor]:
            loss = net(batch['x']).square().mean()  # noqa: B023
            gradients.zero()  # noqa: B023
            loss.backward()
            optimizer.step()  # noqa: B023
            return {'total': loss.detach()}

        step = ReplayedStep(compute, CudaRecorder(device))
        for i, batch in enumerate(batches):
            set_rate(optimizer, 0.01 / (1 + i))
            step.run(batch, 0 if recorded else i)
        assert step.recorded == recorded
        ends.append([p.detach().clone() for p in net.parameters()])
    for a, b in zip(*ends, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
