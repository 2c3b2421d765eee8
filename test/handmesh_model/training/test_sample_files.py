"""Crop samples in files and folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from handmesh_model.errors import DatasetError
from handmesh_model.training.config import AugmentationConfig
from handmesh_model.training.sample_files import LABELS, SampleFile

Draw = Callable[..., dict[str, np.ndarray]]


@pytest.fixture(scope='module')
def samples(drawn_samples: Draw) -> dict[str, np.ndarray]:
    return drawn_samples(8)


@pytest.fixture
def file(samples: dict[str, np.ndarray], tmp_path: Path) -> Path:
    np.savez(tmp_path / 'samples.npz', **samples)
    return tmp_path / 'samples.npz'


@pytest.fixture
def folder(samples: dict[str, np.ndarray], tmp_path: Path) -> Path:
    """As ``handmesh synthesize dataset`` writes it, five samples a file of labels."""
    root = tmp_path / 'samples'
    (root / 'images').mkdir(parents=True)
    for row, image in enumerate(samples['image']):
        cv2.imwrite(str(root / f'images/{row:06d}.png'), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    for start in (0, 5):
        part = {name: samples[name][start : start + 5] for name in LABELS}
        np.savez_compressed(root / f'labels_{start:06d}.npz', **part)
    facts = {'format': 1, 'count': 8, 'seed': 1, 'size': 64}
    (root / 'dataset.json').write_text(json.dumps(facts))
    return root


@pytest.mark.parametrize('kind', ['file', 'folder'])
def test_samples_come_back_as_they_were_written(
    kind: str, samples: dict[str, np.ndarray], request: pytest.FixtureRequest
) -> None:
    source = SampleFile(request.getfixturevalue(kind), None, 64)
    assert len(source) == 8
    for row in (0, 3, 7):
        for name, value in source[row].items():
            np.testing.assert_array_equal(value, samples[name][row], err_msg=name)


def test_other_sizes_move_the_labels_with_the_picture(file: Path) -> None:
    small, large = SampleFile(file, None, 32)[0], SampleFile(file, None, 64)[0]
    assert small['image'].shape == (32, 32, 3)
    # Pixel centres are at integers: the picture's edge is at -0.5 in both.
    expected = (large['joints'][:, :2] + 0.5) / 2 - 0.5
    np.testing.assert_allclose(small['joints'][:, :2], expected, atol=1e-4)
    np.testing.assert_array_equal(small['joints'][:, 2], large['joints'][:, 2])


def test_variations_depend_on_epoch_seed_and_sample_alone(file: Path) -> None:
    first, again = (SampleFile(file, AugmentationConfig(), 64, seed=5) for _ in range(2))
    again[3]
    np.testing.assert_array_equal(first[1]['image'], again[1]['image'])
    before = first[1]['joints']
    first.set_epoch(1)
    assert np.abs(first[1]['joints'] - before).max() > 0.5
    other = SampleFile(file, AugmentationConfig(), 64, seed=6)
    assert np.abs(other[1]['joints'] - before).max() > 0.5


def test_slices_share_the_samples_out(file: Path, samples: dict[str, np.ndarray]) -> None:
    training = SampleFile(file, None, 64, stop=-3)
    held_out = SampleFile(file, None, 64, start=-3)
    assert (len(training), len(held_out)) == (5, 3)
    np.testing.assert_array_equal(held_out[0]['image'], samples['image'][5])
    with pytest.raises(IndexError):
        held_out[3]


def test_missing_and_partial_data_are_named(file: Path, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r'none\.npz'):
        SampleFile(tmp_path / 'none.npz', None, 64)
    np.savez(tmp_path / 'part.npz', image=np.zeros((1, 64, 64, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"part\.npz' lacks vertices, joints"):
        SampleFile(tmp_path / 'part.npz', None, 64)
    (folder / 'images/000007.png').unlink()
    with pytest.raises(DatasetError, match=r'images/000007\.png.* is missing'):
        SampleFile(folder, None, 64)
    (folder / 'labels_000005.npz').unlink()
    with pytest.raises(DatasetError, match='labels of 5 samples, expected 8'):
        SampleFile(folder, None, 64)
    (folder / 'dataset.json').unlink()
    with pytest.raises(DatasetError, match=r"'dataset\.json' is missing, expected at"):
        SampleFile(folder, None, 64)


@pytest.mark.parametrize(
    ('name', 'change', 'message'),
    [
        (
            'image',
            lambda a: a / np.float32(255),
            r'image as float32 \(8, 64, 64, 3\), expected uint8',
        ),
        ('image', lambda a: a[:, :40], r'image as .*40, 64, 3\), expected uint8 \(8, 40, 40, 3\)'),
        ('image', lambda a: a[:7], r'image as .*\(7, .*expected uint8 \(8, 64, 64, 3\)'),
        ('mask', lambda a: a.repeat(2, 1).repeat(2, 2), r'64, 64\), expected uint8 \(8, 32, 32\)'),
        ('mask', lambda a: a > 0, r'mask as bool .*expected uint8'),
        ('joints', lambda a: a[:, :20], r'20, 3\), expected float32 \(8, 21, 3\)'),
        ('joints', lambda a: a[:5], r'\(5, 21, 3\), expected float32 \(8, 21, 3\)'),
        ('joints', lambda a: a[0, 0, 0], r'joints as float32 \(\), expected float32 \(8, 21, 3\)'),
        ('vertices', lambda a: a[..., :2], r'vertices as .*2\), expected float32 \(8, \d+, 3\)'),
        (
            'mesh_valid',
            lambda a: a.astype(str),
            r'mesh_valid as <U\d+ \(8,\), expected bool \(8,\)',
        ),
        ('mesh_valid', lambda a: a * 0.5, 'mesh_valid as float64 .*expected bool'),
        ('side', lambda a: a[:5], r'side as float32 \(5,\), expected float32 \(8,\)'),
    ],
)
def test_arrays_unlike_a_batch_s_are_named(
    name: str,
    change: Callable[[np.ndarray], np.ndarray],
    message: str,
    samples: dict[str, np.ndarray],
    tmp_path: Path,
) -> None:
    np.savez(tmp_path / 'wrong.npz', **{**samples, name: change(samples[name])})
    with pytest.raises(DatasetError, match=r"wrong\.npz' has .*" + message):
        SampleFile(tmp_path / 'wrong.npz', None, 64)


def test_other_numbers_of_the_same_meaning_are_taken(
    samples: dict[str, np.ndarray], tmp_path: Path
) -> None:
    changed = {
        **samples,
        'joints': samples['joints'].astype(np.float64),
        'mesh_valid': samples['mesh_valid'].astype(np.uint8),
        'side': samples['side'].astype(np.int8),
    }
    np.savez(tmp_path / 'other.npz', **changed)
    source = SampleFile(tmp_path / 'other.npz', None, 64)
    for name, value in source[3].items():
        np.testing.assert_array_equal(value, samples[name][3], err_msg=name)


@pytest.mark.parametrize('value', [np.nan, np.inf])
@pytest.mark.parametrize(
    ('name', 'wanted'),
    [
        ('vertices', 'numbers, or mesh_valid false'),
        ('joints', 'numbers, or mesh_valid false'),
        ('presence', 'a number'),
        ('side', 'a number'),
    ],
)
@pytest.mark.parametrize('kind', ['file', 'folder'])
def test_what_is_learned_has_to_be_finite(
    kind: str,
    name: str,
    wanted: str,
    value: float,
    samples: dict[str, np.ndarray],
    request: pytest.FixtureRequest,
) -> None:
    path = request.getfixturevalue(kind)
    labels = {key: array.copy() for key, array in samples.items()}
    labels['mesh_valid'][:] = True
    labels[name].reshape(8, -1)[6:, -1] = value
    named, row = path, 6
    if kind == 'folder':
        named, row = path / 'labels_000005.npz', 1
        labels = {key: labels[key][5:] for key in LABELS}
    np.savez(named, **labels)
    told = rf"{named.name}' has {name} .* not finite in row {row} .* expected {wanted}; .*: 2$"
    with pytest.raises(DatasetError, match=told):
        SampleFile(path, None, 64)


def test_points_without_a_mesh_may_be_anything(
    samples: dict[str, np.ndarray], tmp_path: Path
) -> None:
    labels = {key: array.copy() for key, array in samples.items()}
    labels['mesh_valid'] = np.ones(8, np.uint8)
    labels['mesh_valid'][[2, 5]] = 0
    labels['side'][2], labels['side'][5] = 0, 1
    labels['vertices'][2] = labels['joints'][5] = np.nan
    np.savez(tmp_path / 'left.npz', **labels)
    source = SampleFile(tmp_path / 'left.npz', AugmentationConfig(mirror=1.0), 64)
    assert not source[2]['mesh_valid']
    assert not source[5]['mesh_valid']


def test_file_may_hold_no_samples(samples: dict[str, np.ndarray], tmp_path: Path) -> None:
    np.savez(tmp_path / 'none.npz', **{name: array[:0] for name, array in samples.items()})
    assert len(SampleFile(tmp_path / 'none.npz', None, 64)) == 0


def test_files_of_a_folder_have_to_agree(folder: Path, samples: dict[str, np.ndarray]) -> None:
    part = {name: samples[name][5:] for name in LABELS}
    np.savez(folder / 'labels_000005.npz', **{**part, 'vertices': part['vertices'][:, :-1]})
    with pytest.raises(DatasetError, match=r"labels_000005\.npz' has vertices as "):
        SampleFile(folder, None, 64)
    np.savez(folder / 'labels_000005.npz', **part)
    cv2.imwrite(str(folder / 'images/000006.png'), np.zeros((64, 80, 3), np.uint8))
    source = SampleFile(folder, None, 64)
    with pytest.raises(DatasetError, match=r"000006\.png' is 80 x 64 pixels, expected 64 x 64"):
        source[6]


def test_labels_are_in_the_order_of_their_numbers(
    folder: Path, samples: dict[str, np.ndarray]
) -> None:
    # By name, a million would come before the samples ahead of it.
    for old, new in (('000000', '999995'), ('000005', '1000000')):
        (folder / f'labels_{old}.npz').rename(folder / f'labels_{new}.npz')
    source = SampleFile(folder, None, 64)
    for row in (0, 5, 7):
        np.testing.assert_array_equal(source[row]['joints'], samples['joints'][row])
    (folder / 'labels_1000000.npz').rename(folder / 'labels_rest.npz')
    with pytest.raises(DatasetError, match=r"labels_rest\.npz' is named for sample 'rest'"):
        SampleFile(folder, None, 64)


def test_what_the_synthesizer_writes_can_be_read(tmp_path: Path) -> None:
    from handmesh_model.synthesis.dataset import write_dataset

    write_dataset(tmp_path / 'synthetic', 2, seed=3, size=32)
    source = SampleFile(tmp_path / 'synthetic', None, 32)
    assert len(source) == 2
    assert source[1]['image'].std() > 5
    assert source.depth_axis == 'ray'
