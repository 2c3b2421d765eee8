"""Runs broken off and gone on with, and files that none can go on from."""

from __future__ import annotations

import errno
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tiny_runs import ALONE, CPU, MakeRun, train

from handmesh_model.checkpoints import read_checkpoint, save_checkpoint
from handmesh_model.errors import CheckpointError, ConfigError, OutputError
from handmesh_model.training.bookkeeper import Bookkeeper
from handmesh_model.training.distributed import Ranks
from handmesh_model.training.measuring import Measurer
from handmesh_model.training.run_state import RunState, save_run
from handmesh_model.training.setup import build_network
from handmesh_model.training.trainer import Trainer

OTHERS = {'samples': 4, 'every_samples': 8, 'options': {'start': 17, 'stop': 20}}
"""Samples to measure on, other ones than those of a tiny run as it is."""


def kept(trainer: Trainer) -> Path:
    """Where the best weights on a run's validation samples go when others take their place."""
    digest = trainer.state.measured_on.removeprefix('labels:')
    return trainer.folder / f'best-before-{digest[:8]}.safetensors'


def test_resumed_run_has_the_losses_of_the_unbroken_one(
    unbroken: tuple[Trainer, list[float]], tiny_run: MakeRun
) -> None:
    whole, losses = unbroken
    first, before = train(tiny_run(), stop_after=4)
    assert (first.state.step, first.state.samples) == (4, 32)
    second, after = train(tiny_run())
    assert before + after == losses
    assert len(losses) == 10
    assert second.state.samples == whole.state.samples == 80
    for one, other in zip(
        second.net.state_dict().items(), whole.net.state_dict().items(), strict=True
    ):
        assert torch.equal(one[1], other[1]), one[0]


def test_first_log_of_a_resumed_run_is_of_its_own_steps(
    tiny_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[dict[str, float]] = []
    monkeypatch.setattr(Bookkeeper, '_log', lambda book, means, stream: logged.append(means))
    changes = {'total_samples': 64, 'log_every': 3, 'validation': {'samples': 0}}
    _, before = train(tiny_run(**changes), stop_after=4)
    _, after = train(tiny_run(**changes))
    assert logged[0]['total'] == pytest.approx(np.mean(before[:3]), rel=1e-5)
    assert logged[1]['total'] == pytest.approx(np.mean(after[:2]), rel=1e-5)
    assert len(logged) == 2


def test_resumed_run_takes_the_settings_of_its_configuration(tiny_run: MakeRun) -> None:
    train(tiny_run(), stop_after=2)
    changed = {'weight_decay': 0.2, 'beta1': 0.8, 'beta2': 0.99, 'head_factor': 3.0}
    trainer = Trainer(tiny_run(optimizer={'learning_rate': 2e-3, **changed}), ALONE)
    assert trainer.state.step == 2
    groups = trainer.optimizer.param_groups
    assert [group['weight_decay'] for group in groups] == [0.2, 0.0, 0.0]
    assert [group['factor'] for group in groups] == [1.0, 1.0, 3.0]
    assert {group['betas'] for group in groups} == {(0.8, 0.99)}


def test_resumed_run_needs_the_weights_it_started_from_no_more(
    tiny_run: MakeRun, tmp_path: Path
) -> None:
    path = tmp_path / 'start.safetensors'
    save_checkpoint(path, build_network(tiny_run()), {})
    gone = tmp_path / 'gone.pth'
    first, _ = train(tiny_run(init_weights=str(path)), stop_after=2)
    path.unlink()
    again = Trainer(tiny_run(init_weights=str(path), encoder_weights=str(gone)), ALONE)
    assert again.state.step == 2
    for name, value in first.net.state_dict().items():
        assert torch.equal(again.net.state_dict()[name], value), name
    (again.folder / 'last.pt').unlink()
    with pytest.raises(CheckpointError, match=r'start\.safetensors'):
        Trainer(tiny_run(init_weights=str(path)), ALONE)


@pytest.mark.parametrize('contents', [b'nothing', b'\x80\x02.'])
def test_damaged_last_file_is_named(tiny_run: MakeRun, contents: bytes) -> None:
    config = tiny_run()
    Path(config.output).mkdir()
    (Path(config.output) / 'last.pt').write_bytes(contents)
    with pytest.raises(CheckpointError, match=r'last\.pt'):
        Trainer(config, ALONE)


def test_last_file_of_another_optimizer_is_named(tiny_run: MakeRun) -> None:
    train(tiny_run(), stop_after=1)
    with pytest.raises(CheckpointError, match=r"last\.pt': it lacks 'parts'"):
        Trainer(tiny_run(optimizer={'name': 'muon'}), ALONE)


@pytest.mark.parametrize(('name', 'value'), [('depth_axis', 'camera'), ('offset', False)])
def test_another_meaning_of_the_same_weights_is_named(
    tiny_run: MakeRun, name: str, value: object
) -> None:
    first, _ = train(tiny_run(), stop_after=1)
    before = getattr(first.net.config, name)
    told = f'has {name} {before!r}, the one to train has {value!r}; .*_options.{name}={before}'
    with pytest.raises(CheckpointError, match=told):
        Trainer(tiny_run(network_options={name: value}), ALONE)


def test_best_counts_for_the_samples_it_was_measured_on(
    tiny_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tiny_run(total_samples=8))
    forget = 'validation samples are others than before'
    # An error that none can go below.
    for options, kept in (({'start': 16, 'stop': 20}, True), ({'start': 17, 'stop': 20}, False)):
        saved = torch.load(Path(tiny_run().output) / 'last.pt')
        saved['state']['best'] = 0.0
        torch.save(saved, Path(tiny_run().output) / 'last.pt')
        capsys.readouterr()
        validation = {'samples': 4, 'every_samples': 40, 'options': options}
        samples = saved['state']['samples'] + 8
        trainer, _ = train(tiny_run(total_samples=samples, validation=validation))
        assert (trainer.state.best == 0) == kept
        assert (forget in capsys.readouterr().out) != kept
    assert trainer.state.best == trainer.state.history[-1]['lixel_error']


def test_best_counts_for_the_same_hands_in_pictures_of_another_library(
    tiny_run: MakeRun, tmp_path: Path
) -> None:
    first, _ = train(tiny_run(total_samples=8))
    with np.load(tiny_run().data.root) as stored:
        samples = dict(stored)
    samples['image'] ^= 1
    samples['vertices'] += np.float32(1e-4)
    np.savez(tmp_path / 'samples.npz', **samples)
    data = {'kind': 'samples', 'root': str(tmp_path / 'samples.npz'), 'options': {'stop': 16}}
    again = Trainer(tiny_run(total_samples=8, data=data), ALONE)
    assert again.run().best == first.state.best < float('inf')


def test_best_weights_on_other_samples_are_kept(tiny_run: MakeRun) -> None:
    first, _ = train(tiny_run(total_samples=8))
    best = (first.folder / 'best.safetensors').read_bytes()
    second, _ = train(tiny_run(total_samples=16, validation=OTHERS))
    assert kept(first).read_bytes() == best
    assert read_checkpoint(first.folder / 'best.safetensors').facts['samples'] == '16'
    assert second.weights_file.name == 'best.safetensors'


def test_finished_run_is_measured_on_other_samples(tiny_run: MakeRun) -> None:
    first, _ = train(tiny_run(total_samples=8))
    best = (first.folder / 'best.safetensors').read_bytes()
    for _ in range(2):
        again, losses = train(tiny_run(total_samples=8, validation=OTHERS))
        assert not losses
        assert again.weights_file.name == 'best.safetensors'
        assert [figures['samples'] for figures in again.state.history] == [8, 8]
        error = again.state.history[-1]['lixel_error']
        assert again.state.best == error != first.state.best
        facts = read_checkpoint(again.weights_file).facts
        assert float(facts['lixel_error']) == error
        assert kept(first).read_bytes() == best


def test_best_weights_outlast_other_samples_and_the_way_back(tiny_run: MakeRun) -> None:
    best, names = [], []
    for samples, changes in ((8, {}), (16, OTHERS), (24, {}), (32, OTHERS)):
        changed = {'validation': changes} if changes else {}
        trainer, _ = train(tiny_run(total_samples=samples, **changed))
        best.append((trainer.folder / 'best.safetensors').read_bytes())
        names.append(kept(trainer))
    assert names[:2] == names[2:]
    names[2] = names[0].with_name(f'{names[0].stem}-2.safetensors')
    assert [name.read_bytes() for name in names[:3]] == best[:3]
    assert set(trainer.folder.glob('best-before*')) == set(names[:3])


@pytest.mark.parametrize('steps', [0, 2])
def test_run_that_another_took_further_meanwhile_is_left_alone(
    tiny_run: MakeRun, steps: int
) -> None:
    config = tiny_run(validation={'samples': 0})
    if steps:
        train(config, stop_after=steps)
    late = Trainer(config, ALONE)
    other, _ = train(config, stop_after=1)
    before = (other.folder / 'last.pt').read_bytes()
    with pytest.raises(ConfigError, match=r"last\.pt' was written since .* start again"):
        late.run()
    assert (other.folder / 'last.pt').read_bytes() == before
    assert Trainer(config, ALONE).run().step == 10


def full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, 'No space left on device')


class SmallDisk(io.FileIO):
    """A file on a disk that is full after so many bytes."""

    room = 0

    def write(self, data: bytes | memoryview) -> int:
        self.room -= memoryview(data).nbytes
        if self.room < 0:
            full_disk()
        return super().write(data)


def test_disk_that_is_full_amid_a_save_is_told_and_leaves_the_file_before(
    tiny_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, _ = train(tiny_run(), stop_after=1)
    path = trainer.folder / 'last.pt'
    before = path.read_bytes()
    monkeypatch.setattr(SmallDisk, 'room', len(before) // 2)
    monkeypatch.setattr(Path, 'open', lambda part, mode: SmallDisk(part, mode))
    with pytest.raises(OutputError, match=r"cannot write '.*last\.pt': .*No space left") as told:
        save_run(trainer.folder, trainer.state, trainer.net, trainer.average, trainer.optimizer)
    assert isinstance(told.value.__cause__, OSError)
    assert path.read_bytes() == before
    assert not list(trainer.folder.glob('.part-*'))


def test_best_weights_stay_until_others_are_measured(
    tiny_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = train(tiny_run(total_samples=8))
    best = (first.folder / 'best.safetensors').read_bytes()
    # Stopped before a measurement; then one that gives no number.
    later = {**OTHERS, 'every_samples': 40}
    stopped, _ = train(tiny_run(total_samples=40, validation=later), stop_after=1)
    assert stopped.weights_file.read_bytes() == best
    with monkeypatch.context() as patched:
        patched.setattr(Measurer, 'measure', lambda *_: {'lixel_error': float('nan')})
        unknown, _ = train(tiny_run(total_samples=24, validation=OTHERS))
    assert unknown.weights_file.read_bytes() == best
    assert unknown.state.best == first.state.best
    with monkeypatch.context() as patched:
        patched.setattr(shutil, 'copyfile', full_disk)
        with pytest.raises(OutputError, match='best-before-'):
            train(tiny_run(total_samples=32, validation=OTHERS))
    last, _ = train(tiny_run(total_samples=32, validation=OTHERS))
    assert read_checkpoint(last.weights_file).facts['samples'] == '32'
    assert kept(first).read_bytes() == best


def test_killed_run_knows_what_its_best_weights_are_of(
    tiny_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = train(tiny_run(total_samples=8))
    # It measures, and does not come to saving.
    monkeypatch.setattr(Bookkeeper, 'validate_last', Bookkeeper._validate)
    second, _ = train(tiny_run(total_samples=8, validation=OTHERS))
    monkeypatch.undo()
    again, _ = train(tiny_run(total_samples=16, validation=OTHERS))
    assert again.state.measured_on == second.state.measured_on != first.state.measured_on
    assert list(again.folder.glob('best-before*')) == [kept(first)]


def test_digest_of_another_kind_tells_nothing() -> None:
    state = RunState(best=1.0, measured_on='0123456789abcdef')
    assert not state.measure_on('labels:0')
    assert state.best == 1
    assert state.measure_on('labels:1')
    assert state.best == float('inf')


def test_refused_start_leaves_the_folder_as_it_was(tiny_run: MakeRun) -> None:
    first, _ = train(tiny_run(total_samples=8))
    before = {path: path.stat().st_mtime_ns for path in first.folder.rglob('*')}
    overlapping = {'samples': 4, 'options': {'start': 12, 'stop': 20}}
    with pytest.raises(ConfigError, match='are among those to train on'):
        train(tiny_run(total_samples=16, validation=overlapping))
    del before[first.folder / 'run.lock']
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert set(first.folder.rglob('*')) - set(before) <= {first.folder / 'run.lock'}


def test_file_from_before_these_entries_is_gone_on_from(
    tiny_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tiny_run(total_samples=8))
    path = Path(tiny_run().output) / 'last.pt'
    saved = torch.load(path)
    saved['state']['best'] = 0.0
    for name in ('measured_on', 'network'):
        del saved['state'][name]
    torch.save(saved, path)
    trainer, _ = train(tiny_run(total_samples=16))
    assert (trainer.state.samples, trainer.state.best) == (16, 0)
    assert 'others than before' not in capsys.readouterr().out


def test_ranks_that_find_different_runs_are_told_of_it(
    tiny_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(tiny_run(), Ranks(1, 2, CPU))
    monkeypatch.setattr(Ranks, 'most', lambda ranks, step, less: [40.0, less])
    with pytest.raises(ConfigError, match='at the steps 0 to 40; expected one folder that all'):
        trainer.run()


def test_last_file_of_another_network_is_named(tiny_run: MakeRun, tmp_path: Path) -> None:
    train(tiny_run(), stop_after=1)
    config = tiny_run()
    wider = {**yaml.safe_load(Path(config.network).read_text()), 'graph_hidden': 24}
    (tmp_path / 'wider.yaml').write_text(yaml.safe_dump(wider))
    with pytest.raises(
        CheckpointError, match=r'another network, 3 of its weights.*expected \(24,'
    ) as told:
        Trainer(tiny_run(network=str(tmp_path / 'wider.yaml')), ALONE)
    assert len(str(told.value)) < 400


@pytest.mark.parametrize('net', [3, {'bias': 'no tensor'}])
def test_last_file_with_anything_but_weights_is_named(tiny_run: MakeRun, net: object) -> None:
    config = tiny_run()
    Path(config.output).mkdir()
    for contents in ({'net': net, 'optimizer': {}, 'state': {}}, torch.zeros(3)):
        torch.save(contents, Path(config.output) / 'last.pt')
        with pytest.raises(CheckpointError, match=r'cannot resume from .*last\.pt'):
            Trainer(config, ALONE)
