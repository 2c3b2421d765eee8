"""What a rank of ``handmesh train`` says of errors of its user, and its exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from handmesh_model.cli import main as handmesh
from handmesh_model.cli import train
from handmesh_model.training.config import TrainingConfig
from handmesh_model.training.distributed import FAILED, PeerError
from handmesh_model.training.run_state import alone_in

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _as_a_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, 'argv', ['handmesh train', '/no/such.yaml'])
    monkeypatch.setenv('RANK', '1')
    monkeypatch.delenv(FAILED, raising=False)


def fail_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(arguments: object) -> int:
        raise error

    monkeypatch.setattr(train, 'run', run)


def test_user_errors_are_one_line_and_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main() == 2
    message = capsys.readouterr().err
    assert message.startswith('handmesh train: ')
    assert '/no/such.yaml' in message
    assert message.count('\n') == 1


def test_finish_wants_hours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, 'argv', ['handmesh train', '/no/such.yaml', '--finish'])
    assert train.main() == 2
    assert '--finish is given without --hours' in capsys.readouterr().err


@pytest.mark.parametrize('hours', ['-1', '0', 'nan', 'inf'])
def test_hours_are_more_than_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, hours: str
) -> None:
    monkeypatch.setattr(sys, 'argv', ['handmesh train', '/no/such.yaml', '--hours', hours])
    assert train.main() == 2
    assert f'--hours is {hours}, expected more than 0' in capsys.readouterr().err


def test_packages_that_ranks_lack_are_told_before_they_start(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / 'run.yaml').write_text('network: none.yaml\noutput: run\n')
    monkeypatch.setitem(sys.modules, 'tensorboard', None)
    monkeypatch.setattr('handmesh_model.training.distributed.launch', lambda *arguments: 0)
    monkeypatch.delenv('RANK')
    assert handmesh(['train', str(tmp_path / 'run.yaml')]) == 2
    told = capsys.readouterr().err
    assert told.startswith('handmesh train')
    assert "needs the package tensorboard: pip install '.[train]'" in told


def test_validation_on_training_pictures_is_refused_before_there_are_ranks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    described = 'network: none.yaml\noutput: run\ndata: {kind: freihand, root: data}\n'
    (tmp_path / 'run.yaml').write_text(described)
    monkeypatch.setattr('handmesh_model.training.distributed.launch', lambda *arguments: 0)
    monkeypatch.delenv('RANK')
    assert handmesh(['train', str(tmp_path / 'run.yaml')]) == 2
    assert 'validation.options is {}, expected what tells' in capsys.readouterr().err


def test_last_line_says_where_the_weights_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / 'run.yaml').write_text('network: none.yaml\noutput: run\n')
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    monkeypatch.setenv('WORLD_SIZE', '1')
    monkeypatch.setattr(sys, 'argv', ['handmesh train', str(tmp_path / 'run.yaml')])
    fake = SimpleNamespace(run=lambda box: print('trained'), weights_file=Path('run/best'))
    monkeypatch.setattr('handmesh_model.training.trainer.Trainer', lambda *arguments: fake)
    for rank, told in (('0', 'trained\nweights: run/best\n'), ('1', 'trained\n')):
        monkeypatch.setenv('RANK', rank)
        assert train.main() == 0
        assert capsys.readouterr().out == told
    monkeypatch.setenv('RANK', '0')
    fake.weights_file = None
    assert train.main() == 0
    assert capsys.readouterr().out.startswith('trained\ntold to stop before the first step: ')


@pytest.mark.parametrize('name', ['0123', 'a #b', 'yes', '[x', '-dash', 'a: b', ' padded '])
def test_output_is_taken_as_it_is(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / 'run.yaml').write_text('network: none.yaml\noutput: run\n')
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    monkeypatch.setenv('WORLD_SIZE', '1')
    argument = f'--output={name}'
    monkeypatch.setattr(sys, 'argv', ['handmesh train', str(tmp_path / 'run.yaml'), argument])
    outputs: list[str] = []

    def trainer(config: TrainingConfig, *others: object) -> SimpleNamespace:
        outputs.append(config.output)
        return SimpleNamespace(run=lambda box: None, weights_file=Path('best'))

    monkeypatch.setattr('handmesh_model.training.trainer.Trainer', trainer)
    assert train.main() == 0
    # The command that has no rank yet gives it on to those that it starts.
    commands: list[list[str]] = []
    monkeypatch.setattr(
        'handmesh_model.training.distributed.launch',
        lambda command, *others: commands.append(command) or 0,
    )
    monkeypatch.delenv('RANK')
    assert train.main() == 0
    monkeypatch.setenv('RANK', '1')
    monkeypatch.setattr(sys, 'argv', commands[0][1:])
    assert train.main() == 0
    assert outputs == [name, name]


@pytest.mark.parametrize(
    ('error', 'code', 'text'),
    [(PermissionError('no entry'), 2, 'no entry'), (KeyboardInterrupt(), 130, 'interrupted')],
)
def test_other_ends_are_those_of_handmesh(
    error: BaseException,
    code: int,
    text: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fail_with(error, monkeypatch)
    assert train.main() == code
    assert capsys.readouterr().err == f'handmesh train: {text}\n'


def test_ranks_of_one_launch_tell_an_error_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(FAILED, str(tmp_path / 'failed'))
    assert [train.main(), train.main()] == [2, 2]
    assert capsys.readouterr().err.count('\n') == 1


def test_lost_rank_has_time_to_speak_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(FAILED, str(tmp_path / 'failed'))
    monkeypatch.setattr(train.time, 'sleep', lambda seconds: (tmp_path / 'failed').touch())
    fail_with(PeerError('another rank is gone'), monkeypatch)
    assert train.main() == 2
    assert capsys.readouterr().err == ''


@pytest.mark.slow
def test_error_of_the_first_of_two_ranks_is_all_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv('RANK')
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    # Where the machine's own name does not resolve, Gloo says so otherwise.
    monkeypatch.setenv('GLOO_SOCKET_IFNAME', 'lo')
    described = {
        'network': str(ROOT / 'config/network_compact.yaml'),
        'network_options': {'width': 8, 'mesh_width': 8},
        'output': str(tmp_path / 'run'),
        'ranks': 2,
        'data': {'kind': 'samples', 'root': str(tmp_path)},
        'validation': {'samples': 0},
    }
    (tmp_path / 'run.yaml').write_text(yaml.safe_dump(described))
    (tmp_path / 'run').mkdir()
    command = [sys.executable, '-m', 'handmesh_model.cli', 'train', str(tmp_path / 'run.yaml')]
    with alone_in(tmp_path / 'run'):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("handmesh train: output is '")
    assert 'another run is at work' in lines[0]
    assert done.returncode == 2
