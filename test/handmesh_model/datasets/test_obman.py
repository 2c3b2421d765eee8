"""ObMan: axes, sides, masks, and pickles that are not to be trusted."""

import os
import pickle
import shlex

import cv2
import numpy as np
import pytest

from handmesh_model.datasets import ObMan
from handmesh_model.errors import ConfigError, DatasetError


def test_records(obman):
    dataset = ObMan(obman, 'test')
    assert [dataset.record(i).name for i in range(len(dataset))] == [
        '00000001',
        '00000004',
        '00000009',
    ]
    record = dataset.record(0)
    assert record.side == 'right'
    assert (record.joints_camera[:, 2] > 0.3).all()
    meta = pickle.loads((obman / 'test/meta/00000001.pkl').read_bytes())
    image = record.joints_camera @ record.intrinsics.T
    np.testing.assert_allclose(image[:, :2] / image[:, 2:], meta['coords_2d'])


def test_left_hand_is_mirrored_and_has_its_own_mask(obman):
    dataset = ObMan(obman, 'test', size=96)
    record, sample = dataset.record(1), dataset[1]
    assert record.side == 'left'
    image = record.joints_camera @ record.intrinsics.T
    x = image[:, 0] / image[:, 2]
    order = np.argsort(x)
    assert (np.diff(sample['joints'][order, 0]) < 0).all()
    mask = record.load_mask()
    assert mask[:128].all()
    assert not mask[128:].any()


def test_masks_that_cannot_be_read_are_named(obman):
    path = obman / 'test/segm/00000001.png'
    load_mask = ObMan(obman, 'test').record(0).load_mask
    # What OpenCV raises at a picture that claims to have more pixels than it reads.
    path.write_bytes(b'P6 40000 40000 255\n')
    with pytest.raises(DatasetError, match=r"00000001\.png' cannot be read by OpenCV"):
        load_mask()
    path.write_bytes(b'no picture')
    with pytest.raises(DatasetError, match=r"00000001\.png' cannot be decoded"):
        load_mask()


def test_masks_go_by_the_blue_channel(obman):
    rng = np.random.default_rng(0)
    labels = rng.integers(20, 26, (256, 256, 3), dtype=np.uint8)
    cv2.imwrite(str(obman / 'test/segm/00000001.png'), labels)
    mask = ObMan(obman, 'test').record(0).load_mask()
    assert mask.dtype == np.uint8
    blue = labels[..., 0]
    np.testing.assert_array_equal(mask, (blue == 22) | (blue == 24))


def test_pickle_that_runs_something_is_refused(obman, tmp_path):
    made = tmp_path / 'ran'

    class Evil:
        def __reduce__(self):
            return os.system, (f'touch {shlex.quote(str(made))}',)

    path = obman / 'test/meta/00000001.pkl'
    path.write_bytes(pickle.dumps({'coords_3d': Evil()}))
    with pytest.raises(DatasetError, match='system'):
        ObMan(obman, 'test').record(0)
    assert not made.exists()


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'side': 'middle'}, "'middle'"),
        ({'coords_3d': np.zeros((20, 3))}, r'\(20, 3\)'),
        ({'verts_3d': 'none'}, 'expected an array'),
    ],
)
def test_meta_that_cannot_be_used(obman, change, message):
    path = obman / 'test/meta/00000001.pkl'
    meta = pickle.loads(path.read_bytes())
    path.write_bytes(pickle.dumps(meta | change, protocol=2))
    with pytest.raises(DatasetError, match=message):
        ObMan(obman, 'test').record(0)


def test_missing_entry_and_cut_off_file(obman):
    path = obman / 'test/meta/00000001.pkl'
    path.write_bytes(pickle.dumps({'side': 'left'}))
    with pytest.raises(DatasetError, match='coords_3d'):
        ObMan(obman, 'test').record(0)
    path.write_bytes(path.read_bytes()[:10])
    with pytest.raises(DatasetError, match=r'00000001\.pkl'):
        ObMan(obman, 'test').record(0)


def test_missing_folders_are_named(obman, tmp_path):
    with pytest.raises(DatasetError, match='train/meta'):
        ObMan(obman, 'train')
    with pytest.raises(ConfigError, match='training'):
        ObMan(obman, 'training')
    (obman / 'test/rgb/00000009.jpg').unlink()
    with pytest.raises(DatasetError, match=r'test/rgb/00000009\.jpg'):
        ObMan(obman, 'test')
    (tmp_path / 'empty/val/meta').mkdir(parents=True)
    (tmp_path / 'empty/val/rgb').mkdir()
    with pytest.raises(DatasetError, match=r'no \*\.pkl'):
        ObMan(tmp_path / 'empty', 'val')
