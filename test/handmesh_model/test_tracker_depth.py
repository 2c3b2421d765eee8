"""What a depth image told of a tracked hand holds on; boxes from elsewhere do not drag it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scripted_hands import IMAGE, make

from handmesh_model.hand import Hand, ScaleSource
from handmesh_model.topology import HandTopology
from handmesh_model.tracker import HandTracker

K = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])


def by_size(
    tracker: HandTracker, sizes: dict[float, float], spread: float = 0.02
) -> list[float | None]:
    """
    Let depth images tell sizes, metres by stamp.

    :param spread: relative standard deviation stated of the distance.
    :returns: is filled with what placing is told of sizes before.
    """
    told: list[float | None] = []
    place = tracker.predictor.place

    def placed(*arguments: Any) -> Hand:
        told.append(arguments[-1])
        hand = place(*arguments)
        if tracker._last_stamp not in sizes:
            return hand
        size = sizes[tracker._last_stamp]
        measured = {'hand_size': size, 'scale_source': ScaleSource.DEPTH}
        covariance = np.zeros((6, 6))
        covariance[2, 2] = (spread * hand.wrist_pose[2, 3]) ** 2
        return replace(hand, wrist_covariance=covariance, **measured)

    tracker.predictor.place = placed  # type: ignore[method-assign]
    return told


def test_the_last_images_with_depth_tell_the_size_of_those_without(topology: HandTopology) -> None:
    _, tracker = make(topology, {'a': (200, 200, 'right')})
    sizes = {0.1 * n: size for n, size in enumerate([0.2, 0.08, 0.09, 0.1, 0.1, 0.11])}
    told = by_size(tracker, sizes)
    for stamp in [*sizes, 0.6, 0.7]:
        (hand,) = tracker.update(IMAGE, stamp, K)
    assert told == [None, *map(pytest.approx, [0.2, 0.14, 0.09, 0.095, 0.1]), 0.1, 0.1]
    assert hand.scale_source is ScaleSource.MEASURED
    assert hand.hand_size == pytest.approx(0.1)
    tracker.reset()
    (hand,) = tracker.update(IMAGE, 0.8, K)
    assert hand.scale_source is ScaleSource.MEAN


def test_sizes_that_no_depth_told_are_not_remembered(topology: HandTopology) -> None:
    _, tracker = make(topology, {'a': (200, 200, 'right')})
    tracker.predictor.hand_size = 0.1
    told = by_size(tracker, {})
    for n in range(3):
        (hand,) = tracker.update(IMAGE, 0.1 * n, K)
        assert hand.scale_source is ScaleSource.PARAMETER
    assert told == [None] * 3


def test_sizes_that_depth_is_not_sure_of_are_not_remembered(topology: HandTopology) -> None:
    _, tracker = make(topology, {'a': (200, 200, 'right')})
    told = by_size(tracker, {0.0: 0.2, 0.1: 0.2}, spread=0.1)
    for n in range(3):
        (hand,) = tracker.update(IMAGE, 0.1 * n, K)
    assert told == [None] * 3
    assert hand.scale_source is ScaleSource.MEAN


def test_a_near_hand_keeps_its_size_between_depth_images(topology: HandTopology) -> None:
    """Half as often as the images: it must not jump to the mean hand's distance and back."""
    _, tracker = make(topology, {'a': (200, 200, 'right')})
    near = K * [[0.3], [0.3], [1.0]]
    told = by_size(tracker, {0.2 * n: 0.09 for n in range(4)}, spread=0.06)
    sources = []
    for n in range(8):
        (hand,) = tracker.update(IMAGE, 0.1 * n, near)
        sources.append(hand.scale_source)
    assert hand.wrist_pose[2, 3] < 0.33
    assert sources == [ScaleSource.DEPTH, ScaleSource.MEASURED] * 4
    assert told[1:] == pytest.approx([0.09] * 7)


def test_boxes_older_than_the_image_do_not_drag_a_tracked_hand(topology: HandTopology) -> None:
    """A slow detector's box comes with each image until it has a newer one."""
    world, tracker = make(topology, {'a': (200, 200, 'right')})
    old = world.box('a')
    for n in range(12):
        x = 200 + 6 * n
        world.hands['a'] = (x, 200, 'right')
        (hand,) = tracker.update(IMAGE, n / 30, boxes=[old])
        assert hand.box.center == pytest.approx((x, 200))
        x_crop, _ = tracker._tracks[0].estimate.source.center
        assert abs(x_crop - x) <= 6
