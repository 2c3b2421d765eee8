"""Datasets on disk come out the same again; the command line reaches everything."""

import contextlib
import json
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import cv2
import numpy as np
import pytest

from handmesh_model import cli, worker_pool
from handmesh_model.errors import DatasetError
from handmesh_model.synthesis import dataset


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


def test_the_same_seed_writes_the_same_bits(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(dataset, 'CHUNK', 4)
    for name, seed in (('a', 3), ('b', 3), ('c', 4)):
        dataset.write_dataset(tmp_path / name, 6, seed, 32)
    first, second, other = (files(tmp_path / name) for name in 'abc')
    images = {name: data for name, data in first.items() if name.endswith('.png')}
    assert len(images) == 6
    assert all(second[name] == data for name, data in images.items())
    assert all(other[name] != data for name, data in images.items())
    labels = [np.load(tmp_path / name / 'labels_000004.npz') for name in 'ab']
    assert labels[0]['joints'].shape == (2, 21, 3)
    for name in dataset.LABELS:
        assert np.array_equal(labels[0][name], labels[1][name])


def test_a_folder_of_another_dataset_is_left_alone(tmp_path: Path, monkeypatch) -> None:
    dataset.write_dataset(tmp_path, 1, 1, 32)
    with pytest.raises(DatasetError, match='another dataset'):
        dataset.write_dataset(tmp_path, 1, 2, 32)
    with pytest.raises(DatasetError, match='count is 0'):
        dataset.write_dataset(tmp_path / 'new', 0, 2, 32)
    with monkeypatch.context() as patch:
        patch.setattr(dataset, 'renderer_version', lambda: 'newer')
        with pytest.raises(DatasetError, match=r"expected .*'newer'"):
            dataset.write_dataset(tmp_path, 1, 1, 32)
    card = tmp_path / 'dataset.json'
    card.write_text('{')
    with pytest.raises(DatasetError, match=r"dataset\.json' as JSON"):
        dataset.write_dataset(tmp_path, 1, 1, 32)
    card.unlink()
    with pytest.raises(DatasetError, match=r'labels but no dataset\.json'):
        dataset.write_dataset(tmp_path, 1, 1, 32)


def test_a_dataset_of_other_files_of_labels_is_left_alone(tmp_path: Path, monkeypatch) -> None:
    dataset.write_dataset(tmp_path, 1, 1, 32)
    for name, value in (('CHUNK', 4), ('LABELS', ('joints',))):
        with monkeypatch.context() as patch:
            patch.setattr(dataset, name, value)
            with pytest.raises(DatasetError, match='another dataset'):
                dataset.write_dataset(tmp_path, 1, 1, 32)


def test_a_dataset_cut_short_goes_on_where_it_was(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(dataset, 'CHUNK', 2)
    dataset.write_dataset(tmp_path / 'whole', 5, 3, 32)
    render = dataset.render_crop_sample
    rendered = []

    def dying(*arguments):
        rendered.append(1)
        if len(rendered) == 4:
            raise KeyboardInterrupt
        return render(*arguments)

    monkeypatch.setattr(dataset, 'render_crop_sample', dying)
    with pytest.raises(KeyboardInterrupt):
        dataset.write_dataset(tmp_path / 'cut', 5, 3, 32)
    dataset.write_dataset(tmp_path / 'cut', 5, 3, 32)
    assert len(rendered) == 4 + 3
    assert files(tmp_path / 'cut') == files(tmp_path / 'whole')


def test_a_dataset_goes_on_under_the_versions_it_was_begun_with(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(dataset, 'CHUNK', 1)
    dataset.write_dataset(tmp_path, 2, 3, 32)
    card, last = tmp_path / 'dataset.json', tmp_path / 'labels_000001.npz'
    facts = json.loads(card.read_text())
    assert set(facts['libraries']) == {'numba', 'numpy', 'opencv', 'scipy'}
    unknown = {name: value for name, value in facts.items() if name != 'libraries'}
    older = {**facts, 'libraries': {**facts['libraries'], 'numba': '0.1'}}
    said = {'numba 0.1, numpy': older, 'libraries of unknown versions': unknown}
    for made_with, written in said.items():
        card.write_text(json.dumps(written))
        # There is nothing left to make.
        dataset.write_dataset(tmp_path, 2, 3, 32)
        labels = last.read_bytes()
        last.unlink()
        now = f'numba {facts["libraries"]["numba"]}, numpy'
        with pytest.raises(DatasetError, match=f'made with {made_with}.*installed, {now}'):
            dataset.write_dataset(tmp_path, 2, 3, 32)
        assert json.loads(card.read_text()) == written
        last.write_bytes(labels)


def test_what_a_killed_run_left_half_written_is_removed(tmp_path: Path) -> None:
    dataset.write_dataset(tmp_path, 1, 3, 32)
    whole = files(tmp_path)
    (tmp_path / 'labels_000000.npz').unlink()
    for name in ('images/.part-0123456789ab.png', '.part-0123456789ab.npz'):
        (tmp_path / name).write_bytes(b'half')
    dataset.write_dataset(tmp_path, 1, 3, 32)
    assert files(tmp_path) == whole


def test_more_processes_write_the_same(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(dataset, 'CHUNK', 3)
    monkeypatch.setattr(worker_pool, 'TASK', 1)
    dataset.write_dataset(tmp_path / 'one', 4, 3, 32)
    dataset.write_dataset(tmp_path / 'two', 4, 3, 32, workers=2)
    assert files(tmp_path / 'one') == files(tmp_path / 'two')


def test_a_dead_process_is_said(tmp_path: Path, monkeypatch) -> None:
    @contextlib.contextmanager
    def dying(*_):
        raise BrokenProcessPool
        yield

    monkeypatch.setattr(dataset, 'shared_out', dying)
    with pytest.raises(DatasetError, match='a process that renders died'):
        dataset.write_dataset(tmp_path, 1, 3, 32, workers=2)


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        ('sheet --count 0', 'count is 0, expected at least 1'),
        ('sheet --size 0', 'size is 0, expected an even number of at least 16'),
        ('sheet --seed -1', 'seed is -1, expected at least 0'),
        ('sheet --out FOLDER/new/x.foo', 'x.foo'),
        ('sheet --count 1 --size 16 --out FOLDER', "cannot write 'FOLDER"),
        ('benchmark --size 0', 'size is 0'),
        ('dataset --count 1 --seed -1 --out FOLDER/new', 'seed is -1, expected at least 0'),
        ('dataset --count 1 --workers 0 --out FOLDER/new', 'workers is 0, expected at least 1'),
        ('dataset --count 1 --size 33 --out FOLDER/new', 'size is 33'),
        ('clip --seed -1 --out FOLDER/new/a.mp4', 'seed is -1'),
        ('clip --seconds nan --out FOLDER/new/a.mp4', 'seconds is nan'),
    ],
)
def test_options_out_of_range_are_refused_before_anything_is_written(
    options: str, said: str, tmp_path: Path, capsys
) -> None:
    folder = tmp_path / 'folder.jpg'
    folder.mkdir()
    command = ['synthesize', *options.replace('FOLDER', str(folder)).split()]
    assert cli.main(command) == 2
    assert said.replace('FOLDER', str(folder)) in capsys.readouterr().err
    assert list(tmp_path.rglob('*')) == [folder]


def test_a_sheet_goes_out_of_the_way_by_default(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(['synthesize', 'sheet', '--count', '1', '--size', '16']) == 0
    assert list(files(tmp_path)) == ['out/synthesis_sheet.jpg']


def test_the_command_line_makes_sheets_datasets_and_timings(tmp_path: Path, capsys) -> None:
    sheet = tmp_path / 'sheet.jpg'
    assert cli.main(f'synthesize sheet --count 5 --size 32 --labels --out {sheet}'.split()) == 0
    assert cv2.imread(str(sheet)).shape == (32, 256, 3)
    folder = tmp_path / 'set'
    assert cli.main(f'synthesize dataset --count 2 --size 32 --out {folder}'.split()) == 0
    assert json.loads((folder / 'dataset.json').read_text())['count'] == 2
    assert cli.main(['synthesize', 'benchmark', '--count', '4', '--size', '32']) == 0
    assert 'images per cpu second' in capsys.readouterr().out
    assert cli.main(f'synthesize dataset --count 0 --out {folder}'.split()) == 2
