"""The service that measures a hand, in a node that has nothing else."""

import time
from itertools import chain, repeat
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('handmesh_ros.msg')

from rclpy.executors import SingleThreadedExecutor
from robot import TIMEOUT

from handmesh_model.errors import CalibrationError
from handmesh_ros import hand_size_service
from handmesh_ros.calibration import Calibration
from handmesh_ros.hand_size_service import HandSizeService
from handmesh_ros.srv import CalibrateHandSize


@pytest.fixture
def answer(ros):
    """Asks for a measurement while something keeps the node from it from some time on."""
    node = ros.create_node('measurer')
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def ask(duration, why_not):
        service = HandSizeService(node, why_not)
        client = node.create_client(CalibrateHandSize, 'measurer/calibrate_hand_size')
        assert client.wait_for_service(TIMEOUT)
        future = client.call_async(CalibrateHandSize.Request(duration=duration))
        executor.spin_until_future_complete(future, TIMEOUT)
        assert not service.is_measuring
        return future.result()

    yield ask
    executor.shutdown()
    node.destroy_node()


def test_a_measurement_that_is_cut_short_says_by_what(answer):
    reason = 'the node is inactive, expected active'
    begun = time.monotonic()
    # The first question is whether to begin.
    reasons = chain([''], repeat(reason))
    response = answer(30.0, lambda: next(reasons))
    assert not response.success
    assert response.message == f'cut short: {reason}'
    assert time.monotonic() - begun < 25


def test_a_measurement_without_images_says_so(answer):
    response = answer(0.1, lambda: '')
    assert not response.success
    assert response.message.endswith('no images came')


def test_several_tags_are_why_nothing_was_measured(monkeypatch):
    def find(*arguments):
        raise CalibrationError('there are 2 tags')

    monkeypatch.setattr(hand_size_service, 'find_tag_plane', find)
    service = HandSizeService(SimpleNamespace(create_service=lambda *a, **k: None), lambda: '')
    service._begin(CalibrateHandSize.Request(method=1, tag_size=0.08))
    camera = Calibration(np.diag([300.0, 300, 1]), np.zeros(0))
    for _ in range(3):
        service.see(np.zeros((120, 160, 3), np.uint8), [], camera)
    with pytest.raises(CalibrationError, match='mostly, there are 2 tags'):
        service._meter.result()
