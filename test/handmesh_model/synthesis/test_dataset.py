"""Datasets on disk come out the same again; the command line reaches everything."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from handmesh_model import cli
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


def test_a_folder_of_another_dataset_is_left_alone(tmp_path: Path) -> None:
    dataset.write_dataset(tmp_path, 1, 1, 32)
    with pytest.raises(DatasetError, match='another dataset'):
        dataset.write_dataset(tmp_path, 1, 2, 32)
    with pytest.raises(DatasetError, match='count is 0'):
        dataset.write_dataset(tmp_path / 'new', 0, 2, 32)


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
