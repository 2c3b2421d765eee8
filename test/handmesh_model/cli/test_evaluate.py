"""``handmesh evaluate`` from the command line, on miniature datasets and a tiny random network."""

import errno
import json
import pickle
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from handmesh_model.checkpoints import save_checkpoint
from handmesh_model.cli import USER_ERROR, main
from handmesh_model.evaluation.benchmarks import evaluate_records
from handmesh_model.evaluation.estimates import NetworkRunner
from handmesh_model.hand import HandBox
from handmesh_model.network import HandMeshNet, NetworkConfig
from handmesh_model.topology import HandTopology

INTRINSICS = [[480.0, 0, 112], [0, 480, 112], [0, 0, 1]]


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """A network of 778 vertices, some of them the joints of the open hand's template."""
    torch.manual_seed(0)
    hand = HandTopology.open_hand()
    template = np.resize(hand.template_joints, (778, 3))
    faces = np.stack([np.arange(776), np.arange(1, 777), np.arange(2, 778)], axis=1)
    parts = np.resize([0, 1, 1, 2, 3, 4, 5], 778)
    topology = HandTopology(faces, np.eye(21, 778), parts, template)
    config = NetworkConfig(
        input_size=64,
        heatmap_size=16,
        depth=18,
        mesh_depth=18,
        width=8,
        mesh_width=8,
        decoder_channels=(8, 8, 8),
        mesh_decoder_channels=(8, 8, 8),
        depth_channels=8,
        global_channels=8,
        graph_hidden=8,
        graph_width=8,
        graph_tail=8,
    )
    path = tmp_path_factory.mktemp('weights') / 'mesh.safetensors'
    save_checkpoint(path, HandMeshNet(config, topology), {})
    return path


@pytest.fixture
def freihand(tmp_path):
    root = tmp_path / 'freihand'
    (root / 'evaluation/rgb').mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(3):
        picture = rng.integers(0, 255, (224, 224, 3), dtype=np.uint8)
        cv2.imwrite(str(root / f'evaluation/rgb/{i:08d}.jpg'), picture)
    points = rng.normal(size=(3, 778, 3)) * 0.03 + [0, 0, 0.6]
    contents = {
        'K': [INTRINSICS] * 3,
        'scale': [0.03] * 3,
        'xyz': points[:, :21].tolist(),
        'verts': points.tolist(),
    }
    for key, content in contents.items():
        (root / f'evaluation_{key}.json').write_text(json.dumps(content))
    return root


@pytest.fixture
def obman(freihand, tmp_path):
    """One sample, of a picture of the other dataset."""
    root = tmp_path / 'obman'
    (root / 'test/meta').mkdir(parents=True)
    (root / 'test/rgb').symlink_to(freihand / 'evaluation/rgb')
    points = np.random.default_rng(1).normal(size=(778, 3)) * 0.03 + [0, 0, -0.6]
    meta = {'coords_3d': points[:21], 'verts_3d': points, 'side': 'right'}
    (root / 'test/meta/00000000.pkl').write_bytes(pickle.dumps(meta, protocol=2))
    return root


def evaluate(*arguments):
    return main(['evaluate', *map(str, arguments), '--device', 'cpu'])


def test_freihand_with_labels(freihand, weights, tmp_path, capsys):
    out = tmp_path / 'out'
    arguments = ('--dataset', 'freihand', freihand, '--weights', weights, '--out', out)
    assert evaluate(*arguments, '--submission', out / 'pred.json') == 0
    printed = capsys.readouterr().out
    assert 'PA-MPVPE mm' in printed
    assert 'finger mIoU' in printed
    document = json.loads((out / 'results.json').read_text())
    assert document['boxes'] == 'detected'
    assert document['hand_size'] == 'reference bone'
    assert document['summary']['count'] == 3
    assert len(document['error_mm']) == 3
    joints, vertices = json.loads((out / 'pred.json').read_text())
    assert np.shape(joints) == (3, 21, 3)
    assert np.shape(vertices) == (3, 778, 3)
    tips, own = [4, 8, 12, 16, 20], np.arange(21)
    own[tips] = [744, 320, 443, 555, 672]
    np.testing.assert_allclose(np.array(vertices)[:, own], joints, atol=2e-6)
    for name in ('pck.png', 'worst.png'):
        assert cv2.imread(str(out / name)) is not None


def test_freihand_without_labels_needs_no_truth_for_the_submission(freihand, weights, tmp_path):
    for key in ('xyz', 'verts'):
        (freihand / f'evaluation_{key}.json').unlink()
    pred = tmp_path / 'pred.json'
    arguments = ('--dataset', 'freihand', freihand, '--weights', weights, '--out', tmp_path)
    assert evaluate(*arguments, *('--boxes', 'image', '--submission', pred)) == 0
    assert np.shape(json.loads(pred.read_text())[0]) == (3, 21, 3)


def test_submission_of_a_part_is_refused_before_anything_is_measured(
    freihand, weights, tmp_path, capsys, monkeypatch
):
    out, pred = tmp_path / 'out', tmp_path / 'pred.json'
    arguments = ('--dataset', 'freihand', freihand, '--weights', weights, '--out', out)
    arguments += ('--boxes', 'image', '--submission', pred, '--limit')
    # As many as there are, or more, are all.
    assert evaluate(*arguments, 3) == 0
    pred.unlink()
    monkeypatch.setattr(NetworkRunner, 'estimate', lambda *_: pytest.fail('measures'))
    assert evaluate(*arguments, 2) == USER_ERROR
    assert 'the limit is 2, expected 0 (all samples): a submission is of all 3' in (
        capsys.readouterr().err
    )
    assert not pred.exists()


def test_the_submission_does_not_depend_on_the_answers(freihand, weights, tmp_path, monkeypatch):
    arguments = ('--dataset', 'freihand', freihand, '--weights', weights, '--out', tmp_path)
    found = []

    def detect(detector, rgb, most):
        """Other boxes than the dataset's, and than the whole picture."""
        found.append(HandBox(50.0, 60.0, 150.0 + rgb[0, 0, 0] / 8, 170.0))
        return found[-1:]

    monkeypatch.setattr('handmesh_model.detector.HandDetector.detect', detect)
    assert evaluate(*arguments, '--submission', tmp_path / 'with.json') == 0
    for key in ('xyz', 'verts'):
        (freihand / f'evaluation_{key}.json').unlink()
    assert evaluate(*arguments, '--submission', tmp_path / 'without.json') == 0
    assert len(found) == 6
    assert (tmp_path / 'with.json').read_text() == (tmp_path / 'without.json').read_text()


def test_alignment_is_measured_in_the_boxes_of_the_dataset(freihand, weights, tmp_path):
    (freihand / 'evaluation').rename(freihand / 'training')
    for path in freihand.glob('evaluation_*.json'):
        path.rename(freihand / path.name.replace('evaluation', 'training'))
    (freihand / 'training/mask').mkdir()
    arguments = ('--dataset', 'freihand-alignment', freihand, '--weights', weights)
    assert evaluate(*arguments, '--out', tmp_path) == 0
    assert json.loads((tmp_path / 'results.json').read_text())['boxes'] == 'reference'


@pytest.mark.parametrize('place', ['submission', 'out'])
def test_places_that_cannot_be_written_are_told_before_anything_is_measured(
    freihand, weights, tmp_path, capsys, monkeypatch, place
):
    monkeypatch.setattr(NetworkRunner, 'estimate', lambda *_: pytest.fail('measures'))
    (tmp_path / 'file').write_text('')
    places = {'out': tmp_path / 'out', 'submission': tmp_path / 'pred.json'}
    places[place] = tmp_path / 'file' / 'below'
    options = [word for name, path in places.items() for word in (f'--{name}', path)]
    arguments = ('--dataset', 'freihand', freihand, '--weights', weights, *options)
    assert evaluate(*arguments) == USER_ERROR
    assert f"cannot write '{places[place]}" in capsys.readouterr().err


def test_figures_outlive_a_submission_that_cannot_be_written(
    freihand, weights, tmp_path, capsys, monkeypatch
):
    pred = tmp_path / 'pred.json'
    pred.write_text('before')
    write = Path.write_text

    def full(path, text):
        if path.parent == out:
            return write(path, text)
        write(path, text[:99])
        raise OSError(errno.ENOSPC, 'No space left on device')

    out = tmp_path / 'out'
    monkeypatch.setattr(Path, 'write_text', full)
    arguments = ('--dataset', 'freihand', freihand, '--weights', weights, '--out', out)
    assert evaluate(*arguments, '--boxes', 'image', '--submission', pred) == USER_ERROR
    told = capsys.readouterr()
    assert 'PA-MPVPE mm' in told.out
    assert f"cannot write '{pred}': " in told.err
    assert json.loads((out / 'results.json').read_text())['summary']['count'] == 3
    assert pred.read_text() == 'before'
    assert sorted(path.name for path in tmp_path.iterdir()) == ['freihand', 'out', 'pred.json']


def test_obmans_hand_size_is_told_as_an_oracles(obman, weights, tmp_path):
    out = tmp_path / 'out'
    assert evaluate('--dataset', 'obman', obman, '--weights', weights, '--out', out) == 0
    document = json.loads((out / 'results.json').read_text())
    assert document['hand_size'] == 'oracle: true joints'


@pytest.mark.parametrize(('dataset', 'relative'), [('freihand', False), ('obman', True)])
def test_datasets_say_whether_they_are_measured_relative_to_the_wrist(
    freihand, obman, weights, tmp_path, monkeypatch, dataset, relative
):
    results = []

    def measured(*arguments):
        results.append(evaluate_records(*arguments))
        return results[-1]

    module = 'handmesh_model.evaluation.benchmark_report.evaluate_records'
    monkeypatch.setattr(module, measured)
    root = {'freihand': freihand, 'obman': obman}[dataset]
    arguments = ('--dataset', dataset, root, '--weights', weights, '--out', tmp_path)
    assert evaluate(*arguments, '--boxes', 'image') == 0
    (result,) = results
    assert (np.abs(result.joints[:, 0]).max() < 1e-9) is np.bool_(relative)
    assert (np.abs(result.true_joints[:, 0]).max() < 1e-9) is np.bool_(relative)


def test_figures_are_kept_where_nothing_can_be_plotted(
    freihand, weights, tmp_path, capsys, monkeypatch
):
    for name in ('matplotlib', 'matplotlib.backends.backend_agg', 'matplotlib.figure'):
        monkeypatch.setitem(sys.modules, name, None)
    arguments = ('--dataset', 'freihand', freihand, '--weights', weights, '--out', tmp_path)
    assert evaluate(*arguments) == USER_ERROR
    told = capsys.readouterr()
    assert "needs the package matplotlib: pip install '.[train]'" in told.err
    assert 'PA-MPVPE mm' in told.out
    assert json.loads((tmp_path / 'results.json').read_text())['summary']['count'] == 3


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('--dataset', 'obman'), 'test/meta'),
        (('--dataset', 'freihand-alignment'), 'training_K.json'),
        (('--dataset', 'egodexter'), 'Desk/annotation'),
        (('--dataset', 'obman', '--submission', 'x.json'), 'obman'),
        (('--dataset', 'real-images', '--limit', '3'), '--limit'),
        (('--dataset', 'real-images', '--boxes', 'image'), "'image'"),
        (('--dataset', 'freihand', '--limit', '-1'), '--limit is -1, expected 0'),
        (('--dataset', 'freihand', '--batch-size', '0'), '--batch-size is 0, expected at least 1'),
        (('--dataset', 'obman', '--batch-size', '-1'), '--batch-size is -1, expected at least 1'),
    ],
)
def test_mistakes_end_with_a_line(freihand, weights, tmp_path, capsys, arguments, message):
    code = evaluate(freihand, '--weights', weights, '--out', tmp_path, *arguments)
    assert code == USER_ERROR
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ('dataset', 'option', 'value'),
    [
        *(
            (dataset, option, value)
            for dataset in ('freihand', 'freihand-alignment', 'obman', 'egodexter', 'synthetic')
            for option, value in (('--backend', 'nonsense'), ('--precision', 'int8'))
        ),
        ('real-images', '--batch-size', '8'),
        ('no-hands', '--batch-size', '8'),
        ('synthetic', '--batch-size', '8'),
        ('freihand', '--side', 'left'),
    ],
)
def test_options_without_a_meaning_are_refused(
    freihand, weights, tmp_path, capsys, dataset, option, value
):
    out = tmp_path / 'out'
    arguments = ('--dataset', dataset, '--weights', weights, '--out', out, option, value)
    assert evaluate(freihand, *arguments) == USER_ERROR
    assert f"{option} does not go with {dataset}: it is '{value}'" in capsys.readouterr().err
    assert not out.exists()


def test_damaged_detector_is_named_where_it_is_needed(freihand, weights, tmp_path, capsys):
    folder, out = tmp_path / 'damaged', tmp_path / 'out'
    folder.mkdir()
    shutil.copy(weights, folder / 'mesh.safetensors')
    (folder / 'detector.safetensors').write_bytes(b'nothing')
    arguments = (freihand, '--dataset', 'freihand', '--weights', folder, '--out', out)
    assert evaluate(*arguments, '--boxes', 'reference') == 0
    capsys.readouterr()
    assert evaluate(*arguments) == USER_ERROR
    assert f"'{folder}/detector.safetensors'" in capsys.readouterr().err
    for key in ('xyz', 'verts'):
        (freihand / f'evaluation_{key}.json').unlink()
    assert evaluate(*arguments) == USER_ERROR
    assert f"'{folder}/detector.safetensors'" in capsys.readouterr().err


def test_pictures_of_an_earlier_evaluation_do_not_stay_beside_figures_without(
    freihand, weights, tmp_path
):
    out = tmp_path / 'out'
    arguments = (freihand, '--dataset', 'freihand', '--weights', weights, '--out', out)
    assert evaluate(*arguments) == 0
    assert (out / 'worst.png').is_file()
    for key in ('xyz', 'verts'):
        (freihand / f'evaluation_{key}.json').unlink()
    assert evaluate(*arguments, '--boxes', 'image') == 0
    assert [path.name for path in out.iterdir()] == ['results.json']


def test_missing_weights(freihand, tmp_path, capsys):
    code = evaluate(freihand, '--dataset', 'freihand', '--weights', tmp_path / 'none.safetensors')
    assert code == USER_ERROR
    assert 'none.safetensors' in capsys.readouterr().err
