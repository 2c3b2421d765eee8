"""Smooths and predicts the hands of a node as its parameters say."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from handmesh_model.hand import Hand
from handmesh_model.one_euro import OneEuroSettings
from handmesh_model.smoothing import HandSmoother, SmoothingSettings
from handmesh_ros.monitor import FaultKind
from handmesh_ros.node_parameters import NodeParameters

NOW = 'now'
"""Value of ``predict_to`` that aims at the time of publishing."""


class Steadier:
    """
    What stands between the tracker and the outputs.

    :param now: seconds, by the node's clock.
    :param fault: say and remember a fault of a kind.
    """

    def __init__(self, now: Callable[[], float], fault: Callable[[FaultKind, str], None]) -> None:
        self._now = now
        self._fault = fault
        self._smoother = HandSmoother()

    def reset(self) -> None:
        """Forget all hands."""
        self._smoother.reset()

    def steady(self, hands: Sequence[Hand], stamp: float, settings: NodeParameters) -> list[Hand]:
        """
        The hands as they are to be published.

        :param hands: of the tracker.
        :param stamp: seconds, of their image.
        """
        self._smoother.settings = SmoothingSettings(
            enabled=settings.filter,
            filter=OneEuroSettings(
                settings.filter_min_cutoff,
                settings.filter_beta,
                settings.filter_derivative_cutoff,
            ),
            predict_limit=settings.predict_limit,
        )
        return self._smoother.update(hands, stamp, self._target(stamp, settings))

    def _target(self, stamp: float, settings: NodeParameters) -> float:
        """The time to predict to, seconds."""
        if settings.predict_to != NOW:
            return stamp + settings.predict_ahead
        age = self._now() - stamp
        if age + settings.predict_ahead < 0:
            self._fault(
                'time',
                f'images are stamped {-age:.3g} s ahead of the clock: hands are not predicted',
            )
        elif age + settings.predict_ahead > settings.predict_limit:
            self._fault(
                'time',
                f'images are {age:.3g} s old: hands are predicted by predict_limit '
                f'({settings.predict_limit:g} s) only, not to now',
            )
        return stamp + max(age + settings.predict_ahead, 0.0)
