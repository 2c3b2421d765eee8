"""EgoDexter: annotated frames alone, in the colour camera's frame."""

import numpy as np
import pytest

from handmesh_model.datasets.egodexter import COLOR_FROM_DEPTH, read_egodexter, read_tips
from handmesh_model.errors import DatasetError


def test_frames_without_annotation_are_left_out(egodexter):
    records = read_egodexter(egodexter)
    assert len(records) == 8
    assert [r.path.name for r in records[:2]] == ['image_00000_color.png', 'image_00002_color.png']
    assert {r.sequence for r in records} == {'Desk', 'Fruits', 'Kitchen', 'Rotunda'}
    assert records[1].load().mean() == 120
    assert records[1].name == 'Desk/image_00002_color'
    assert len({r.name for r in records}) == 8
    assert {r.side for r in records} == {'left'}
    assert len(read_egodexter(egodexter / 'data', ('Desk',))) == 2


def test_tips_are_moved_into_the_colour_camera(egodexter):
    tips = read_tips(egodexter / 'data/Desk/annotation.txt_3D.txt')
    assert tips.shape == (3, 5, 3)
    assert np.isnan(tips[1]).all()
    assert np.isnan(tips[2, 3]).all()
    assert np.isfinite(tips[2, [0, 1, 2, 4]]).all()
    depth = np.random.default_rng(0).normal(size=(3, 5, 3)) * 30 + [0, 0, 450]
    expected = np.append(depth[0, 1] / 1000, 1) @ COLOR_FROM_DEPTH.T
    np.testing.assert_allclose(tips[0, 1], expected, atol=1e-6)


def test_box_holds_a_hand(egodexter):
    box = read_egodexter(egodexter)[0].box
    assert box.side == 'left'
    assert box.width == box.height > 200


def test_broken_folders(egodexter):
    path = egodexter / 'data/Fruits/annotation.txt_3D.txt'
    good = path.read_text()
    path.write_text(good + '1, 2, 3;\n')
    with pytest.raises(DatasetError, match='line 4 has 3 numbers, expected 15'):
        read_egodexter(egodexter)
    path.write_text(good.replace('.', 'x', 1))
    with pytest.raises(DatasetError, match='line 1'):
        read_egodexter(egodexter)
    path.unlink()
    with pytest.raises(DatasetError, match='Fruits/annotation'):
        read_egodexter(egodexter)


@pytest.mark.parametrize('line', [0, 1, 2])
@pytest.mark.parametrize('blank', ['', '  ', ';'])
def test_an_empty_line_is_no_frame_to_skip(egodexter, line, blank):
    """Pictures are numbered by row: the tips after it would be of other pictures."""
    path = egodexter / 'data/Desk/annotation.txt_3D.txt'
    lines = path.read_text().splitlines()
    lines.insert(line, blank)
    path.write_text('\n'.join(lines) + '\n')
    with pytest.raises(DatasetError, match=f'line {line + 1} has 0 numbers, expected 15'):
        read_egodexter(egodexter)


def test_empty_lines_at_the_end_are_none(egodexter):
    path = egodexter / 'data/Desk/annotation.txt_3D.txt'
    path.write_text(path.read_text() + '\n  \r\n\n')
    assert read_tips(path).shape == (3, 5, 3)
    path.write_text('\n')
    assert read_tips(path).shape == (0, 5, 3)


def test_missing_picture_is_named(egodexter):
    (egodexter / 'data/Kitchen/color/image_00002_color.png').unlink()
    with pytest.raises(DatasetError, match=r'Kitchen/color/image_00002_color\.png'):
        read_egodexter(egodexter)
