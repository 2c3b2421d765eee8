import cv2
import numpy as np
import pytest

pytest.importorskip('sensor_msgs')

from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from handmesh_model.errors import ImageError
from handmesh_ros.images import (
    Canvas,
    image_to_rgb,
    pixels_to_draw_into,
    rgb_to_image,
    set_bytes,
)

RNG = np.random.default_rng(3)
RGB = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)


def message(pixels, encoding, step=None, padding=0, big_endian=False):
    """An image message of an array whose first axis is rows."""
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(pixels.shape[0], -1)
    rows = np.pad(rows, ((0, 0), (0, padding)))
    image = Image(height=pixels.shape[0], width=pixels.shape[1], encoding=encoding)
    image.step = rows.shape[1] if step is None else step
    image.is_bigendian = big_endian
    set_bytes(image, rows)
    return image


def test_there_and_back_keeps_pixels_and_header():
    header = Header(frame_id='camera')
    header.stamp.sec = 7
    image = rgb_to_image(RGB, header)
    assert (image.height, image.width, image.step, image.encoding) == (6, 8, 24, 'rgb8')
    assert image.header == header
    np.testing.assert_array_equal(image_to_rgb(image), RGB)


def test_canvas_is_a_message_to_draw_into_and_leaves_pictures_alone():
    canvas = Canvas()
    for number, picture in enumerate((RGB, RGB[::-1], RGB[:, :5], RGB)):
        header = Header(frame_id='camera')
        header.stamp.sec = number
        image, pixels = canvas.lay(picture, header)
        assert image == rgb_to_image(picture, header)
        expected = picture.copy()
        for drawn in (pixels, expected):
            cv2.circle(drawn, (2, 3), 2, (255, 0, 9), -1)
        assert image == rgb_to_image(expected, header)
        assert (picture != expected).any()


def test_rgb8_is_not_copied():
    image = rgb_to_image(RGB, Header())
    view = image_to_rgb(image)
    assert np.shares_memory(view, np.frombuffer(image.data, dtype=np.uint8))


def test_the_pixels_of_a_message_can_be_drawn_into():
    image = rgb_to_image(RGB, Header())
    pixels = pixels_to_draw_into(image, image_to_rgb(image))
    cv2.circle(pixels, (2, 3), 2, (255, 0, 9), -1)
    expected = RGB.copy()
    cv2.circle(expected, (2, 3), 2, (255, 0, 9), -1)
    assert image == rgb_to_image(expected, Header())


def test_pixels_that_are_not_the_messages_own_are_left_alone():
    image = rgb_to_image(RGB, Header())
    other, read_only = RGB.copy(), image_to_rgb(image)
    read_only.flags.writeable = False
    assert pixels_to_draw_into(None, other) is None
    assert pixels_to_draw_into(CompressedImage(), other) is None
    assert pixels_to_draw_into(image, other) is None
    assert pixels_to_draw_into(image, read_only) is None
    image.encoding = 'bgr8'
    assert pixels_to_draw_into(image, image_to_rgb(image)) is None


ALPHA = np.dstack([RGB, np.full((6, 8), 9, np.uint8)])


@pytest.mark.parametrize(
    ('encoding', 'pixels'),
    [
        ('rgb8', RGB),
        ('bgr8', RGB[:, :, ::-1]),
        ('rgba8', ALPHA),
        ('bgra8', ALPHA[:, :, [2, 1, 0, 3]]),
        ('8UC3', RGB[:, :, ::-1]),
        ('rgb16', RGB.astype(np.uint16) * 256 + 17),
        ('bgr16', RGB[:, :, ::-1].astype(np.uint16) * 256),
    ],
)
@pytest.mark.parametrize('padding', [0, 4])
def test_color_encodings(encoding, pixels, padding):
    np.testing.assert_array_equal(image_to_rgb(message(pixels, encoding, padding=padding)), RGB)


@pytest.mark.parametrize('encoding', ['mono8', '8UC1'])
def test_gray_encodings(encoding):
    expected = np.repeat(RGB[:, :, :1], 3, axis=2)
    np.testing.assert_array_equal(image_to_rgb(message(RGB[:, :, 0], encoding)), expected)


def test_mono16_in_both_byte_orders():
    gray = RGB[:, :, 0].astype(np.uint16) * 256 + 3
    expected = np.repeat(RGB[:, :, :1], 3, axis=2)
    np.testing.assert_array_equal(image_to_rgb(message(gray, 'mono16')), expected)
    swapped = message(gray.byteswap(), 'mono16', big_endian=True)
    np.testing.assert_array_equal(image_to_rgb(swapped), expected)


@pytest.mark.parametrize(
    ('encoding', 'luma'), [('yuv422', 1), ('uyvy', 1), ('yuv422_yuy2', 0), ('yuyv', 0)]
)
def test_yuv_encodings_take_brightness_from_the_right_byte(encoding, luma):
    pixels = np.full((6, 8, 2), 128, np.uint8)
    pixels[:, :, luma] = 200
    rgb = image_to_rgb(message(pixels, encoding))
    assert np.abs(rgb.astype(int) - 214).max() <= 3


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_bayer_patterns_give_the_color_back(pattern):
    color = {'r': 200, 'g': 120, 'b': 40}
    mosaic = np.empty((8, 8), np.uint8)
    for i, letter in enumerate(pattern):
        mosaic[i // 2 :: 2, i % 2 :: 2] = color[letter]
    rgb = image_to_rgb(message(mosaic, f'bayer_{pattern}8'))
    np.testing.assert_array_equal(rgb[4, 4], (200, 120, 40))


def truncated():
    image = message(RGB, 'rgb8')
    del image.data[-5:]
    return image


@pytest.mark.parametrize(
    ('image', 'said'),
    [
        (Image(encoding='rgb8'), 'image of 0 x 0 pixels is empty'),
        (truncated(), r'139 bytes, expected 144 \(step 24 x height 6\)'),
        (message(RGB, 'rgb8', step=23), '144 bytes, expected 138'),
        (message(RGB[:, :, :2], 'rgb8'), 'step is 16 bytes, expected at least 24'),
        (message(RGB, 'mono16'), r'step is 24 bytes'),
        (message(RGB, 'no_such_encoding'), "encoding is 'no_such_encoding', expected one of"),
        (message(RGB, ''), "encoding is ''"),
        (message(RGB[:, :7, :2], 'yuyv'), 'width 7, expected even'),
        (message(RGB.astype(np.float32), '32FC3'), '32FC3'),
    ],
)
def test_images_that_do_not_fit_are_refused_by_value(image, said):
    if said.startswith('step is 24'):
        image.width = 13
    with pytest.raises(ImageError, match=said):
        image_to_rgb(image)


def test_random_messages_raise_nothing_else():
    encodings = [
        'rgb8',
        'bgr8',
        'mono8',
        'mono16',
        'yuyv',
        'bayer_rggb8',
        'nv21',
        'nv12',
        '16UC1',
        '8UC4',
        'rgba16',
        '32FC1',
        'jpeg',
        '8UC2',
        '\u00e9',
    ]
    served = 0
    for _ in range(400):
        image = Image(
            height=int(RNG.integers(0, 9)),
            width=int(RNG.integers(0, 9)),
            encoding=str(RNG.choice(encodings)),
            step=int(RNG.integers(0, 40)),
            is_bigendian=int(RNG.integers(0, 2)),
        )
        size = image.step * image.height if RNG.random() < 0.8 else int(RNG.integers(0, 300))
        set_bytes(image, RNG.integers(0, 256, size, dtype=np.uint8))
        try:
            rgb = image_to_rgb(image)
        except ImageError:
            continue
        served += 1
        assert rgb.dtype == np.uint8
        assert rgb.shape == (image.height, image.width, 3)
    assert served > 10


def test_set_bytes_replaces_what_was_there():
    image = Image(data=[1, 2, 3])
    set_bytes(image, np.arange(2, dtype=np.uint16))
    assert bytes(image.data) == b'\x00\x00\x01\x00'


def test_cv2_is_the_version_that_cv_bridge_wants():
    assert cv2.__version__.startswith('4.')
