"""The folder of real photographs: what is read, and what is said of broken ones."""

import cv2
import numpy as np
import pytest

from handmesh_model.datasets.real_images import read_clip, read_labelled, read_real_images
from handmesh_model.errors import DatasetError


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    files = np.array(['a.jpg', 'b.jpg'])
    for kind in ('labelled', 'clip'):
        (tmp_path / kind).mkdir()
        for i, name in enumerate(files):
            cv2.imwrite(str(tmp_path / kind / name), np.full((50, 60, 3), 40 * i, np.uint8))
    joints = rng.uniform(10, 40, (2, 21, 2))
    np.savez(
        tmp_path / 'labelled_reference.npz',
        files=files,
        joints_image=joints,
        joints_camera=rng.normal(size=(2, 21, 3)),
        intrinsics=np.stack([np.eye(3)] * 2),
        handedness=np.array(['left', 'right']),
    )
    np.savez(
        tmp_path / 'labelled_mediapipe.npz',
        files=files[::-1],
        joints_image=np.stack([joints[1], np.full((21, 2), np.nan)]),
        joints_world=np.zeros((2, 21, 3)),
    )
    np.savez(
        tmp_path / 'clip_reference.npz',
        files=files,
        joints_image=joints,
        mask=np.zeros((2, 50, 60), bool),
        mask_valid=np.ones((2, 50, 60), bool),
        reliable=np.array([True, False]),
    )
    return tmp_path


def test_both_halves(folder):
    sets = read_real_images(folder)
    assert [sample.side for sample in sets['labelled']] == ['left', 'right']
    assert [sample.side for sample in sets['clip']] == ['right', 'right']
    assert [sample.reliable for sample in sets['clip']] == [True, False]
    assert sets['labelled'][1].load().mean() == pytest.approx(40, abs=1)
    assert sets['clip'][0].joints_camera is None


def test_other_methods_joints_are_matched_by_file(folder):
    first, second = read_labelled(folder)
    assert first.comparison_image is None
    np.testing.assert_array_equal(second.comparison_image, second.joints_image)


def test_boxes(folder):
    sample = read_clip(folder)[0]
    box, grown = sample.box, sample.vertex_box
    low, high = sample.joints_image.min(axis=0), sample.joints_image.max(axis=0)
    assert (box.x_min, box.y_min, box.x_max, box.y_max) == (*low, *high)
    assert grown.center == pytest.approx(box.center)
    longer = max(box.width, box.height)
    assert max(grown.width, grown.height) == pytest.approx(1.17 * longer)
    assert grown.width - box.width == pytest.approx(grown.height - box.height)


def test_one_half_is_enough(folder):
    (folder / 'clip_reference.npz').unlink()
    for path in (folder / 'clip').iterdir():
        path.unlink()
    (folder / 'clip').rmdir()
    assert list(read_real_images(folder)) == ['labelled']


@pytest.mark.parametrize('missing', ['labelled_reference.npz', 'clip/b.jpg', 'clip_reference.npz'])
def test_missing_file_is_named(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(DatasetError) as caught:
        read_real_images(folder)
    assert str(folder / missing) in str(caught.value)


def test_arrays_that_do_not_fit(folder):
    path = folder / 'clip_reference.npz'
    data = dict(np.load(path))
    np.savez(path, **(data | {'reliable': np.ones(3, bool)}))
    with pytest.raises(DatasetError, match='reliable'):
        read_clip(folder)
    np.savez(path, **{key: value for key, value in data.items() if key != 'mask'})
    with pytest.raises(DatasetError, match='lacks mask'):
        read_clip(folder)
    whole = path.read_bytes()
    for damaged in (b'nothing', b'', whole[:100], whole[:400] + b'\xff' * 40 + whole[440:]):
        path.write_bytes(damaged)
        with pytest.raises(DatasetError, match='as npz'):
            read_clip(folder)
    with path.open('wb') as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DatasetError, match=r'as npz: one array of shape \(3,\)'):
        read_clip(folder)


def test_a_side_that_is_none_is_named(folder):
    path = folder / 'labelled_reference.npz'
    with np.load(path) as data:
        arrays = dict(data)
    np.savez(path, **arrays | {'handedness': np.array(['left', 'Right'])})
    with pytest.raises(DatasetError, match=r"reference\.npz' has the handedness 'Right'"):
        read_labelled(folder)


def test_empty_folder(tmp_path):
    with pytest.raises(DatasetError, match='holds neither'):
        read_real_images(tmp_path)
