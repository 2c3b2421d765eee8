"""Bags as sources: what is in them comes out; what is broken or bad in them is named."""

import struct
from dataclasses import replace

import cv2
import numpy as np
import pytest

pytest.importorskip('rosbags.rosbag2')
pytest.importorskip('sensor_msgs.msg', reason='images are decoded with sensor_msgs')

from bag_files import TYPES, camera_info, header, image, pictures, write

from handmesh_model import image_sizes
from handmesh_model.errors import ImageError
from handmesh_ros import bags
from handmesh_ros.sources import open_source

MATRIX = [[300.0, 0, 100], [0, 310, 50], [0, 0, 1]]
RGBS = [np.random.default_rng(i).integers(0, 256, (24, 32, 3), dtype=np.uint8) for i in range(5)]


def frames(source):
    return list(source.frames())


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_pictures_and_matrix_come_out_as_they_went_in(tmp_path, storage):
    path = pictures(tmp_path / 'bag', RGBS, storage, MATRIX, rate=20.0)
    suffix = {'mcap': '*.mcap', 'sqlite3': '*.db3'}[storage]
    for source in (open_source(str(path)), open_source(str(next(path.glob(suffix))))):
        assert source.count == 5
        assert source.rate == pytest.approx(20.0, rel=0.3)
        np.testing.assert_array_equal(source.intrinsics, MATRIX)
        for _ in range(2):
            read = frames(source)
            assert [frame.index for frame in read] == list(range(5))
            for frame, rgb in zip(read, RGBS, strict=True):
                np.testing.assert_array_equal(frame.rgb, rgb)


def test_compressed_pictures_are_decoded(tmp_path):
    data = cv2.imencode('.png', RGBS[0][:, :, ::-1])[1]
    message = TYPES['sensor_msgs/msg/CompressedImage'](header(0.0), 'png', data.ravel())
    path = write(tmp_path / 'bag', [('/eye/image/compressed', message)])
    np.testing.assert_array_equal(frames(open_source(str(path)))[0].rgb, RGBS[0])


def test_compressed_pictures_are_those_that_the_node_takes(tmp_path, monkeypatch):
    jpeg = cv2.imencode('.jpg', RGBS[0][:, :, ::-1])[1].tobytes()
    # EXIF of one entry, orientation 6: to be shown turned by a quarter.
    entry = struct.pack('>HHIHH', 0x0112, 3, 1, 6, 0)
    exif = b'Exif\0\0MM\0*' + struct.pack('>IH', 8, 1) + entry + bytes(4)
    turned = jpeg[:2] + b'\xff\xe1' + struct.pack('>H', 2 + len(exif)) + exif + jpeg[2:]
    kind = TYPES['sensor_msgs/msg/CompressedImage']
    messages = [kind(header(0.0), 'jpeg', np.frombuffer(d, np.uint8)) for d in (turned, jpeg)]
    path = write(tmp_path / 'bag', [('/image/compressed', message) for message in messages])
    (first, second) = frames(open_source(str(path)))
    np.testing.assert_array_equal(first.rgb, second.rgb)

    said = []
    monkeypatch.setattr(image_sizes, 'LARGEST', 24 * 32 - 1)
    assert frames(open_source(str(path), said.append)) == []
    assert 'JPEG has 32 x 24 pixels, expected 1 to 767 pixels' in said[0]


def test_rate_is_that_of_the_images_themselves(tmp_path):
    infos = [('/camera_info', camera_info(MATRIX))] * 20
    path = write(tmp_path / 'bag', [*infos, *(('/image', image(rgb)) for rgb in RGBS)], rate=30.0)
    assert open_source(str(path)).rate == pytest.approx(30.0)


def test_a_bag_of_two_cameras_asks_which(tmp_path):
    path = write(tmp_path / 'bag', [('/left', image(RGBS[0])), ('/right', image(RGBS[1]))])
    with pytest.raises(ImageError, match='2 image topics, expected one or a name: /left, /right'):
        open_source(str(path))
    np.testing.assert_array_equal(frames(open_source(str(path), topic='/right'))[0].rgb, RGBS[1])
    with pytest.raises(ImageError, match="no image topic '/middle', it has /left, /right"):
        open_source(str(path), topic='/middle')


def test_a_bag_without_images_is_named(tmp_path):
    path = write(tmp_path / 'bag', [('/camera_info', camera_info(MATRIX))])
    with pytest.raises(ImageError, match='has 0 image topics'):
        open_source(str(path))


def test_a_distorted_camera_gives_no_matrix(tmp_path):
    info = camera_info(MATRIX, distortion=[0.1, 0, 0, 0, 0])
    path = write(tmp_path / 'bag', [('/camera_info', info), ('/image', image(RGBS[0]))])
    assert open_source(str(path)).intrinsics is None


@pytest.mark.parametrize(
    ('model', 'lens'), [('plumb_bob', [0.1, 0.02, 0, 0, 0]), ('equidistant', [0.1, 0, 0.01, 0])]
)
def test_a_distorted_camera_is_told_whole(tmp_path, model, lens):
    turn = cv2.Rodrigues(np.array([0.01, 0.02, 0.03]))[0]
    projection = [[280, 0, 90, -56], [0, 290, 45, 0], [0, 0, 1, 0]]
    info = replace(
        camera_info(MATRIX, distortion=lens, size=(64, 48), binning=2, offset=(20, 10)),
        distortion_model=model,
        r=turn.ravel(),
        p=np.array(projection, float).ravel(),
    )
    said = []
    path = write(tmp_path / 'bag', [('/camera_info', info), ('/image', image(RGBS[0]))])
    camera = open_source(str(path), said.append).camera
    np.testing.assert_allclose(camera.intrinsics, [[150, 0, 40], [0, 155, 20], [0, 0, 1]])
    np.testing.assert_array_equal(camera.distortion, lens)
    assert (camera.distortion_model, camera.size) == (model, (32, 24))
    np.testing.assert_allclose(camera.rectification, turn)
    expected = [[140, 0, 35, -28], [0, 145, 17.5, 0], [0, 0, 1, 0]]
    np.testing.assert_allclose(camera.projection, expected)
    assert not said


def test_rectified_images_have_the_camera_of_p_without_distortion(tmp_path):
    projection = np.array([[280, 0, 90, -56], [0, 290, 45, 0], [0, 0, 1, 0]], float)
    info = replace(
        camera_info(MATRIX, distortion=[0.1, 0.02, 0, 0, 0], size=(32, 24)),
        r=cv2.Rodrigues(np.array([0.01, 0.02, 0.03]))[0].ravel(),
        p=projection.ravel(),
    )
    messages = [('/eye/camera_info', info)]
    messages += [(f'/eye/{name}', image(RGBS[0])) for name in ('image_raw', 'image_rect_color')]
    path = write(tmp_path / 'bag', messages)
    said = []
    camera = open_source(str(path), said.append, '/eye/image_rect_color').camera
    np.testing.assert_array_equal(camera.intrinsics, projection[:, :3])
    np.testing.assert_array_equal(camera.projection, projection)
    np.testing.assert_array_equal(camera.rectification, np.eye(3))
    assert not camera.is_distorted
    (line,) = said
    assert "'/eye/image_rect_color'" in line
    assert 'sound rectified' in line
    raw = open_source(str(path), said.append, '/eye/image_raw').camera
    np.testing.assert_array_equal(raw.intrinsics, MATRIX)
    assert raw.is_distorted
    assert len(said) == 1


def bag_of_frame(tmp_path, frame):
    """A bag whose images are of a frame, its camera_info of 'eye'."""
    other = replace(image(RGBS[0]), header=replace(header(0.0), frame_id=frame))
    info = camera_info(MATRIX)
    return write(tmp_path / 'bag', [('/depth/camera_info', info), ('/color/image', other)])


def test_a_slash_before_a_frame_makes_no_other_one(tmp_path):
    said = []
    assert open_source(str(bag_of_frame(tmp_path, '/eye')), said.append).camera is not None
    assert not said


def test_a_camera_info_of_another_frame_is_doubted(tmp_path):
    path = bag_of_frame(tmp_path, 'colour_eye')
    said = []
    assert open_source(str(path), said.append).camera is not None
    (line,) = said
    assert "on '/depth/camera_info' of bag" in line
    assert "is in frame 'eye', the images on '/color/image' in 'colour_eye'" in line


@pytest.mark.parametrize(
    ('changes', 'reason'),
    [
        ({'d': np.full(3, 0.1)}, '3 distortion coefficients'),
        ({'k': np.zeros(9)}, 'not calibrated'),
    ],
)
def test_a_camera_info_that_cannot_be_used_is_named(tmp_path, changes, reason):
    info = replace(camera_info(MATRIX), **changes)
    said = []
    path = write(tmp_path / 'bag', [('/camera_info', info), ('/image', image(RGBS[0]))])
    assert open_source(str(path), said.append).camera is None
    (line,) = said
    assert reason in line


def test_region_and_binning_are_taken_off_the_matrix(tmp_path):
    info = camera_info(MATRIX, size=(64, 48), binning=2, offset=(20, 10))
    path = write(tmp_path / 'bag', [('/camera_info', info), ('/image', image(RGBS[0]))])
    expected = [[150, 0, 40], [0, 155, 20], [0, 0, 1]]
    np.testing.assert_allclose(open_source(str(path)).intrinsics, expected)


def test_matrix_of_images_of_another_size_is_not_taken(tmp_path):
    info = camera_info(MATRIX, size=(64, 48))
    unreadable = image(RGBS[0], encoding='no such')
    messages = [('/camera_info', info), ('/image', unreadable), ('/image', image(RGBS[0]))]
    said = []
    assert open_source(str(write(tmp_path / 'bag', messages)), said.append).intrinsics is None
    assert 'describes images of 64 x 48 pixels, the image has 32 x 24' in said[0]


@pytest.mark.parametrize(
    'changes',
    [
        {'height': 4_000_000_000},
        {'step': 1},
        {'encoding': 'no such'},
        {'data': np.zeros(7, np.uint8)},
    ],
)
def test_an_image_that_lies_is_left_out_and_the_others_are_played(tmp_path, changes):
    messages = [('/image', image(RGBS[0], **changes)), ('/image', image(RGBS[1]))]
    said = []
    source = open_source(str(write(tmp_path / 'bag', messages)), said.append)
    (frame,) = frames(source)
    np.testing.assert_array_equal(frame.rgb, RGBS[1])
    assert frame.index == 1
    assert "image 0 of '/image'" in said[0]


def test_bytes_that_are_no_message_are_left_out(tmp_path):
    kind = 'sensor_msgs/msg/Image'
    rubbish = [b'', b'\x00\x01\x00\x00', b'\x00\x01\x00\x00' + b'\xff' * 60]
    messages = [('/image', data, kind) for data in rubbish]
    said = []
    source = open_source(str(write(tmp_path / 'bag', messages)), said.append)
    assert frames(source) == []
    assert len(said) == 3


def test_a_message_beyond_the_limit_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(bags, 'MAX_MESSAGE', 100)
    said = []
    assert frames(open_source(str(pictures(tmp_path / 'bag', RGBS[:1])), said.append)) == []
    assert 'at most 100 are read' in said[0]


@pytest.mark.parametrize('keep', [0, 4, 30, 200, -1, -40])
def test_a_file_that_is_cut_off_is_named(tmp_path, keep):
    path = next(pictures(tmp_path / 'bag', RGBS).glob('*.mcap'))
    data = path.read_bytes()
    path.write_bytes(data[:keep])
    with pytest.raises(ImageError, match=r'bag.*mcap'):
        frames(open_source(str(path)))


def test_bytes_changed_at_random_never_do_more_than_raise(tmp_path):
    path = next(pictures(tmp_path / 'bag', RGBS[:2]).glob('*.mcap'))
    data = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        broken = data.copy()
        places = rng.integers(len(data), size=4)
        # Away from the pictures themselves, in which every value is good.
        places[:2] = rng.integers(1, 400, size=2) * [-1, 1]
        broken[places] = rng.integers(0, 256, 4)
        path.write_bytes(broken.tobytes())
        try:
            read = frames(open_source(str(path), lambda text: None))
        except ImageError:
            refused += 1
            continue
        for frame in read:
            assert frame.rgb.dtype == np.uint8
            assert frame.rgb.shape[2:] == (3,)
    assert 0 < refused < 60
