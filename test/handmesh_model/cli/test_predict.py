"""``handmesh predict`` on files, good and bad."""

import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from handmesh_model.cli import INTERRUPTED, USER_ERROR, main
from handmesh_model.errors import ImageError
from handmesh_model.hand import SIDES, Hand
from handmesh_model.image_files import image_files, read_image
from handmesh_model.predictor import HandMeshPredictor


def test_overlay_mesh_and_numbers_are_written(
    pictures: Path, weights_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / 'out'
    files = [str(pictures / 'a.png'), str(pictures / 'more')]
    arguments = ['--out', str(out), '--weights', str(weights_folder), '--backend', 'eager']
    assert main(['predict', *files, *arguments, '--intrinsics', '200', '200', '60', '50']) == 0
    assert cv2.imread(str(out / 'a_overlay.png')).shape == (100, 120, 3)
    assert (out / 'a_2_overlay.png').is_file()
    result = json.loads((out / 'hands.json').read_text())
    (hand,) = result['images'][str(pictures / 'a.png')]['hands']
    assert np.shape(hand['joints_camera']) == (21, 3)
    assert hand['scale_source'] == 'mean'
    assert len(result['joint_names']) == 21
    lines = (out / f'a_{hand["side"]}_0.obj').read_text().splitlines()
    vertices = [line for line in lines if line.startswith('v ')]
    faces = np.array([line.split()[1:] for line in lines if line.startswith('f ')], int)
    assert len(vertices) == 61
    assert faces.min() == 1
    assert faces.max() <= 61


def test_unreadable_files_are_named_and_the_others_still_done(
    pictures: Path, weights_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / 'broken.png'
    broken.write_bytes(b'no picture')
    (tmp_path / 'empty.png').touch()
    files = [str(broken), str(tmp_path / 'empty.png'), str(tmp_path / 'absent.png')]
    out = tmp_path / 'out'
    arguments = ['--out', str(out), '--weights', str(weights_folder), '--backend', 'eager']
    assert main(['predict', *files, str(pictures / 'a.png'), *arguments]) == 1
    errors = capsys.readouterr().err
    for name in ('broken.png', 'empty.png', 'absent.png', '3 of 4'):
        assert name in errors
    result = json.loads((out / 'hands.json').read_text())['images']
    assert 'error' in result[str(broken)]
    assert result[str(pictures / 'a.png')]['hands']
    assert (out / 'a_overlay.png').is_file()


def test_an_interruption_leaves_the_numbers_found_so_far(
    pictures: Path, weights_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = HandMeshPredictor.predict

    def interrupted(predictor: HandMeshPredictor, rgb: np.ndarray, *more: object) -> list[Hand]:
        if rgb.shape[0] < 100:
            raise KeyboardInterrupt
        return found(predictor, rgb, *more)

    monkeypatch.setattr(HandMeshPredictor, 'predict', interrupted)
    cv2.imwrite(str(pictures / 'b.png'), np.zeros((80, 80, 3), np.uint8))
    out = tmp_path / 'out'
    arguments = ['--out', str(out), '--weights', str(weights_folder), '--backend', 'eager']
    assert main(['predict', str(pictures), *arguments]) == INTERRUPTED
    images = json.loads((out / 'hands.json').read_text())['images']
    assert list(images) == [str(pictures / 'a.png')]
    assert (out / 'a_overlay.png').is_file()


def test_a_picture_given_twice_is_one(
    pictures: Path, weights_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'out'
    arguments = ['--out', str(out), '--weights', str(weights_folder), '--backend', 'eager']
    assert main(['predict', str(pictures), str(pictures / 'a.png'), *arguments]) == 0
    images = json.loads((out / 'hands.json').read_text())['images']
    assert {entry['name'] for entry in images.values()} == {'a'}
    assert [path.name for path in out.glob('*_overlay.png')] == ['a_overlay.png']
    assert capsys.readouterr().out.count('a.png: ') == 1


def test_names_that_are_not_utf8_are_worked_on(
    pictures: Path, weights_folder: Path, tmp_path: Path
) -> None:
    """In a process of its own: OpenCV crashes on such a name, and the output is strict."""
    name, out = os.fsdecode(b'a\xff.png'), tmp_path / os.fsdecode(b'out\xff')
    try:
        (pictures / name).write_bytes((pictures / 'a.png').read_bytes())
    except OSError:
        pytest.skip('the file system has UTF-8 names only')
    (pictures / '手.png').write_bytes((pictures / 'a.png').read_bytes())
    files = [str(pictures / file) for file in (name, '手.png', 'a.png')]
    command = [sys.executable, '-m', 'handmesh_model.cli', 'predict', *files, '--out', str(out)]
    ended = subprocess.run(
        [*command, '--weights', str(weights_folder), '--backend', 'eager'],
        env=os.environ | {'PYTHONIOENCODING': 'latin-1:strict'},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert list(json.loads((out / 'hands.json').read_text())['images']) == files
    shown = [line.partition(b': ')[0].rpartition(b'/')[2] for line in ended.stdout.splitlines()]
    assert shown == [b'a\\udcff.png', b'\\u624b.png', b'a.png']
    assert (out / os.fsdecode(b'a\xff_overlay.png')).is_file()


def test_results_do_not_go_among_the_pictures(
    pictures: Path, weights_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = pictures / 'more' / '..'
    arguments = ['--out', str(out), '--weights', str(weights_folder)]
    assert main(['predict', str(pictures), *arguments]) == USER_ERROR
    assert f"--out is '{out}', where the pictures are" in capsys.readouterr().err
    assert not (pictures / 'hands.json').exists()


@pytest.fixture
def beside(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, with a picture and one that has the name of its overlay."""
    folder = tmp_path / 'beside'
    folder.mkdir()
    for name in ('a.png', 'a_overlay.png'):
        (folder / name).write_bytes((pictures / 'a.png').read_bytes())
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ('images', 'out', 'link'),
    [
        (['a.png', 'a_overlay.png'], '.', None),
        (['a_overlay.png', 'a.png'], '../beside', None),
        (['a.png', 'link.png'], '.', ('link.png', 'a_overlay.png')),
        (['a.png'], 'out', ('out/a_overlay.png', '../a.png')),
        (['a.png', 'a_overlay.png'], 'out', ('out', '.')),
        (['a.png'], 'out', ('out/A_Overlay.png', '../a.png')),
        (['a.png'], 'out', ('out/a_left_1.obj', '../a.png')),
        (['a.png'], 'out', ('out/hands.json', '../a.png')),
    ],
)
def test_no_result_replaces_a_picture(
    beside: Path,
    capsys: pytest.CaptureFixture[str],
    images: list[str],
    out: str,
    link: tuple[str, str] | None,
) -> None:
    if link is not None:
        place = beside / link[0]
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(link[1])
    before = {path: path.read_bytes() for path in sorted(beside.rglob('*')) if path.is_file()}
    # Weights that are nowhere: it is said before they are looked for.
    assert main(['predict', *images, '--out', out, '--weights', 'nowhere']) == USER_ERROR
    told = capsys.readouterr().err
    assert f"--out is '{out}', where the picture '" in told
    assert 'would be replaced; expected another folder' in told
    after = {path: path.read_bytes() for path in sorted(beside.rglob('*')) if path.is_file()}
    assert after == before


def test_results_may_lie_beside_pictures_and_replace_former_results(
    beside: Path, weights_folder: Path
) -> None:
    arguments = ['--out', '.', '--weights', str(weights_folder), '--backend', 'eager']
    content = (beside / 'a.png').read_bytes()
    for _ in range(2):
        assert main(['predict', 'a.png', 'absent.png', *arguments]) == 1
    assert (beside / 'a.png').read_bytes() == content
    assert (beside / 'a_overlay.png').read_bytes() != content
    # The names of its own results would be others.
    assert main(['predict', 'a_overlay.png', *arguments]) == 0


def test_a_folder_named_like_a_picture_is_none(tmp_path: Path) -> None:
    (tmp_path / 'dir.jpg').mkdir()
    (tmp_path / 'a.JPG').touch()
    assert image_files(tmp_path) == [tmp_path / 'a.JPG']


def test_a_folder_without_pictures_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'empty').mkdir()
    out = tmp_path / 'out'
    assert main(['predict', str(tmp_path / 'empty'), '--out', str(out)]) == USER_ERROR
    assert "empty' holds no pictures, expected files in .bmp" in capsys.readouterr().err
    assert not out.exists()


def test_a_hand_size_goes_with_a_camera(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ['--out', str(tmp_path), '--hand-size', '0.09']
    assert main(['predict', 'x.png', *arguments]) == USER_ERROR
    assert '--hand-size is 0.09 without --intrinsics' in capsys.readouterr().err


def test_a_picture_that_claims_to_be_huge_is_refused(tmp_path: Path) -> None:
    """OpenCV would read up to 2^30 pixels, thus take 3 GB."""
    chunks = [(b'IHDR', struct.pack('>IIBBBBB', 8_193, 8_192, 8, 2, 0, 0, 0)), (b'IDAT', b'')]
    content = b''.join(
        struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
        for name, data in chunks
    )
    path = tmp_path / 'huge.png'
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + content)
    with pytest.raises(ImageError, match=r"huge\.png' has 8193 x 8192 pixels"):
        read_image(path)


def turned(path: Path) -> Path:
    """A JPEG of 120 x 100 pixels that asks to be shown turned by a quarter."""
    exif = b'Exif\0\0MM\0*' + struct.pack('>IHHHIHHI', 8, 1, 0x0112, 3, 1, 6, 0, 0)
    jpeg = cv2.imencode('.jpg', np.zeros((100, 120, 3), np.uint8))[1].tobytes()
    size = struct.pack('>H', 2 + len(exif))
    path.write_bytes(jpeg[:2] + b'\xff\xe1' + size + exif + jpeg[2:])
    return path


def test_pictures_are_upright_unless_there_is_a_camera_matrix(
    pictures: Path, weights_folder: Path, tmp_path: Path
) -> None:
    picture, out = turned(pictures / 'phone.jpg'), tmp_path / 'out'
    arguments = ['--out', str(out), '--weights', str(weights_folder), '--backend', 'eager']
    for more, shape in (
        ([], (120, 100, 3)),
        (['--intrinsics', '200', '200', '60', '50'], (100, 120, 3)),
    ):
        assert main(['predict', str(picture), *arguments, *more]) == 0
        assert cv2.imread(str(out / 'phone_overlay.png')).shape == shape


def test_results_of_an_earlier_run_go(
    pictures: Path, weights_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / 'out'
    arguments = ['--out', str(out), '--weights', str(weights_folder), '--backend', 'eager']
    assert main(['predict', str(pictures), str(pictures / 'more'), *arguments]) == 0
    others = [out / 'b_left_0.obj', out / 'a_notes.obj']
    for path in others:
        path.write_text('of another picture')
    monkeypatch.setattr(HandMeshPredictor, 'detect', lambda self, rgb: [])
    assert main(['predict', str(pictures), *arguments]) == 0
    kept = {'a_overlay.png', 'hands.json', *(path.name for path in others)}
    assert {p.name for p in out.iterdir() if not p.name.startswith('a_2_')} == kept
    assert len(list(out.glob('a_2_*'))) == 2, 'a picture that this run does not have'
    (pictures / 'a.png').write_bytes(b'no picture any more')
    assert main(['predict', str(pictures), *arguments]) == 1
    assert not (out / 'a_overlay.png').exists()


def test_a_mesh_that_cannot_be_written_costs_only_its_picture(
    pictures: Path, weights_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / 'out'
    for side in SIDES:
        (out / f'a_{side}_0.obj').mkdir(parents=True)
    arguments = ['--out', str(out), '--weights', str(weights_folder), '--backend', 'eager']
    assert main(['predict', str(pictures), str(pictures / 'more'), *arguments]) == 1
    images = json.loads((out / 'hands.json').read_text())['images']
    assert 'cannot write' in images[str(pictures / 'a.png')]['error']
    assert images[str(pictures / 'more' / 'a.jpg')]['hands']
