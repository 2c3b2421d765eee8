import json
import os
import struct

import cv2
import numpy as np
import pytest

from handmesh_model import image_sizes
from handmesh_model.errors import ConfigError, ImageError
from handmesh_ros.sources import assumed_intrinsics, open_source, read_camera

K = [[500.0, 0.0, 31.5], [0.0, 500.0, 23.5], [0.0, 0.0, 1.0]]


def picture(value, height=48, width=64):
    rgb = np.full((height, width, 3), 40, dtype=np.uint8)
    rgb[:, :, 0] = value
    return rgb


@pytest.fixture
def folder(tmp_path):
    for i in (0, 2, 10):
        cv2.imwrite(str(tmp_path / f'frame{i}.png'), picture(i * 10)[:, :, ::-1])
    (tmp_path / 'notes.txt').write_text('not a picture')
    return tmp_path


@pytest.fixture
def video(tmp_path):
    path = tmp_path / 'clip.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 12.0, (64, 48))
    for i in range(5):
        writer.write(picture(i * 40)[:, :, ::-1])
    writer.release()
    return path


def test_folder_plays_images_in_natural_order_as_rgb(folder):
    source = open_source(str(folder))
    frames = list(source.frames())
    assert [f.name for f in frames] == ['frame0.png', 'frame2.png', 'frame10.png']
    assert [f.index for f in frames] == [0, 1, 2]
    np.testing.assert_array_equal(frames[2].rgb, picture(100))
    assert source.count == 3
    assert source.intrinsics is None
    assert len(list(source.frames())) == 3


def test_unreadable_image_is_named_and_left_out(folder):
    (folder / 'frame3.png').write_bytes(b'no png at all')
    said = []
    frames = list(open_source(str(folder), said.append).frames())
    assert [f.index for f in frames] == [0, 1, 3]
    assert len(said) == 1
    assert 'frame3.png' in said[0]


def test_names_that_are_not_utf8_can_be_logged_and_are_no_videos(folder, video):
    name, bad = os.fsdecode(b'frame2\xff.png'), os.fsdecode(b'frame3\xff.png')
    try:
        (folder / 'frame2.png').rename(folder / name)
    except OSError:
        pytest.skip('the file system has UTF-8 names only')
    (folder / bad).write_bytes(b'no png at all')
    said = []
    frames = list(open_source(str(folder), said.append).frames())
    assert [f.name for f in frames] == ['frame0.png', r'frame2\udcff.png', 'frame10.png']
    assert r'frame3\udcff.png' in said[0]
    moved = video.rename(folder / os.fsdecode(b'clip\xff.mp4'))
    with pytest.raises(ImageError, match=r"/clip\\udcff\.mp4' is not UTF-8, expected one"):
        open_source(str(moved))


def test_folder_brings_its_camera_matrix(folder):
    (folder / 'intrinsics.json').write_text(json.dumps({'intrinsics': K}))
    np.testing.assert_array_equal(open_source(str(folder)).intrinsics, K)


def test_pictures_of_a_camera_come_as_they_are_stored(tmp_path):
    """As the node takes them out of messages: the matrix belongs to the pixels."""
    exif = b'Exif\0\0MM\0*' + struct.pack('>IHHHIHHI', 8, 1, 0x0112, 3, 1, 6, 0, 0)
    jpeg = cv2.imencode('.jpg', picture(7))[1].tobytes()
    turned = jpeg[:2] + b'\xff\xe1' + struct.pack('>H', 2 + len(exif)) + exif + jpeg[2:]
    (tmp_path / 'a.jpg').write_bytes(turned)
    (frame,) = open_source(str(tmp_path)).frames()
    assert frame.rgb.shape == (64, 48, 3)
    for path in (tmp_path, tmp_path / 'a.jpg'):
        (frame,) = open_source(str(path), has_camera=True).frames()
        assert frame.rgb.shape == (48, 64, 3)
    (tmp_path / 'intrinsics.json').write_text(json.dumps({'intrinsics': K}))
    (frame,) = open_source(str(tmp_path)).frames()
    assert frame.rgb.shape == (48, 64, 3)


def test_a_huge_picture_is_left_out(folder, monkeypatch):
    cv2.imwrite(str(folder / 'huge.png'), picture(0, 49, 64))
    monkeypatch.setattr(image_sizes, 'LARGEST', 48 * 64)
    said = []
    frames = list(open_source(str(folder), said.append).frames())
    assert [f.name for f in frames] == ['frame0.png', 'frame2.png', 'frame10.png']
    assert 'huge.png' in said[0]


def test_single_image_is_a_source(folder):
    (frame,) = open_source(str(folder / 'frame2.png')).frames()
    np.testing.assert_array_equal(frame.rgb, picture(20))


def test_video_plays_with_its_rate_and_matrix(video):
    video.with_suffix('.json').write_text(json.dumps({'intrinsics': K}))
    source = open_source(str(video))
    frames = list(source.frames())
    assert [f.index for f in frames] == [0, 1, 2, 3, 4]
    assert source.count == 5
    assert source.rate == pytest.approx(12.0)
    np.testing.assert_array_equal(source.intrinsics, K)
    assert abs(int(frames[3].rgb[24, 32, 0]) - 120) < 12


@pytest.mark.parametrize(('told', 'rate'), [(1000, 240.0), (240.02, 240.0), (0.05, 0.1), (7, 7.0)])
def test_rates_are_those_that_can_be_played(video, told, rate):
    video.with_suffix('.json').write_text(json.dumps({'rate': told}))
    said = []
    source = open_source(str(video), said.append)
    assert source.rate == rate
    # What the user asks for is played, whatever the source has.
    assert source.played_rate(12.0, said.append) == 12.0
    assert not said
    assert source.played_rate(0.0, said.append) == rate
    expected = f'{video} has {told:g} images a second, {rate:g} are played'
    assert said == ([] if told == rate else [expected])


@pytest.mark.parametrize('rate', ['30 fps', [30, 1], -5, 0, True, float('nan'), float('inf')])
def test_a_rate_that_is_none_is_named(video, rate):
    video.with_suffix('.json').write_text(json.dumps({'rate': rate}))
    with pytest.raises(ConfigError, match=r"clip\.json' has rate .* images a second, above 0"):
        open_source(str(video))


def test_a_camera_may_be_named_by_its_device(monkeypatch, tmp_path):
    class Capture:
        def __init__(self, number):
            assert number == 97

        def isOpened(self):
            return True

        def grab(self):
            return True

        def get(self, _):
            return 1000.0

        def release(self):
            pass

    monkeypatch.setattr(cv2, 'VideoCapture', Capture)
    link = tmp_path / 'usb-camera'
    link.symlink_to('/dev/video97')
    for text in ('/dev/video97', str(link)):
        source = open_source(text)
        assert (source.name, source.is_live, source.rate) == ('camera 97', True, 240.0)


def test_a_source_is_played_once_or_until_it_gives_nothing(folder):
    source = open_source(str(folder))
    assert len(list(source.play(forever=False))) == 3
    pictures = source.play(forever=True)
    assert [next(pictures).index for _ in range(7)] == [0, 1, 2, 0, 1, 2, 0]
    for file in folder.glob('*.png'):
        file.unlink()
    with pytest.raises(ImageError, match='gives no pictures any more'):
        list(pictures)


@pytest.mark.parametrize('kind', ['missing', 'empty folder', 'no video', 'no image', 'camera'])
def test_what_cannot_be_played_is_named(tmp_path, kind):
    text = {
        'missing': tmp_path / 'nowhere',
        'empty folder': tmp_path,
        'no video': tmp_path / 'text.mp4',
        'no image': tmp_path / 'text.png',
        'camera': 97,
    }[kind]
    if kind.startswith('no '):
        text.write_bytes(b'only text')
    with pytest.raises(ImageError, match=str(text)):
        open_source(str(text))


def test_matrix_from_calibration_yaml(tmp_path):
    file = tmp_path / 'camera.yaml'
    flat = ', '.join(str(x) for row in K for x in row)
    file.write_text(f'camera_matrix:\n  rows: 3\n  cols: 3\n  data: [{flat}]\n')
    np.testing.assert_array_equal(read_camera(file).intrinsics, K)


@pytest.mark.parametrize(
    'text', ['{"intrinsics": [[1, 2], [3, 4]]}', '{"other": 1}', ': [', '{"intrinsics": "x"}']
)
def test_file_without_matrix_is_named(tmp_path, text):
    file = tmp_path / 'camera.json'
    file.write_text(text)
    with pytest.raises(ConfigError, match=r'camera\.json'):
        read_camera(file)


def test_a_huge_file_is_no_camera(tmp_path):
    file = tmp_path / 'camera.yaml'
    file.write_text('#' * ((1 << 20) + 1))
    with pytest.raises(ConfigError, match=r"intrinsics file '.*camera\.yaml' has more than"):
        read_camera(file)


def test_assumed_camera_sees_the_angle_it_should():
    matrix = assumed_intrinsics(640, 480, 90.0)
    left, right = (-0.5 - matrix[0, 2]) / matrix[0, 0], (639.5 - matrix[0, 2]) / matrix[0, 0]
    assert left == pytest.approx(-1)
    assert right == pytest.approx(1)
    assert matrix[0, 0] == matrix[1, 1]
