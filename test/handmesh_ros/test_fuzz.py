"""
Messages made to break the node: whatever comes is refused by name, and the next image is served.

The worker is the real one with its thread; only DDS is left out, which hands over such messages
as they are.
"""

import os

import cv2
import numpy as np
import pytest

pytest.importorskip('hypothesis')

from bench import BOTH, Bench
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from robot import time_of
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from handmesh_model.errors import IntrinsicsError
from handmesh_ros.calibration import camera_info_to_calibration
from handmesh_ros.images import ENCODINGS, image_to_rgb, set_bytes
from handmesh_ros.soak_report import resident_bytes

EXAMPLES = 150
LEAK = 30e6
"""Bytes that a process may grow by over all examples of a test; one image leaked each is more."""
STRANGE = ('', 'rgb', 'RGB8', '32FC1', '16UC1', '8UC2', '8UC0', '8UC999999999', 'jpeg', 'é', '\0')
JPEG = cv2.imencode('.jpg', BOTH[:, :, ::-1])[1].tobytes()
PNG = cv2.imencode('.png', BOTH[:, :, ::-1])[1].tobytes()

relaxed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    # The bench outlives examples on purpose: what one leaves behind must not harm the next.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
small = st.integers(0, 40)
sizes = small | st.sampled_from([2**16, 2**31, 2**32 - 1])
stamps = st.builds(
    lambda sec, nanosec: time_of(0).__class__(sec=sec, nanosec=nanosec),
    st.integers(-(2**31), 2**31 - 1) | st.integers(0, 10),
    st.integers(0, 2**32 - 1),
)
headers = st.builds(
    Header, stamp=stamps, frame_id=st.sampled_from(['camera', '', '/', 'é', 'a' * 300])
)
numbers = st.floats(width=64) | st.sampled_from([0.0, 1.0, -1.0, 150.0, 1e308, 1e-308])


@st.composite
def images(draw):
    """A message that may be good, nearly good, or nonsense."""
    image = Image(
        header=draw(headers),
        height=draw(sizes),
        width=draw(sizes),
        step=draw(st.integers(0, 200) | sizes),
        encoding=draw(st.sampled_from([*ENCODINGS, *STRANGE])),
        is_bigendian=draw(st.integers(0, 255)),
    )
    fitting = image.step * image.height
    wanted = draw(
        st.sampled_from([fitting, fitting * 3 // 2, fitting * 3, fitting - 1, fitting + 1, 0, 7])
    )
    length = min(max(wanted, 0), 50_000)
    set_bytes(image, np.random.default_rng(length).integers(0, 256, length, dtype=np.uint8))
    return image


@st.composite
def compressed_images(draw):
    """A picture with bytes changed, cut off or put behind."""
    data = bytearray(draw(st.sampled_from([JPEG, PNG])))
    for at, value in draw(
        st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=30)
    ):
        data[at] = value
    end = draw(st.integers(0, len(data)) | st.just(len(data)))
    data = bytes(data[:end]) + draw(st.binary(max_size=20))
    return CompressedImage(
        header=draw(headers), format=draw(st.sampled_from(['jpeg', 'png', ''])), data=data
    )


@st.composite
def camera_infos(draw):
    """A CameraInfo with numbers of all kinds, NaN and infinity among them."""
    info = CameraInfo(
        width=draw(sizes),
        height=draw(sizes),
        distortion_model=draw(st.sampled_from(['', 'plumb_bob', 'equidistant', 'nonsense'])),
        binning_x=draw(st.integers(0, 3)),
        binning_y=draw(sizes),
    )
    near = np.array([150.0, 0, 80, 0, 150, 60, 0, 0, 1])
    strange = draw(arrays.arrays(np.float64, 9, elements=numbers))
    where = draw(arrays.arrays(bool, 9))
    info.k = np.where(where, strange, near).tolist()
    info.p = draw(arrays.arrays(np.float64, 12, elements=numbers)).tolist()
    info.d = draw(st.lists(numbers, max_size=14))
    info.roi.x_offset, info.roi.width = draw(sizes), draw(small)
    return info


@pytest.fixture(scope='module')
def bench():
    bench = Bench()
    yield bench
    bench.close()


@pytest.fixture(scope='module')
def stamp():
    """Stamps of good images, which go on whatever the bad ones had."""
    return iter(1000 + 0.1 * i for i in range(100_000))


@pytest.fixture
def leaks_nothing(bench, stamp):
    for _ in range(20):
        bench.serve_good(next(stamp))
    before = resident_bytes(os.getpid())
    yield
    assert resident_bytes(os.getpid()) - before < LEAK


def good_one_is_served(bench, stamp):
    # What the bench remembers is no leak.
    for memory in (bench.outputs.published, bench.faults, bench.reports):
        memory.clear()
    hands = bench.serve_good(next(stamp))
    assert {hand.side for hand in hands} == {'left', 'right'}


@relaxed
@given(message=images() | compressed_images())
def test_whatever_image_comes_the_next_one_is_served(bench, stamp, leaks_nothing, message):
    fate = bench.serve(message)
    assert fate in ('processed', 'faulty'), bench.faults[-1]
    if fate == 'processed':
        assert isinstance(message, CompressedImage) or image_to_rgb(message).size
    good_one_is_served(bench, stamp)


@relaxed
@given(info=camera_infos(), rectified=st.booleans())
def test_whatever_camera_info_comes_pixels_flow(bench, stamp, leaks_nothing, info, rectified):
    try:
        bench.calibration = camera_info_to_calibration(info, rectified)
    except IntrinsicsError:
        bench.calibration = None
    published = len(bench.outputs.published)
    image = Image(header=Header(stamp=time_of(next(stamp)), frame_id='camera'))
    image.height, image.width, image.step, image.encoding = 120, 160, 480, 'rgb8'
    set_bytes(image, BOTH)
    fate = bench.serve(image)
    # A camera that passes for one but turns hands into nonsense may fail, and says so.
    assert fate in ('processed', 'failed')
    for hands, _ in bench.outputs.published[published:]:
        for hand in hands:
            assert np.isfinite(hand.joints_camera).all()
            assert np.isfinite(hand.wrist_covariance).all()
    bench.calibration = None
    good_one_is_served(bench, stamp)
