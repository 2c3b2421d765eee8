"""FreiHAND: splits, background variants, samples, and what is said of broken folders."""

import json
import tracemalloc

import numpy as np
import pytest

from handmesh_model.datasets import freihand as module
from handmesh_model.datasets import open_dataset
from handmesh_model.datasets.freihand import FreiHand, alignment_samples, read_numbers
from handmesh_model.errors import ConfigError, DatasetError
from handmesh_model.topology import HandTopology


def test_training_has_all_background_variants(freihand):
    dataset = FreiHand(freihand)
    assert len(dataset) == 80
    greys = [dataset.record(i).load().mean() for i in (0, 19, 20, 79)]
    np.testing.assert_allclose(greys, [0, 38, 40, 158], atol=2)
    first, variant = dataset.record(3), dataset.record(3 + 2 * 20)
    assert first.name == '00000003'
    assert variant.name == '00000043'
    np.testing.assert_array_equal(first.joints_camera, variant.joints_camera)


def test_chosen_variants(freihand):
    dataset = FreiHand(freihand, versions=('auto', 'gs'))
    assert [dataset.record(i).name for i in (0, 20)] == ['00000060', '00000000']
    with pytest.raises(ConfigError, match='blue'):
        FreiHand(freihand, versions=('blue',))


def test_alignment_split_is_held_out_and_seeded(freihand):
    held_out = FreiHand(freihand, split='alignment')
    rest = FreiHand(freihand, split='train-alignment', versions=('gs',))
    names = [{d.record(i).name for i in range(len(d))} for d in (held_out, rest)]
    assert len(names[0]) == 2
    assert names[0].isdisjoint(names[1])
    assert len(names[0] | names[1]) == 20


def test_alignment_draw_of_the_whole_dataset_never_changes():
    chosen = alignment_samples(32560)
    assert len(np.unique(chosen)) == 2000
    assert chosen[:5].tolist() == [5, 21, 42, 53, 59]
    assert chosen.max() < 32560


def test_sample_is_in_the_crop(freihand):
    sample = FreiHand(freihand, size=128)[4]
    assert sample['image'].shape == (128, 128, 3)
    assert sample['vertices'].shape == (778, 3)
    assert sample['joints'].dtype == np.float32
    low, high = sample['vertices'][:, :2].min(axis=0), sample['vertices'][:, :2].max(axis=0)
    # The box of the vertices is centred and takes 1 / 1.25 of the crop's side.
    np.testing.assert_allclose((low + high) / 2, [63.5, 63.5], atol=1e-3)
    assert (high - low).max() == pytest.approx(128 / 1.25, abs=1e-3)
    assert sample['joints'][0, 2] == 0
    record = FreiHand(freihand).record(4)
    depth = record.joints_camera[:, 2] - record.joints_camera[0, 2]
    np.testing.assert_allclose(sample['joints'][:, 2], depth, atol=1e-6)
    assert sample['mesh_valid']
    assert sample['side'] == sample['presence'] == 1


def test_depth_is_measured_along_the_axis_that_the_network_wants(freihand):
    dataset = FreiHand(freihand, size=64)
    record = dataset.record(0)
    wrist = record.joints_camera[0]
    assert np.linalg.norm(wrist[:2]) > 0.005
    along_axis = dataset[0]['joints']
    dataset.depth_axis = 'ray'
    along_ray = dataset[0]['joints']
    np.testing.assert_array_equal(along_ray[:, :2], along_axis[:, :2])
    offsets = record.joints_camera - wrist
    np.testing.assert_allclose(along_axis[:, 2], offsets[:, 2], atol=1e-6)
    ray = record.joints_camera[9] / np.linalg.norm(record.joints_camera[9])
    np.testing.assert_allclose(along_ray[:, 2], offsets @ ray, atol=1e-6)


def test_mask_lies_on_the_hand(freihand):
    dataset = FreiHand(freihand, size=128)
    for i in range(5):
        sample = dataset[i]
        assert sample['mask'].shape == (64, 64)
        rows, columns = np.nonzero(sample['mask'] == 1)
        centre = np.array([columns.mean(), rows.mean()]) * 2 + 0.5
        record = dataset.record(i)
        joints = record.joints_camera @ record.intrinsics.T
        middle = (joints[:, :2] / joints[:, 2:]).mean(axis=0).astype(int)
        in_crop = sample['joints'][:, :2].mean(axis=0)
        scale = 128 / 1.25 / max(record.box.width, record.box.height)
        fraction = (joints[:, :2] / joints[:, 2:]).mean(axis=0) - middle
        np.testing.assert_allclose(centre, in_crop - fraction * scale, atol=1.0)


def test_evaluation_without_labels(freihand):
    dataset = FreiHand(freihand, split='evaluation')
    record = dataset.record(2)
    assert len(dataset) == 3
    assert record.joints_camera is None
    assert record.box is None
    assert record.load_mask is None
    topology = HandTopology.open_hand()
    bone = np.linalg.norm(topology.template_joints[10] - topology.template_joints[9])
    assert record.hand_size(topology) == pytest.approx(0.030 * topology.hand_size / bone)
    with pytest.raises(DatasetError, match='no mesh'):
        dataset[2]


def test_topology_without_a_template_borrows_the_open_hands_proportions(freihand):
    record, hand = FreiHand(freihand, split='evaluation').record(2), HandTopology.open_hand()
    bare = HandTopology(hand.faces, hand.joint_regressor)
    assert record.hand_size(bare) == pytest.approx(record.hand_size(hand))


def test_evaluation_with_published_labels(freihand):
    for key in ('xyz', 'verts'):
        labels = json.loads((freihand / f'training_{key}.json').read_text())[:3]
        (freihand / f'evaluation_{key}.json').write_text(json.dumps(labels))
    record = FreiHand(freihand, split='evaluation').record(1)
    assert record.vertices_camera.shape == (778, 3)
    assert record.box.width > 20


def test_published_labels_leave_the_hands_size_alone(freihand):
    topology = HandTopology.open_hand()
    before = FreiHand(freihand, split='evaluation').record(1)
    for key in ('xyz', 'verts'):
        labels = json.loads((freihand / f'training_{key}.json').read_text())[:3]
        (freihand / f'evaluation_{key}.json').write_text(json.dumps(labels))
    after = FreiHand(freihand, split='evaluation').record(1)
    assert after.joints_camera is not None
    assert after.hand_size(topology) == before.hand_size(topology)
    assert after.hand_size_source == before.hand_size_source == 'reference bone'


def test_training_samples_tell_the_size_by_their_joints(freihand):
    record = FreiHand(freihand).record(0)
    palm = np.linalg.norm(record.joints_camera[9] - record.joints_camera[0])
    assert record.hand_size(HandTopology.open_hand()) == pytest.approx(palm)
    assert record.hand_size_source == 'true joints'


@pytest.mark.parametrize(
    'missing',
    ['training_K.json', 'training_verts.json', 'training_xyz.json', 'training/rgb/00000079.jpg'],
)
def test_missing_file_is_named_with_its_place(freihand, missing):
    (freihand / missing).unlink()
    with pytest.raises(DatasetError) as caught:
        FreiHand(freihand)
    assert missing in str(caught.value)
    assert str(freihand) in str(caught.value)


def test_wrong_folder_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r'nowhere.*training_K\.json'):
        FreiHand(tmp_path / 'nowhere')


def test_files_that_contradict_each_other(freihand):
    joints = json.loads((freihand / 'training_xyz.json').read_text())
    (freihand / 'training_xyz.json').write_text(json.dumps(joints[:-1]))
    with pytest.raises(DatasetError, match='19 entries, expected 20'):
        FreiHand(freihand)


@pytest.mark.parametrize('content', ['[[1, 2', '{"a": 1}', '[["x", 2, 3]]', '[[1, 2, 3, 4]]', ''])
@pytest.mark.parametrize('small', [0, 1 << 20])
def test_broken_json_is_refused(tmp_path, monkeypatch, content, small):
    monkeypatch.setattr(module, 'SMALL_FILE', small)
    path = tmp_path / 'broken.json'
    path.write_text(content)
    with pytest.raises(DatasetError, match=r'broken\.json'):
        read_numbers(path, (3,))


def too_long_and_too_short(entries):
    entries[3].append(entries[3][0])
    entries[7].pop()


def turned(entries):
    entries[5] = np.transpose(entries[5]).tolist()


def deeper(entries):
    entries[6][2][1] = [0.5]


def words(entries):
    entries[8][20][2] = 'x'


def of_two(entries):
    entries[4][20].pop()


def one_more(entries):
    entries.append(0.5)


@pytest.mark.parametrize('small', [0, 1 << 20])
@pytest.mark.parametrize(
    ('change', 'number'),
    [
        (too_long_and_too_short, 3),
        (turned, 5),
        (deeper, 6),
        (words, 8),
        (of_two, 4),
        (one_more, 10),
    ],
)
def test_an_entry_of_another_shape_is_named(tmp_path, monkeypatch, small, change, number):
    """Two may have the right number of numbers together, and shift those between."""
    monkeypatch.setattr(module, 'SMALL_FILE', small)
    entries = np.random.default_rng(0).random((10, 21, 3)).round(4).tolist()
    path = tmp_path / 'xyz.json'
    path.write_text(json.dumps(entries, indent=1))
    assert read_numbers(path, (21, 3)).shape == (10, 21, 3)
    change(entries)
    path.write_text(json.dumps(entries))
    told = rf"json': entry {number}, counted from 0, is no array of numbers of shape \(21, 3\)"
    with pytest.raises(DatasetError, match=told):
        read_numbers(path, (21, 3))


@pytest.mark.parametrize('small', [0, 1 << 20])
def test_lists_of_plain_numbers(tmp_path, monkeypatch, small):
    monkeypatch.setattr(module, 'SMALL_FILE', small)
    path = tmp_path / 'scale.json'
    path.write_text('[0.5, -1e-3, 2E+1]\n')
    np.testing.assert_allclose(read_numbers(path, ()), [0.5, -0.001, 20])
    path.write_text('[0.5, 1, [2], 3]')
    with pytest.raises(DatasetError, match='entry 2, counted from 0, is no number'):
        read_numbers(path, ())
    path.write_text('[0.5, 1,, 3]')
    with pytest.raises(DatasetError, match=r'scale\.json'):
        read_numbers(path, ())


def test_large_files_are_read_like_small_ones(freihand, monkeypatch):
    path = freihand / 'training_verts.json'
    plain = read_numbers(path, (778, 3))
    monkeypatch.setattr(module, 'SMALL_FILE', 0)
    np.testing.assert_array_equal(read_numbers(path, (778, 3)), plain)
    assert plain.dtype == np.float32


@pytest.mark.parametrize('length', [1, 7, 1000])
def test_slices_of_large_files_lose_nothing(freihand, monkeypatch, length):
    path = freihand / 'training_xyz.json'
    plain = read_numbers(path, (21, 3))
    monkeypatch.setattr(module, 'SMALL_FILE', 0)
    monkeypatch.setattr(module, 'SLICE', length)
    np.testing.assert_array_equal(read_numbers(path, (21, 3)), plain)
    for content in ('[0.5, 1,, 3]', '[0.5, 1 2]'):
        path.write_text(content)
        with pytest.raises(DatasetError, match='something else than numbers'):
            read_numbers(path, ())


def test_large_files_take_the_memory_of_their_text_and_twice_the_numbers(freihand, monkeypatch):
    path = freihand / 'training_verts.json'
    monkeypatch.setattr(module, 'SMALL_FILE', 0)
    monkeypatch.setattr(module, 'SLICE', 10_000)
    tracemalloc.start()
    try:
        numbers = read_numbers(path, (778, 3))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < path.stat().st_size + 2 * numbers.nbytes + 100_000


def test_opened_by_name_with_options(freihand):
    options = {'split': 'alignment', 'size': 64, 'augmentation': {'rotation': 10.0}}
    dataset = open_dataset('freihand', freihand, **options)
    assert dataset.augmentation.rotation == 10.0
    assert dataset[0]['image'].shape == (64, 64, 3)
    with pytest.raises(ConfigError, match='imagenet'):
        open_dataset('imagenet', freihand)
    with pytest.raises(ConfigError, match='colour'):
        open_dataset('freihand', freihand, colour=1)
