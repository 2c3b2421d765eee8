"""Which time the node predicts to, and what it says if it cannot."""

from dataclasses import replace

import numpy as np
import pytest
from hands import hand_at

from handmesh_ros.node_parameters import NodeParameters
from handmesh_ros.steadying import Steadier


class Node:
    """A clock and a list of faults."""

    def __init__(self):
        self.time = 0.0
        self.faults = []
        self.steadier = Steadier(lambda: self.time, lambda kind, text: self.faults.append(text))

    def leads(self, age, **parameters):
        """Lead of a moving hand's last image, taken up at an age in seconds."""
        settings = NodeParameters(**parameters)
        for i in range(5):
            stamp = 100.0 + i / 30
            self.time = stamp + age
            hands = [hand_at((0.02 * i, 0, 0.5))]
            (hand,) = self.steadier.steady(hands, stamp, settings)
        return hand.lead


@pytest.mark.parametrize(
    ('parameters', 'age', 'lead'),
    [
        ({}, 0.08, 0.0),
        ({'predict_ahead': 0.05}, 0.08, 0.05),
        ({'predict_to': 'now'}, 0.08, 0.08),
        ({'predict_to': 'now', 'predict_ahead': 0.03}, 0.08, 0.11),
        ({'predict_to': 'now', 'predict_ahead': 0.1}, 0.08, 0.15),
        ({'predict_to': 'now'}, 900.0, 0.15),
        ({'predict_to': 'now', 'predict_limit': 0.3}, 0.2, 0.2),
        ({'predict_to': 'now'}, -0.5, 0.0),
    ],
)
def test_time_that_hands_are_given_for(parameters, age, lead):
    assert Node().leads(age, **parameters) == pytest.approx(lead)


@pytest.mark.parametrize(
    ('age', 'said'),
    [
        (0.05, None),
        (0.4, 'images are 0.4 s old: hands are predicted by predict_limit (0.15 s) only'),
        (-0.5, 'images are stamped 0.5 s ahead of the clock'),
    ],
)
def test_what_cannot_be_predicted_is_said(age, said):
    node = Node()
    node.leads(age, predict_to='now')
    assert [said in fault for fault in node.faults] == [True] * len(node.faults)
    assert bool(node.faults) == (said is not None)


def test_filter_parameters_reach_the_filter():
    node = Node()
    start, moved = hand_at((0, 0, 0.5)), hand_at((0.1, 0, 0.5))

    def share(**parameters):
        """How much of a step is followed at once."""
        node.steadier.reset()
        settings = NodeParameters(**parameters)
        node.steadier.steady([start], 1.0, settings)
        (hand,) = node.steadier.steady([moved], 1.1, settings)
        return (hand.joints_camera - start.joints_camera)[0, 0] / 0.1

    assert share(filter=False) == 1
    by_hand = 2 * np.pi * 0.5 * 0.1
    assert share(filter_min_cutoff=0.5, filter_beta=0.0) == pytest.approx(by_hand / (1 + by_hand))
    assert share(filter_beta=5.0) < share(filter_beta=50.0) < 1
    low, high = (share(filter_derivative_cutoff=cutoff) for cutoff in (0.1, 10.0))
    assert low < high


def test_reset_forgets_hands():
    node = Node()
    settings = NodeParameters()
    node.steadier.steady([hand_at((0, 0, 0.5))], 1.0, settings)
    node.steadier.reset()
    measured = replace(hand_at((0.2, 0, 0.5)))
    (hand,) = node.steadier.steady([measured], 1.03, settings)
    np.testing.assert_array_equal(hand.joints_camera, measured.joints_camera)
