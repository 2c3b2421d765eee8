"""Pictures without a hand: what is counted, and what is refused."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from handmesh_model.cli import USER_ERROR, main
from handmesh_model.errors import DatasetError, OutputError
from handmesh_model.evaluation.no_hands import find_false_hands, report_no_hands


@pytest.fixture
def folder(tmp_path):
    """Three pictures of 8, 16 and 24 grey levels, and a file that is none."""
    root = tmp_path / 'pictures'
    root.mkdir()
    for i in (1, 2, 3):
        cv2.imwrite(str(root / f'{i}.png'), np.full((60, 80, 3), 8 * i, np.uint8))
    (root / 'readme.txt').write_text('none of these shows a hand')
    return root


def test_hands_and_pictures_with_hands_are_counted(folder):
    hands = {8: [], 16: [SimpleNamespace(score=0.9), SimpleNamespace(score=0.6)], 24: []}
    predictor = SimpleNamespace(predict=lambda rgb: hands[int(rgb[0, 0, 0])])
    result = find_false_hands(predictor, folder)
    assert [file.name for file in result.files] == ['1.png', '2.png', '3.png']
    assert result.summary == {'pictures': 3, 'false_hands': 2, 'share': pytest.approx(1 / 3)}


def test_command_writes_what_it_found(folder, weights_folder, tmp_path, capsys):
    out = tmp_path / 'out'
    arguments = ['evaluate', folder, '--dataset', 'no-hands', '--weights', weights_folder]
    assert main([str(word) for word in [*arguments, '--out', out, '--backend', 'eager']]) == 0
    document = json.loads((out / 'results.json').read_text())
    assert document['summary']['pictures'] == 3
    assert (document['backend'], document['precision']) == ('eager', 'float32')
    assert document['weights'] == str(weights_folder)
    reported = sum(len(image['scores']) for image in document['images'])
    assert document['summary']['false_hands'] == reported
    assert (out / 'false_hands.png').exists() == (reported > 0)
    assert 'on 3 pictures without a hand' in capsys.readouterr().out


def test_place_that_cannot_be_written_is_told_before_anything_is_measured(folder):
    predictor = SimpleNamespace(predict=lambda rgb: pytest.fail('measures'))
    with pytest.raises(OutputError, match=r"cannot write '.*/1\.png/below/results\.json'"):
        report_no_hands(predictor, folder, folder / '1.png' / 'below')


def test_unreadable_pictures_are_counted_and_the_others_measured(
    folder, weights_folder, tmp_path, capsys
):
    (folder / 'broken.png').write_bytes(b'no picture')
    # What OpenCV raises at a picture that claims to have more pixels than it reads.
    (folder / 'huge.ppm').write_bytes(b'P6 40000 40000 255\n')
    (folder / 'dir.jpg').mkdir()
    out = tmp_path / 'out'
    arguments = ['evaluate', folder, '--dataset', 'no-hands', '--weights', weights_folder]
    assert main([str(word) for word in [*arguments, '--out', out, '--backend', 'eager']]) == 1
    document = json.loads((out / 'results.json').read_text())
    assert document['summary']['pictures'] == 3
    assert document['unreadable'] == ['broken.png', 'huge.ppm']
    errors = capsys.readouterr().err
    assert "broken.png' cannot be decoded" in errors
    assert "huge.ppm' cannot be read by OpenCV" in errors
    assert '2 of 5 pictures could not be used' in errors
    for i in (1, 2, 3):
        (folder / f'{i}.png').unlink()
    with pytest.raises(DatasetError, match=r'that can be read \(.*broken\.png'):
        find_false_hands(SimpleNamespace(), folder)


def test_folder_without_pictures_and_options_of_other_datasets_are_refused(
    tmp_path, weights_folder, capsys
):
    arguments = ['evaluate', str(tmp_path), '--dataset', 'no-hands']
    arguments += ['--weights', str(weights_folder), '--out', str(tmp_path / 'out')]
    assert main(arguments) == USER_ERROR
    assert 'holds no pictures' in capsys.readouterr().err
    assert main([*arguments, '--limit', '3']) == USER_ERROR
    assert '--limit does not go with no-hands' in capsys.readouterr().err
