"""The report on real photographs: what is printed, written and drawn."""

import json
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

from handmesh_model.errors import OutputError
from handmesh_model.evaluation.plots import draw_worst
from handmesh_model.evaluation.real_images import evaluate_predictor_on_real, silhouette
from handmesh_model.evaluation.real_report import report_real_images
from handmesh_model.evaluation.report import format_table


def test_missed_hands_and_wrong_places_count_as_not_found(real_folder, knowing_predictor):
    results = evaluate_predictor_on_real(knowing_predictor, real_folder)
    for result in results.values():
        assert [hand is None for hand in result.hands] == [True, False, False]
        assert result.summary['found'] == pytest.approx(2 / 3)
        assert result.summary['side'] == 1.0
    assert results['labelled'].summary['pck_05_all'] == pytest.approx(2 / 3)
    # Of the clip, the missed frame is one whose reference is not reliable.
    assert results['clip'].summary['pck_05_all'] == 1.0
    assert all(boxes is None for boxes in knowing_predictor.boxes)


def test_reference_boxes_go_to_the_predictor(real_folder, knowing_predictor):
    results = evaluate_predictor_on_real(knowing_predictor, real_folder, reference_boxes=True)
    sides = [boxes[0].side for boxes in knowing_predictor.boxes]
    assert sides == ['left'] * 3 + ['right'] * 3
    assert all(result.summary['found'] == 1.0 for result in results.values())


def test_report_files(real_folder, knowing_predictor, tmp_path, capsys):
    table = report_real_images(knowing_predictor, real_folder, tmp_path)
    printed = capsys.readouterr().out
    assert '66.7 %' in printed
    assert 'PA-MPJPE mm' in printed
    document = json.loads((tmp_path / 'results.json').read_text())
    assert document['weights'] == 'some'
    assert document['boxes'] == 'detected'
    assert (document['backend'], document['precision']) == ('knowing', 'float16')
    assert document['summary']['labelled']['found'] == pytest.approx(table['labelled']['found'])
    assert '| labelled, low ' in printed
    assert list(document['interval']) == ['labelled']
    for key, (low, high) in document['interval']['labelled'].items():
        assert low <= table['labelled'][key] + 1e-6
        assert high >= table['labelled'][key] - 1e-6
    rows = document['images']['labelled']
    assert [row['file'] for row in rows] == ['0000.jpg', '0001.jpg', '0002.jpg']
    assert rows[0]['found'] == 0
    assert rows[2]['error_2d'] > rows[1]['error_2d'] > 0
    for name in ('pck.png', 'worst_labelled.png', 'worst_clip.png'):
        picture = cv2.imread(str(tmp_path / name))
        assert picture is not None
        assert picture.std() > 1


def test_place_that_cannot_be_written_is_told_before_anything_is_measured(
    real_folder, knowing_predictor, tmp_path
):
    (tmp_path / 'file').write_text('')
    with pytest.raises(OutputError, match=r"cannot write '.*/file/below/results\.json'"):
        report_real_images(knowing_predictor, real_folder, tmp_path / 'file' / 'below')
    assert knowing_predictor.boxes == []


@pytest.mark.parametrize('labelled', [True, False])
def test_set_without_a_reliable_frame_has_no_curve(
    real_folder, knowing_predictor, joint_mesh, tmp_path, capsys, labelled
):
    root, out = tmp_path / 'real', tmp_path / 'out'
    ignored = () if labelled else ('labelled*',)
    shutil.copytree(real_folder, root, ignore=shutil.ignore_patterns(*ignored))
    path = root / 'clip_reference.npz'
    with np.load(path) as stored:
        arrays = {**stored, 'reliable': np.zeros(len(stored['files']), bool)}
    np.savez(path, **arrays)
    predictor = type(knowing_predictor)(root, joint_mesh)
    table = report_real_images(predictor, root, out)
    assert table['clip']['found'] == pytest.approx(2 / 3)
    written = ['results.json', 'pck.png', 'worst_labelled.png'] if labelled else ['results.json']
    assert sorted(path.name for path in out.iterdir()) == sorted(written)
    assert f'{out}/{", ".join(written)}\n' in capsys.readouterr().out


def test_pictures_of_an_earlier_evaluation_go_with_its_figures(
    real_folder, knowing_predictor, tmp_path
):
    for name in ('worst.png', 'false_hands.png', 'worst_clip.png', 'mine.png'):
        (tmp_path / name).write_bytes(b'old')
    report_real_images(knowing_predictor, real_folder, tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    drawn = ['pck.png', 'results.json', 'worst_clip.png', 'worst_labelled.png']
    assert names == ['mine.png', *drawn]
    assert cv2.imread(str(tmp_path / 'worst_clip.png')) is not None


def test_worst_come_first_and_unknown_ones_not_at_all(tmp_path):
    drawn = []

    def draw(i):
        drawn.append(i)
        return np.zeros((20, 30, 3), dtype=np.uint8)

    chosen = draw_worst(tmp_path / 'sheet.png', [0.1, np.nan, np.inf, 0.5], draw, count=2)
    assert chosen == drawn == [2, 3]


def test_silhouette_of_a_square():
    corners = np.array([[10.0, 5.0], [20.0, 5.0], [20.0, 12.0], [10.0, 12.0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    mask = silhouette(corners, faces, 30, 40)
    assert mask.shape == (30, 40)
    assert mask.sum() == 11 * 8
    assert mask[5:13, 10:21].all()


def test_table_leaves_blank_what_is_not_known():
    text = format_table({'a': {'count': 3.0, 'error_2d': 0.25}, 'b': {'count': 4.0, 'odd': 1.5}})
    lines = [[cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines()]
    assert lines[0] == ['', 'hands', '2D error / box', 'odd']
    assert lines[2] == ['a', '3', '0.250', '']
    assert lines[3] == ['b', '4', '', '1.500']


def test_tables_take_no_scipy():
    code = "import sys; sys.modules['scipy'] = None; import handmesh_model.evaluation.report"
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0
