"""The whole command at a tiny scale: all variants, broken off, gone on with, shared, tabulated."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from handmesh_model.cli import USER_ERROR, main
from handmesh_model.datasets import FreiHand
from handmesh_model.errors import ConfigError, OutputError
from handmesh_model.evaluation.benchmarks import evaluate_records
from handmesh_model.topology import HandTopology
from handmesh_model.training.ablation.measure import alignment_in_crops, measure
from handmesh_model.training.ablation.run import check_cell, run_cells
from handmesh_model.training.ablation.table import (
    FIGURES,
    describe_rows,
    format_rows,
    make_rows,
    read_published,
)
from handmesh_model.training.ablation.variants import ORDER, Cell, find_variants, make_cells
from handmesh_model.training.config import TrainingConfig
from handmesh_model.training.distributed import Ranks
from handmesh_model.training.setup import build_network
from handmesh_model.training.trainer import Trainer

CONFIG = Path(__file__).parents[4] / 'config'
ALONE = Ranks(0, 1, torch.device('cpu'))
PUBLISHED = {'full': {'hand_miou': 0.93}, 'without_local': {'hand_miou': 0.91}}


@pytest.fixture
def base(tiny_values: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / 'base.yaml'
    changes = {'losses': {'render': 0.5}, 'total_samples': 16, 'log_every': 100}
    path.write_text(yaml.safe_dump({**tiny_values, **changes}))
    (tmp_path / 'published.yaml').write_text(yaml.safe_dump(PUBLISHED))
    return path


@pytest.fixture
def ablate(base: Path, tmp_path: Path) -> Callable[..., int]:
    """A function that gives the command with further arguments."""
    output = str(tmp_path / 'out')

    def command(*more: str) -> int:
        arguments = ['ablate', str(base), '--output', output, '--variants-from', str(CONFIG)]
        arguments += ['--published', str(tmp_path / 'published.yaml')]
        return main([*arguments, *more])

    return command


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Folders of the runs that were trained, in order."""
    folders: list[str] = []
    run = Trainer.run

    def noted(self: Trainer, *arguments: Any) -> Any:
        folders.append('/'.join(self.folder.parts[-2:]))
        return run(self, *arguments)

    monkeypatch.setattr(Trainer, 'run', noted)
    return folders


@pytest.mark.slow
def test_all_variants_are_trained_measured_and_tabulated(
    ablate: Callable[..., int], trained: list[str], tmp_path: Path, capsys: Any
) -> None:
    assert ablate('--seeds', '1') == 0
    assert trained == [f'{name}/seed1' for name in ORDER]
    shown = capsys.readouterr().out
    assert 'cell 8 of 8: without render loss, seed 1 (7 done, ' in shown
    table = (tmp_path / 'out/ablation.md').read_text()
    assert table in shown
    lines = table.splitlines()
    assert len(lines) == 12
    assert lines[11].endswith(
        "measured on at most 4 others (crops in files). The paper's figures are of FreiHAND."
    )
    assert lines[0].startswith('| variant | seeds | PA-MPJPE mm | PA-MPVPE mm | hand mIoU | hand')
    assert lines[2].startswith('| full | 1 |')
    assert '| 0.930 |' in lines[2]
    facts = json.loads((tmp_path / 'out/ablation.json').read_text())
    assert (facts['cells'], facts['finished']) == (8, 8)
    assert list(facts['variants']) == list(ORDER)
    figure = facts['variants']['full']['finger_miou']
    assert 0 <= figure['mean'] <= 1
    assert figure['std'] is None


def test_finished_runs_are_kept_and_a_broken_one_goes_on(
    ablate: Callable[..., int],
    trained: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    two = ('--seeds', '2', '--variants', 'full', 'without_offset')
    step, steps = Trainer._step, []

    def stopping(self: Trainer, batch: Any) -> Any:
        terms = step(self, batch)
        steps.append(self.state.samples)
        if len(steps) == 3:  # in the middle of the second run
            os.kill(os.getpid(), signal.SIGTERM)
        return terms

    monkeypatch.setattr(Trainer, '_step', stopping)
    assert ablate(*two) == 130
    assert trained == ['full/seed1', 'without_offset/seed1']
    assert '| full | 1 |' in (tmp_path / 'out/ablation.md').read_text()
    assert (tmp_path / 'out/without_offset/seed1/last.pt').is_file()
    trained.clear()
    assert ablate(*two) == 0
    assert trained == ['without_offset/seed1', 'full/seed2', 'without_offset/seed2']
    # Two steps a run, none of them twice.
    assert steps == [8, 16] * 4
    assert not list((tmp_path / 'out').glob('*/*/last.pt'))
    assert '±' in (tmp_path / 'out/ablation.md').read_text()
    trained.clear()
    assert ablate(*two) == 0
    assert trained == []


def test_runs_that_another_process_works_on_are_left_to_it(
    ablate: Callable[..., int], trained: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / 'out/full/seed1'
    folder.mkdir(parents=True)
    with (folder / 'lock').open('w') as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert ablate('--seeds', '1', '--variants', 'full', 'without_global') == 0
    assert trained == ['without_global/seed1']


def test_other_configuration_in_the_same_folder_is_named(
    ablate: Callable[..., int], capsys: Any
) -> None:
    one = ('--seeds', '1', '--variants', 'without_refine_stage')
    assert ablate(*one) == 0
    assert ablate(*one, '--set', 'log_every=7') == 0
    assert ablate(*one, '--set', 'optimizer.learning_rate=0.1') == 2
    assert 'optimizer.learning_rate was 0.002, is 0.1' in capsys.readouterr().err


@pytest.fixture
def cells(base: Path, tmp_path: Path) -> Callable[..., list[Cell]]:
    """A function that gives the cell of the whole network, with entries replaced."""
    full = {'full': find_variants(CONFIG)['full']}
    return lambda *overrides: make_cells(base, full, 1, tmp_path / 'out', overrides)


def test_description_of_a_run_is_whole_or_not_there(
    cells: Callable[..., list[Cell]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_a_full_disk(path: Path, text: str) -> int:
        path.write_bytes(text[:40].encode())
        raise OSError('no space left')

    monkeypatch.setattr(Path, 'write_text', on_a_full_disk)
    with pytest.raises(OutputError, match=r"cannot write '.*cell\.json': no space left"):
        run_cells(cells(), ALONE, tmp_path)
    assert [path.name for path in (tmp_path / 'out/full/seed1').iterdir()] == ['lock']


def test_table_is_whole_or_as_before(
    cells: Callable[..., list[Cell]],
    ablate: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (cell,) = cells()
    cell.folder.mkdir(parents=True)
    result = {'figures': {'pa_mpjpe_mm': 9.0}, 'seconds': 1.0}
    (cell.folder / 'result.json').write_text(json.dumps(result))
    table = tmp_path / 'out/ablation.md'
    arguments = ('--seeds', '1', '--variants', 'full')
    assert ablate(*arguments) == 0
    before = table.read_text()
    assert '| full | 1 | 9.00 |' in before

    def on_a_full_disk(path: Path, text: str) -> int:
        path.write_bytes(text[:40].encode())
        raise OSError('no space left')

    monkeypatch.setattr(Path, 'write_text', on_a_full_disk)
    assert ablate(*arguments) == USER_ERROR
    told = capsys.readouterr()
    assert '| full | 1 | 9.00 |' in told.out
    assert "ablation.md': no space left" in told.err
    assert table.read_text() == before


def test_numbers_of_a_run_are_kept_with_all_digits(
    cells: Callable[..., list[Cell]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(trainer: Trainer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, 'run', stop)
    (cell,) = cells('optimizer.learning_rate=1.23456789e-4')
    with pytest.raises(KeyboardInterrupt):
        run_cells([cell], ALONE, tmp_path)
    assert (cell.folder / 'cell.json').is_file()
    check_cell(cell)


def test_entries_that_came_after_a_run_had_their_defaults_in_it(
    cells: Callable[..., list[Cell]],
) -> None:
    (cell,) = cells()
    described = cell.description()
    del described['freeze_norms'], described['data']['device_pool']
    del described['network_options']['side_hidden']
    cell.folder.mkdir(parents=True)
    (cell.folder / 'cell.json').write_text(json.dumps(described))
    check_cell(cell)
    (changed,) = cells('freeze_norms=0.5', 'network_options.side_hidden=8')
    told = r'\(freeze_norms was 1.0, is 0.5; network_options.side_hidden was 0, is 8\)'
    with pytest.raises(ConfigError, match=told):
        check_cell(changed)


@pytest.mark.parametrize('name', ['cell.json', 'result.json'])
@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"variant": ', r"cannot read '.*{name}' as JSON"),
        ('[' * 100_000, r"cannot read '.*{name}' as JSON"),
        ('[3]', r"{name}' holds \[3\], expected a JSON object"),
    ],
)
def test_damaged_file_of_a_cell_is_named(
    cells: Callable[..., list[Cell]], tmp_path: Path, name: str, text: str, message: str
) -> None:
    (cell,) = cells()
    cell.folder.mkdir(parents=True)
    (cell.folder / name).write_text(text)
    expected = message.format(name=name) + '.*; remove the cell.s folder to train it again'
    with pytest.raises(ConfigError, match=expected):
        run_cells([cell], ALONE, tmp_path)


def test_result_without_its_figures_is_named(
    cells: Callable[..., list[Cell]], tmp_path: Path
) -> None:
    (cell,) = cells()
    cell.folder.mkdir(parents=True)
    (cell.folder / 'result.json').write_text('{"seed": 1}')
    with pytest.raises(ConfigError, match=r"entries \['seed'\], expected figures and seconds"):
        run_cells([cell], ALONE, tmp_path)


def test_lack_of_samples_to_measure_on_is_told_before_training(
    cells: Callable[..., list[Cell]], trained: list[str], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match='which leave 0 samples, expected at least 1'):
        run_cells(cells('validation.options.start=20'), ALONE, tmp_path)
    assert trained == []


def test_missing_configuration_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'nothere.yaml'
    assert main(['ablate', str(path), '--output', str(tmp_path / 'out')]) == USER_ERROR
    assert f"cannot read configuration '{path}'" in capsys.readouterr().err


def test_alignment_of_the_truth_with_itself_is_perfect(
    drawn_samples: Callable[..., dict[str, np.ndarray]],
    topology: HandTopology,
    exact_in: Callable[[str], list[torch.device]],
) -> None:
    samples = drawn_samples(8)
    exact = exact_in('handmesh_model.training.ablation.measure')

    class Knowing:
        """Answers with the truth of the samples that have a mesh."""

        def __init__(self, shift: float) -> None:
            from types import SimpleNamespace

            self.config = SimpleNamespace(input_size=64, heatmap_size=16, depth_axis='camera')
            self.topology = topology
            valid = samples['vertices'][samples['mesh_valid']].copy()
            valid[..., :2] = (valid[..., :2] + shift) / 4
            valid[..., 2] = valid[..., 2] / 0.3 * 16 + 8
            self.outputs = SimpleNamespace(vertices=torch.from_numpy(valid))

        def __call__(self, images: torch.Tensor) -> Any:
            assert len(images) == len(self.outputs.vertices) == 6
            assert exact == [cpu]
            return self.outputs

    cpu = torch.device('cpu')
    perfect = alignment_in_crops(Knowing(0), samples, cpu)  # type: ignore[arg-type]
    assert perfect['hand_miou'] == perfect['finger_miou'] == 1
    assert perfect['hand_hausdorff_px'] == 0
    shifted = alignment_in_crops(Knowing(2), samples, cpu)  # type: ignore[arg-type]
    assert shifted['hand_miou'] < 0.9
    # Two crop pixels of 64 along both axes, drawn at 224.
    assert shifted['hand_hausdorff_px'] == pytest.approx(2 * 3.5 * 2**0.5, rel=0.25)


def test_published_datasets_are_measured_in_their_pictures(
    tiny_run: Callable[..., TrainingConfig],
    freihand: Path,
    mano_like: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    conventions: list[Any] = []

    def measured(runner: Any, records: Any, boxes: Any, *more: Any) -> Any:
        conventions.extend(more)
        return evaluate_records(runner, records, boxes, *more)

    monkeypatch.setattr('handmesh_model.training.ablation.measure.evaluate_records', measured)
    config = tiny_run(
        topology=str(mano_like),
        data={
            'kind': 'freihand',
            'root': str(freihand),
            'options': {'split': 'train-alignment'},
            'workers': 0,
        },
        validation={'samples': 2, 'options': {'split': 'alignment'}},
    )
    figures = measure(config, build_network(config), tmp_path, torch.device('cpu'))
    assert figures['count'] == 2
    assert conventions == [False, FreiHand.fingertips]
    assert set(FIGURES) <= set(figures)
    assert figures['pa_mpjpe_mm'] > 0


def test_table_has_mean_spread_and_the_published_figures(tmp_path: Path) -> None:
    def result(value: float | None) -> dict[str, Any]:
        return {'figures': {'pa_mpjpe_mm': value, 'hand_miou': 0.5, 'lixel_error': 1.0}}

    rows = make_rows({'full': [result(9.0), result(11.0)], 'without_local': [result(None)]})
    published = {'full': {'hand_miou': 0.93}}
    lines = format_rows(rows, published).splitlines()
    assert lines == [
        '| variant | seeds | PA-MPJPE mm | hand mIoU | hand mIoU, paper |',
        '| --- | ---: | ---: | ---: | ---: |',
        '| full | 2 | 10.00 ± 1.41 | 0.500 ± 0.000 | 0.930 |',
        '| without local | 1 |  | 0.500 |  |',
    ]
    figures = describe_rows(rows, published)
    assert figures['full']['pa_mpjpe_mm'] == {
        'mean': 10.0, 'std': pytest.approx(2**0.5), 'values': [9.0, 11.0], 'published': None
    }  # fmt: skip
    assert figures['full']['hand_miou']['published'] == 0.93


def test_shipped_published_figures_can_be_read() -> None:
    published = read_published(CONFIG / 'published_ablation.yaml')
    assert set(published) <= set(ORDER)
    assert all(0 < value < 1 for name, value in published['full'].items() if 'miou' in name)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('[1, 2]', r'are \[1, 2\], expected variant'),
        ('full: {hand_miou: good}', 'expected variant'),
        ('full: {niceness: 3}', "has the figure 'niceness', expected some of pa_mpjpe_mm"),
        ('full: [', 'cannot read published figures'),
        ('full: {hand_miou: !!int ""}', 'cannot read published figures'),
    ],
)
def test_wrong_published_figures_are_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / 'published.yaml').write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_published(tmp_path / 'published.yaml')
