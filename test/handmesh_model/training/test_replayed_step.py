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
from handmesh_model.training.distributed import Ranks
from handmesh_model.training.gradients import GradientBlock
from handmesh_model.training.optimizers import build_optimizer, fit_device, set_rate
from handmesh_model.training.replayed_step import (
    CALM_STEPS,
    Batch,
    Compute,
    CudaRecorder,
    ReplayedStep,
)
from handmesh_model.training.trainer import Trainer

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
        results: dict[str, Tensor] = {}

        def replay() -> None:
            results.update(compute(batch))

        return replay, results


def total(batch: Batch) -> dict[str, Tensor]:
    return {'total': batch['x'].sum()}


def batch_of(value: float) -> dict[str, Tensor]:
    return {'x': torch.full((3,), value)}


def test_replayed_steps_give_what_computed_ones_give() -> None:
    recorder = FakeRecorder()
    replayed = ReplayedStep(total, recorder)
    results = [replayed.run(batch_of(i), 'same')['total'].item() for i in range(CALM_STEPS + 5)]
    assert results == [3.0 * i for i in range(CALM_STEPS + 5)]
    assert (recorder.runs, recorder.records) == (CALM_STEPS, 1)
    assert replayed.recorded


def test_changing_settings_are_not_recorded() -> None:
    recorder = FakeRecorder()
    replayed = ReplayedStep(total, recorder)
    for i in range(3 * CALM_STEPS):
        replayed.run(batch_of(i), i)
    assert recorder.records == 0
    for i in range(CALM_STEPS + 2):
        replayed.run(batch_of(i), 'calm')
    assert recorder.records == 1
    assert replayed.run(batch_of(7), 'other')['total'] == 21
    assert not replayed.recorded


@pytest.mark.parametrize(
    ('error', 'told'),
    [
        (RuntimeError('operation not permitted\nat 0x7f'), 'operation not permitted'),
        (RuntimeError(), 'RuntimeError'),
    ],
)
def test_device_that_refuses_is_asked_once(
    caplog: pytest.LogCaptureFixture, error: RuntimeError, told: str
) -> None:
    class Refusing(FakeRecorder):
        def record(self, compute: Compute, batch: Batch) -> Any:
            self.records += 1
            raise error

    recorder = Refusing()
    replayed = ReplayedStep(total, recorder)
    with caplog.at_level(logging.WARNING):
        results = [replayed.run(batch_of(i), 0)['total'].item() for i in range(3 * CALM_STEPS)]
    assert results == [3.0 * i for i in range(3 * CALM_STEPS)]
    assert recorder.records == 1
    assert [r.message for r in caplog.records] == [
        f'training steps cannot be recorded, going on without: {told}'
    ]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(128, 5))


def step(net: nn.Module, optimizer: Any) -> None:
    torch.manual_seed(3)
    net.zero_grad()
    net(torch.randn(2, 3, 6, 6)).square().mean().backward()
    optimizer.step()


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
            step(net, optimizer)
    assert isinstance(optimizers[1].param_groups[0]['lr'], Tensor)
    assert float(optimizers[1].param_groups[0]['lr']) == pytest.approx(0.003)
    for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_state_of_recorded_steps_goes_on_without_recording() -> None:
    config = OptimizerConfig('muon', learning_rate=0.01)
    ends = []
    for recorded in (False, True):
        net = network()
        optimizer = build_optimizer(config, net)
        step(net, optimizer)
        stored = copy.deepcopy(optimizer.state_dict())
        for part in stored['parts'] if recorded else ():
            for group in part['param_groups']:
                group['lr'] = torch.tensor(group['lr'])
                if 'capturable' in group:
                    group['capturable'] = True
        optimizer = build_optimizer(config, net)
        optimizer.load_state_dict(stored)
        fit_device(optimizer, torch.device('cpu'))
        assert not any(isinstance(group['lr'], Tensor) for group in optimizer.param_groups)
        step(net, optimizer)
        ends.append(net.state_dict())
    for a, b in zip(*(end.values() for end in ends), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize('on_cuda', [False, True])
def test_a_trainers_steps_can_be_replayed(tiny_run: Any, tmp_path: Any, on_cuda: bool) -> None:
    ends = []
    for replayed in (False, True):
        config = tiny_run(
            output=str(tmp_path / str(replayed)),
            total_samples=8 * (CALM_STEPS + 20),
            mixed_precision=False,
            loss_ramps={'normal': [0, 0.5, 40, 1]},
        )
        trainer = Trainer(config, Ranks(0, 1, torch.device('cpu')))
        recorder = FakeRecorder()
        if replayed:
            trainer._replayed = ReplayedStep(trainer._update, recorder)
        trainer._on_cuda = on_cuda
        trainer.run()
        assert recorder.records == replayed
        ends.append(trainer.net.state_dict())
    for name, a, b in zip(ends[0], *(end.values() for end in ends), strict=True):
        torch.testing.assert_close(a, b, msg=name)


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
        fit_device(optimizer, device, recorded=True)
        gradients = GradientBlock(net)

        def compute(batch: Batch) -> dict[str, Tensor]:
            loss = net(batch['x']).square().mean()  # noqa: B023
            gradients.zero()  # noqa: B023
            loss.backward()
            optimizer.step()  # noqa: B023
            return {'total': loss.detach()}

        replayed = ReplayedStep(compute, CudaRecorder(device))
        totals = []
        for i, batch in enumerate(batches):
            set_rate(optimizer, 0.01 / (1 + i))
            totals.append(replayed.run(batch, 0 if recorded else i)['total'].item())
        assert replayed.recorded == recorded
        ends.append([torch.tensor(totals, device=device), *net.state_dict().values()])
    for a, b in zip(*ends, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
