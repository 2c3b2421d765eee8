import cv2
import numpy as np
import pytest

pytest.importorskip('sensor_msgs')

from sensor_msgs.msg import CompressedImage

from handmesh_model.errors import ImageError
from handmesh_ros.compressed_images import compressed_image_to_rgb

Y, X = np.mgrid[0:48, 0:64]
RGB = np.dstack([4 * X, 5 * Y, 255 - 4 * X]).astype(np.uint8)
JPEG = cv2.imencode('.jpg', RGB[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
PNG = cv2.imencode('.png', RGB[:, :, ::-1])[1].tobytes()
COLOR = (200, 100, 30)
GRAY16 = cv2.imencode('.png', RGB[:, :, 0].astype(np.uint16) * 257)[1].tobytes()


def message(data, kind='jpeg'):
    return CompressedImage(format=kind, data=data)


def test_png_is_exact():
    np.testing.assert_array_equal(compressed_image_to_rgb(message(PNG, 'png')), RGB)


def test_jpeg_is_near_whatever_the_format_says():
    for kind in ('jpeg', 'rgb8; jpeg compressed bgr8', '', 'png'):
        rgb = compressed_image_to_rgb(message(JPEG, kind))
        assert rgb.shape == RGB.shape
        assert np.abs(rgb.astype(int) - RGB).mean() < 3


def test_gray_in_16_bits_becomes_rgb():
    rgb = compressed_image_to_rgb(message(GRAY16, '16UC1; png compressed'))
    np.testing.assert_array_equal(rgb, np.repeat(RGB[:, :, :1], 3, axis=2))


def mosaic(pattern, kind):
    """What a sensor with these filters sees of one colour, (48, 64) of this type."""
    pixels = np.zeros((48, 64), kind)
    for at, color in enumerate(pattern):
        pixels[at // 2 :: 2, at % 2 :: 2] = COLOR['rgb'.index(color)] * (np.iinfo(kind).max // 255)
    return pixels


def assert_color(rgb):
    assert rgb.shape == (48, 64, 3)
    assert rgb.dtype == np.uint8
    np.testing.assert_allclose(rgb[8:-8, 8:-8], np.broadcast_to(COLOR, (32, 48, 3)), atol=8)


@pytest.mark.parametrize('pattern', ['rggb', 'bggr', 'gbrg', 'grbg'])
def test_mosaics_become_colors_as_raw_ones_do(pattern):
    quality = [cv2.IMWRITE_JPEG_QUALITY, 98]
    jpeg = cv2.imencode('.jpg', mosaic(pattern, np.uint8), quality)[1].tobytes()
    for kind in ('jpeg compressed ', f'jpeg compressed bayer_{pattern}8'):
        assert_color(compressed_image_to_rgb(message(jpeg, f'bayer_{pattern}8; {kind}')))
    # A JPEG has 8 bits whatever there was.
    assert_color(compressed_image_to_rgb(message(jpeg, f'bayer_{pattern}16; jpeg compressed ')))
    for bits, type_ in ((8, np.uint8), (16, np.uint16)):
        png = cv2.imencode('.png', mosaic(pattern, type_))[1].tobytes()
        kind = f'bayer_{pattern}{bits}; png compressed '
        assert_color(compressed_image_to_rgb(message(png, kind)))


def test_what_was_a_mosaic_before_it_got_its_colors_keeps_them():
    rgb = compressed_image_to_rgb(message(PNG, 'bayer_rggb8; png compressed bgr8'))
    np.testing.assert_array_equal(rgb, RGB)


def test_mosaics_of_an_unknown_pattern_are_refused_by_name():
    png = cv2.imencode('.png', mosaic('rggb', np.uint16))[1].tobytes()
    with pytest.raises(ImageError, match=r"'bayer_rggb12', expected one of .*bayer_rggb16"):
        compressed_image_to_rgb(message(png, 'bayer_rggb12; png compressed '))


def test_orientation_is_left_as_the_pixels_are():
    exif = b'Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06'
    exif += b'\x00\x00\x00\x00\x00\x00'
    turned = JPEG[:2] + b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif + JPEG[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape[:2] == (64, 48)
    assert compressed_image_to_rgb(message(turned)).shape == RGB.shape


def test_padding_behind_the_end_is_allowed():
    assert compressed_image_to_rgb(message(JPEG + bytes(1000))).shape == RGB.shape


def huge_png():
    """A few bytes that claim to be an image of 16 billion pixels."""
    return PNG[:16] + (2**17).to_bytes(4, 'big') * 2 + PNG[24:]


@pytest.mark.parametrize(
    ('data', 'said'),
    [
        (b'', "format 'jpeg' starts with nothing, expected a JPEG or PNG"),
        (b'GIF89a', 'starts with 47 49 46 38'),
        (JPEG[: len(JPEG) // 2], f'JPEG data of {len(JPEG) // 2} bytes ends early'),
        (PNG[:-30], 'PNG data of .* bytes ends early'),
        (huge_png(), 'PNG has 131072 x 131072 pixels'),
        (b'\xff\xd8\xff\xd9', 'JPEG has no size'),
    ],
)
def test_what_is_no_picture_is_refused(data, said):
    with pytest.raises(ImageError, match=said):
        compressed_image_to_rgb(message(data))


@pytest.mark.parametrize('good', [JPEG, PNG])
def test_damaged_bytes_raise_nothing_else(good):
    rng = np.random.default_rng(5)
    for _ in range(300):
        data = bytearray(good)
        for at in rng.integers(0, len(data), rng.integers(1, 20)):
            data[at] = rng.integers(0, 256)
        try:
            rgb = compressed_image_to_rgb(message(bytes(data)))
        except ImageError:
            continue
        assert rgb.dtype == np.uint8
        assert rgb.ndim == 3
