"""Whole runs: measured, ended, kept, on one process and on two."""

from __future__ import annotations

import copy
import itertools
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from tiny_runs import ALONE, CPU, MakeRun, train
from torch import Tensor, nn

from handmesh_model.checkpoints import (
    load_network,
    read_checkpoint,
    save_checkpoint,
    state_problems,
)
from handmesh_model.errors import CheckpointError, ConfigError, DatasetError
from handmesh_model.losses import HandMeshLoss
from handmesh_model.training import setup
from handmesh_model.training.bookkeeper import Bookkeeper
from handmesh_model.training.config import TrainingConfig
from handmesh_model.training.config_files import to_mapping
from handmesh_model.training.data import build_stream
from handmesh_model.training.dataset_stream import DEAD_WORKER, LoaderError
from handmesh_model.training.distributed import LAUNCHER, Ranks, launch
from handmesh_model.training.gradients import GradientBlock
from handmesh_model.training.optimizers import build_optimizer
from handmesh_model.training.run_clock import RunClock, TimeBox
from handmesh_model.training.run_state import LAST, alone_in
from handmesh_model.training.schedule import rate_factor
from handmesh_model.training.trainer import CUDA_STOP_EVERY, Trainer
from handmesh_model.training.validation import to_tensors


def test_run_learns_and_leaves_its_files(unbroken: tuple[Trainer, list[float]]) -> None:
    trainer, losses = unbroken
    assert np.mean(losses[-3:]) < 0.9 * np.mean(losses[:3])
    assert [entry['samples'] for entry in trainer.state.history] == [40.0, 80.0]
    assert trainer.state.best == min(entry['lixel_error'] for entry in trainer.state.history)
    folder = trainer.folder
    best = load_network(folder / 'best.safetensors')
    assert best.config == trainer.net.config
    facts = read_checkpoint(folder / 'last.safetensors').facts
    assert facts['samples'] == '80'
    assert json.loads((folder / 'run.json').read_text())['batch_size'] == 8
    assert list((folder / 'tensorboard').glob('events.*'))


def test_average_is_what_is_saved(unbroken: tuple[Trainer, list[float]]) -> None:
    trainer, _ = unbroken
    saved = load_network(trainer.folder / 'last.safetensors')
    assert trainer.average is not None
    differences = 0
    for name, value in saved.named_parameters():
        torch.testing.assert_close(value, dict(trainer.average.net.named_parameters())[name])
        differences += not torch.equal(value, dict(trainer.net.named_parameters())[name])
    assert differences > 10


def test_time_box_ends_the_run_and_the_schedule(
    tiny_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: float(next(seconds)))
    for module in ('run_clock', 'bookkeeper'):
        monkeypatch.setattr(f'handmesh_model.training.{module}.time', clock)
    trainer = Trainer(tiny_run(total_samples=10_000, validation={'samples': 0}), ALONE)
    state = trainer.run(TimeBox(25 / 3600, finish=True))
    assert 16 < state.samples < 80
    assert trainer.optimizer.param_groups[0]['lr'] < 0.1 * 2e-3
    assert state.seconds == pytest.approx(25, abs=4)


def test_signal_to_every_process_of_a_run_saves_it(
    tiny_values: dict[str, Any], tiny_run: MakeRun
) -> None:
    data = {**tiny_values['data'], 'workers': 2}
    trainer = Trainer(tiny_run(total_samples=10_000, data=data, validation={'samples': 0}), ALONE)
    step = trainer._step

    def signalled(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        terms = step(batch)
        if trainer.state.step == 3:
            loaders = multiprocessing.active_children()
            assert len(loaders) == 2
            for pid in (os.getpid(), *(loader.pid for loader in loaders)):
                assert pid is not None
                os.kill(pid, signal.SIGTERM)
            time.sleep(0.3)
        return terms

    trainer._step = signalled  # type: ignore[method-assign]
    assert trainer.run().step == 3
    assert (trainer.folder / LAST).is_file()
    assert not multiprocessing.active_children()


def test_run_whose_launcher_was_killed_is_saved(
    tiny_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LAUNCHER, str(os.getppid()))
    trainer = Trainer(tiny_run(), ALONE)
    step = trainer._step

    def abandoned(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        terms = step(batch)
        if trainer.state.step == 3:
            monkeypatch.setenv(LAUNCHER, str(os.getpid()))
        return terms

    trainer._step = abandoned  # type: ignore[method-assign]
    assert trainer.run().step == 3
    assert (trainer.folder / LAST).is_file()
    assert trainer.state.history == []


@pytest.mark.parametrize('steps', [0, 2])
def test_signal_ends_a_run_that_waits_for_renders(
    tiny_run: MakeRun, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    trainer = Trainer(tiny_run(validation={'samples': 0}), ALONE)

    def stream(*arguments: Any) -> Iterator[Any]:
        *others, cancelled = arguments
        samples = build_stream(*others)

        def batches() -> Iterator[Any]:
            yield from itertools.islice(samples, steps)
            assert not cancelled()
            os.kill(os.getpid(), signal.SIGTERM)
            assert cancelled()

        return batches()

    monkeypatch.setattr('handmesh_model.training.trainer.build_stream', stream)
    assert trainer.run().step == steps
    # Nothing takes the place of what the run would start from.
    assert (trainer.folder / LAST).is_file() == (steps > 0)
    assert (trainer.weights_file is not None) == (steps > 0)


def test_wait_is_given_up_where_all_ranks_are_asked(tiny_run: MakeRun) -> None:
    trainer = Trainer(tiny_run(), Ranks(1, 2, CPU))
    assert not trainer._gives_up()
    trainer._ask_to_stop()
    for on_cuda in (False, True):
        trainer._on_cuda = on_cuda
        for trainer.state.step in (0, 1, CUDA_STOP_EVERY):
            assert trainer._gives_up() == (not on_cuda or trainer.state.step != 1)


@pytest.mark.parametrize('place', ['optimizer', 'average'])
def test_half_a_step_is_not_kept(
    tiny_run: MakeRun, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    trainer = Trainer(tiny_run(checkpoint_minutes=0, validation={'samples': 0}), ALONE)
    part, name = (
        (trainer.optimizer, 'step') if place == 'optimizer' else (trainer.average, 'update')
    )
    usual, before = getattr(part, name), list[bytes]()

    def broken_off(*arguments: Any) -> None:
        usual(*arguments)
        if trainer.state.step == 2 + (place == 'average'):
            before.append((trainer.folder / LAST).read_bytes())
            raise RuntimeError(f'{DEAD_WORKER} (pid 1) is killed by signal: Killed.')

    monkeypatch.setattr(part, name, broken_off)
    with pytest.raises(LoaderError):
        trainer.run()
    assert before == [(trainer.folder / LAST).read_bytes()]
    assert Trainer(tiny_run(), ALONE).state.step == 2


def test_run_whose_data_fail_keeps_its_steps(tiny_run: MakeRun) -> None:
    for steps in (0, 2):
        trainer = Trainer(tiny_run(validation={'samples': 0}), ALONE)
        fail_after(trainer, steps)
        with pytest.raises(DatasetError, match='no such picture'):
            trainer.run()
        assert (trainer.folder / LAST).is_file() == (steps > 0)
    assert Trainer(tiny_run(), ALONE).state.step == 2
    assert read_checkpoint(trainer.weights_file).facts['samples'] == '16'


def fail_after(trainer: Trainer, steps: int) -> None:
    step = trainer._step

    def failing(batch: dict[str, Tensor]) -> dict[str, Tensor]:
        if trainer.state.step == steps:
            raise DatasetError('no such picture')
        return step(batch)

    trainer._step = failing  # type: ignore[method-assign]


def test_weights_of_the_end_are_measured(tiny_run: MakeRun) -> None:
    trainer, _ = train(tiny_run(total_samples=24))
    assert [entry['samples'] for entry in trainer.state.history] == [24.0]
    assert trainer.weights_file == trainer.folder / 'best.safetensors'
    assert read_checkpoint(trainer.weights_file).facts['samples'] == '24'
    # Given again, the command finds all of it done.
    again, losses = train(tiny_run(total_samples=24))
    assert losses == []
    assert again.state.history == trainer.state.history


def test_who_stops_a_run_does_not_wait_for_its_figures(tiny_run: MakeRun) -> None:
    trainer, _ = train(tiny_run(), stop_after=1)
    assert trainer.state.history == []
    assert trainer.weights_file == trainer.folder / 'last.safetensors'


def test_signal_ends_the_last_measurement(
    tiny_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(tiny_run(total_samples=8), ALONE)

    def signalled(book: Bookkeeper) -> None:
        assert (trainer.folder / LAST).is_file()
        os.kill(os.getpid(), signal.SIGTERM)
        trainer.state.history.append({'samples': 8.0})

    monkeypatch.setattr(Bookkeeper, '_validate', signalled)
    assert trainer.run().history == []


def test_loss_ramp_multiplies_the_weight(tiny_run: MakeRun) -> None:
    trainer = Trainer(tiny_run(loss_ramps={'normal': [100, 0, 200, 1]}), ALONE)
    full = trainer.weights.normal
    for samples, share in ((0, 0.0), (150, 0.5), (900, 1.0)):
        trainer.state.samples = samples
        assert trainer._ramped_weights().normal == pytest.approx(share * full)


def test_loss_weights_are_configuration(tiny_run: MakeRun) -> None:
    losses = dict.fromkeys(
        (
            'rough_mesh',
            'joints',
            'stage_joints',
            'normal',
            'edge',
            'rough_normal',
            'rough_edge',
            'segmentation',
            'presence',
            'side',
            'heatmap',
        ),
        0.0,
    )
    trainer = Trainer(tiny_run(losses={**losses, 'mesh': 3.0}), ALONE)
    stream = build_stream(trainer.config, trainer.net, ALONE, 0)
    terms = trainer._step(to_tensors(next(stream), CPU)) if prepare(trainer) else {}
    stream.close()
    assert set(terms) == {'mesh', 'total', 'gradient'}
    torch.testing.assert_close(terms['total'], 3 * terms['mesh'])


def prepare(trainer: Trainer) -> bool:
    """What run() sets before the first step."""
    trainer._clock = RunClock(TimeBox(), trainer.state, trainer.config.total_samples)
    return True


@pytest.mark.parametrize('ema_samples', [0, 40])
def test_step_that_is_not_finite_leaves_no_trace(tiny_run: MakeRun, ema_samples: int) -> None:
    trainer = Trainer(tiny_run(ema_samples=ema_samples, validation={'samples': 0}), ALONE)
    prepare(trainer)
    stream = build_stream(trainer.config, trainer.net, ALONE, 0)
    batch = to_tensors(next(stream), CPU)
    stream.close()

    def state() -> list[Tensor]:
        averages = [] if trainer.average is None else trainer.average.net.buffers()
        return [value.clone() for value in (*trainer.net.state_dict().values(), *averages)]

    trainer._step(batch)
    before = state()
    terms = trainer._step({**batch, 'image': batch['image'] * torch.nan})
    assert terms['total'].isnan()
    for now, then in zip(state(), before, strict=True):
        assert torch.equal(now, then)
    trainer._step(batch)
    assert any(not torch.equal(now, then) for now, then in zip(state(), before, strict=True))


def test_shares_of_a_batch_go_through_each_stage(tiny_run: MakeRun) -> None:
    config = tiny_run(mesh_share=0.75, refine_share=0.5, total_samples=16)
    trainer = Trainer(config, ALONE)
    seen: dict[str, list[int]] = {}
    for name in ('joint_stage', 'mesh_stage', 'refine_stage'):

        def noted(module: nn.Module, inputs: tuple[Tensor, ...], name: str = name) -> None:
            if module.training:
                seen.setdefault(name, []).append(len(inputs[0]))

        getattr(trainer.net, name).register_forward_pre_hook(noted)
    trainer.run()
    assert seen == {'joint_stage': [8, 8], 'mesh_stage': [6, 6], 'refine_stage': [3, 3]}


def test_init_weights_are_started_from(
    unbroken: tuple[Trainer, list[float]], tiny_run: MakeRun
) -> None:
    path = unbroken[0].folder / 'last.safetensors'
    net = setup.build_network(tiny_run(init_weights=str(path)))
    for name, value in load_network(path).state_dict().items():
        torch.testing.assert_close(net.state_dict()[name], value)
    with pytest.raises(CheckpointError, match=r'last\.safetensors.*\n.*misshapen'):
        setup.build_network(tiny_run(init_weights=str(path), network_options={'width': 4}))
    more = {'decoder_skips': True, 'joint_maps': True}
    grown = setup.build_network(tiny_run(init_weights=str(path), network_options=more))
    crops = torch.rand(1, 3, net.config.input_size, net.config.input_size)
    with torch.no_grad():
        torch.testing.assert_close(grown.eval()(crops).vertices, net.eval()(crops).vertices)


def test_weights_that_a_run_starts_from_are_measured_and_may_be_the_best(
    unbroken: tuple[Trainer, list[float]], tiny_run: MakeRun
) -> None:
    path = unbroken[0].folder / 'last.safetensors'
    # A rate that ruins them.
    worse = {'optimizer': {'learning_rate': 1.0}, 'schedule': {'kind': 'cosine'}, 'ema_samples': 0}
    config = tiny_run(init_weights=str(path), total_samples=24, **worse)
    trainer, _ = train(config, stop_after=1)
    trainer, _ = train(config)
    start, end = trainer.state.history
    assert (start['samples'], end['samples']) == (0, 24)
    assert trainer.state.best == start['lixel_error'] < end['lixel_error']
    assert start['lixel_error'] == pytest.approx(unbroken[0].state.history[-1]['lixel_error'])
    best = read_checkpoint(trainer.weights_file)
    assert best.facts['samples'] == '0'
    for name, value in read_checkpoint(path).state.items():
        torch.testing.assert_close(best.state[name], value)


def test_training_takes_back_how_strict_presence_was_made(
    tiny_run: MakeRun, tmp_path: Path
) -> None:
    options = {'presence': True}
    net = setup.build_network(tiny_run(network_options=options))
    path = tmp_path / 'strict.safetensors'
    save_checkpoint(path, net, {setup.PRESENCE_BIAS: '-6.5'})
    again = setup.build_network(tiny_run(init_weights=str(path), network_options=options))
    name = 'presence.bias'
    torch.testing.assert_close(again.state_dict()[name], net.state_dict()[name] + 6.5)
    for said in ('many', 'nan', None):
        save_checkpoint(path, net, {setup.PRESENCE_BIAS: said})
        with pytest.raises(CheckpointError, match='expected a number'):
            setup.build_network(tiny_run(init_weights=str(path), network_options=options))


def test_few_of_many_weights_that_do_not_fit_are_named(
    unbroken: tuple[Trainer, list[float]], tiny_run: MakeRun
) -> None:
    path = unbroken[0].folder / 'last.safetensors'
    config = tiny_run(init_weights=str(path), network_options={'width': 4})
    with pytest.raises(CheckpointError) as told:
        setup.build_network(config)
    own = setup.build_network(tiny_run(network_options={'width': 4})).state_dict()
    problems = state_problems(own, read_checkpoint(path).state)
    assert len(problems) > 50
    named = [line.strip() for line in str(told.value).splitlines()[1:]]
    assert named == [*problems[:20], f'and {len(problems) - 20} more']


def test_folder_of_a_run_at_work_is_refused(tiny_run: MakeRun) -> None:
    trainer = Trainer(tiny_run(), ALONE)
    with alone_in(trainer.folder), pytest.raises(ConfigError, match='another run is at work'):
        trainer.run()
    assert trainer.state.samples == 0
    assert not (trainer.folder / 'run.json').exists()


def test_file_system_without_locks_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(lock: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr('handmesh_model.training.run_state.FileLock.acquire', refuse)
    with alone_in(tmp_path), alone_in(tmp_path):
        assert not list(tmp_path.iterdir())


def test_batch_that_ranks_cannot_share_is_named(tiny_run: MakeRun) -> None:
    config = tiny_run()
    with pytest.raises(ConfigError, match='batch_size is 8, expected a multiple of the 3 ranks'):
        build_stream(config, setup.build_network(config), Ranks(0, 3, CPU), 0)


def as_if_on_two_ranks(config: TrainingConfig) -> dict[str, Tensor]:
    """Weights after a run whose two halves of each batch are computed one after the other."""
    nets = [setup.build_network(config).to(memory_format=torch.channels_last)]
    nets.append(copy.deepcopy(nets[0]))
    ranks = [Ranks(i, 2, CPU) for i in range(2)]
    streams = [build_stream(config, net, rank, 0) for net, rank in zip(nets, ranks, strict=True)]
    optimizers = [build_optimizer(config.optimizer, net) for net in nets]
    blocks = [GradientBlock(net) for net in nets]
    criterion = HandMeshLoss(setup.loss_weights(config), nets[0].topology)
    for step in range(config.total_samples // config.batch_size):
        samples = step * config.batch_size
        factor = rate_factor(config.schedule, samples, samples / config.total_samples)
        for net, stream, block in zip(nets, streams, blocks, strict=True):
            net.train()
            batch = to_tensors(next(stream), CPU)
            block.zero()
            criterion(net(batch['image'], heads=True), batch)['total'].backward()
        mean = (blocks[0].flat + blocks[1].flat) / 2
        for optimizer, block in zip(optimizers, blocks, strict=True):
            block.flat.copy_(mean)
            block.clip(config.optimizer.clip_norm)
            for group in optimizer.param_groups:
                group['lr'] = config.optimizer.learning_rate * factor * group['factor']
            optimizer.step()
    return dict(nets[0].named_parameters())


@pytest.mark.parametrize('on_cuda', [False, True])
def test_ranks_go_by_one_clock(
    tiny_run: MakeRun, monkeypatch: pytest.MonkeyPatch, on_cuda: bool
) -> None:
    trainer = Trainer(tiny_run(), Ranks(1, 2, CPU))
    trainer._on_cuda = on_cuda
    box = TimeBox(1.0, finish=True)
    trainer._clock = RunClock(box, trainer.state, trainer.config.total_samples)
    asked: list[tuple[float, ...]] = []

    def most(ranks: Ranks, *values: float) -> list[float]:
        asked.append(values)
        return [0.0, 0.25 * len(asked)]

    monkeypatch.setattr(Ranks, 'most', most)
    shares = []
    for trainer.state.step in range(2 * CUDA_STOP_EVERY if on_cuda else 2):
        assert not trainer._done()
        shares.append(trainer._clock.progress(trainer.state.samples))
    # Where asking is dear, what was agreed holds until the next time.
    each = CUDA_STOP_EVERY if on_cuda else 1
    assert shares == [0.25] * each + [0.5] * each
    assert all(stop == 0 and 0 < elapsed < 0.2 for stop, elapsed in asked)
    trainer.state.step = 2 * CUDA_STOP_EVERY
    assert [trainer._done(), trainer._done()] == [False, True]
    # A start may go on from any step, and is asked before it waits for its pool.
    trainer._first = trainer.state.step = 7
    assert trainer._asks()


TWO_CLOCKS = """
import itertools, json, sys
from types import SimpleNamespace
from handmesh_model.training import run_clock
from handmesh_model.training.config import load_training_config
from handmesh_model.training.distributed import join_ranks
from handmesh_model.training.trainer import Trainer

ranks = join_ranks()
ticks = itertools.count(step=1 + 2 * ranks.rank)
run_clock.time = SimpleNamespace(monotonic=lambda: float(next(ticks)))
trainer = Trainer(load_training_config(sys.argv[1]), ranks)
rates, step = [], trainer._step

def noted(batch):
    terms = step(batch)
    rates.append(trainer.optimizer.param_groups[0]['lr'])
    return terms

trainer._step = noted
trainer.run(run_clock.TimeBox(60 / 3600, finish=True))
weights = sum(p.double().sum().item() for p in trainer.net.parameters())
with open(f'{sys.argv[1]}.{ranks.rank}', 'w') as file:
    json.dump([weights, *rates], file)
"""


@pytest.mark.slow
def test_ranks_whose_clocks_differ_keep_the_same_weights(
    tiny_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_run(total_samples=10_000, ema_samples=0, validation={'samples': 0})
    (tmp_path / 'run.yaml').write_text(yaml.safe_dump(to_mapping(config)))
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    assert launch(['-c', TWO_CLOCKS, str(tmp_path / 'run.yaml')], 2, threads=1) == 0
    first, second = (json.loads((tmp_path / f'run.yaml.{rank}').read_text()) for rank in range(2))
    assert len(first) > 5
    assert first == second
    assert first[-1] < 0.5 * max(first[1:])


@pytest.mark.slow
def test_two_gloo_ranks_under_torchrun_average_their_gradients(
    tiny_run: MakeRun, tmp_path: Path
) -> None:
    config = tiny_run(total_samples=24, ema_samples=0, validation={'samples': 0})
    (tmp_path / 'run.yaml').write_text(yaml.safe_dump(to_mapping(config)))
    command = [sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2']
    # A machine's own name need not resolve.
    command += ['--standalone', '--local-addr=127.0.0.1']
    command += ['-m', 'handmesh_model.cli.train', str(tmp_path / 'run.yaml')]
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert '2 ranks on cpu' in done.stdout
    expected = as_if_on_two_ranks(config)
    for name, value in load_network(Path(config.output) / 'last.safetensors').named_parameters():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5)
