"""A panel of virtual buttons pressed by fingertips: which finger is on which, with hysteresis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from handmesh_model.ar.panels import Button, Panel
from handmesh_model.joints import FINGERS, TIPS

TIP_RADIUS = 0.007
"""Metres from a fingertip's joint to its pad."""


@dataclass(frozen=True)
class Fingertip:
    """
    One finger's end.

    :param position: (3,) middle of the fingertip in the panel's frame, metres.
    """

    track_id: int
    side: str
    finger: str
    position: np.ndarray


@dataclass(frozen=True)
class ButtonEvent:
    """
    A button went down or came up.

    :param pressed: True for down.
    :param track_id: of the hand that did it, side and finger likewise.
    """

    button: str
    pressed: bool
    track_id: int
    side: str
    finger: str


@dataclass
class _Cap:
    """State of one button: who is on it, how deep it is, whether it counts as pressed."""

    owner: Fingertip | None = None
    depth: float = 0.0
    pressed: bool = False


class ButtonPanel:
    """
    Follows fingertips from image to image and says when buttons go down and come up.

    A finger takes hold of a button when it comes to it from the front: it must have been before
    the cap in the image before. Then the button is its own until it leaves the cap (by more than
    ``margin``), comes back out, or is not seen any more. So a finger that slides along the panel
    or comes from behind presses nothing, and no button is pressed by two.
    """

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self._caps = [_Cap() for _ in panel.buttons]
        self._in_front: set[tuple[int, str]] = set()

    def reset(self) -> list[ButtonEvent]:
        """Let everything go, as when the panel is out of reach."""
        return self.update(())

    def release(self) -> list[ButtonEvent]:
        """
        Let go what is pressed, as when no hands come any more.

        Fingers that were before a cap, or have begun to push it, may still press it when they are
        seen again; what was pressed must be left first.
        """
        events: list[ButtonEvent] = []
        for button, cap in zip(self.panel.buttons, self._caps, strict=True):
            if cap.pressed:
                self._let_go(button, cap, events)
        return events

    @property
    def depths(self) -> list[float]:
        """Metres that each cap is pushed in, for drawing."""
        return [cap.depth for cap in self._caps]

    @property
    def pressed(self) -> dict[str, bool]:
        """Whether each button is pressed."""
        pairs = zip(self.panel.buttons, self._caps, strict=True)
        return {button.name: cap.pressed for button, cap in pairs}

    def update(self, tips: Sequence[Fingertip]) -> list[ButtonEvent]:
        """
        Take in the fingertips of one image.

        :param tips: of all hands seen in it; those of other fingers than the panel's are ignored.
        :returns: what happened, in the order of the buttons.
        """
        ours = {(t.track_id, t.finger): t for t in tips if t.finger in self.panel.fingers}
        finite = {key: tip for key, tip in ours.items() if np.isfinite(tip.position).all()}
        events: list[ButtonEvent] = []
        for button, cap in zip(self.panel.buttons, self._caps, strict=True):
            self._follow(button, cap, finite, events)
        self._in_front = {
            key for key, tip in finite.items() if self._depth(tip) <= self.panel.release_depth
        }
        return events

    def _depth(self, tip: Fingertip) -> float:
        """Metres that the skin is below the top of an untouched cap."""
        return self.panel.travel - (float(tip.position[2]) - TIP_RADIUS)

    def _follow(
        self,
        button: Button,
        cap: _Cap,
        tips: Mapping[tuple[int, str], Fingertip],
        events: list[ButtonEvent],
    ) -> None:
        if cap.owner is not None:
            key = (cap.owner.track_id, cap.owner.finger)
            tip = tips.get(key)
            if tip is None or not self._is_over(button, tip, self.panel.margin):
                self._let_go(button, cap, events)
            else:
                cap.owner = tip
        if cap.owner is None:
            cap.owner = self._newcomer(button, tips)
        if cap.owner is None:
            return
        depth = self._depth(cap.owner)
        cap.depth = float(np.clip(depth, 0, self.panel.travel))
        if not cap.pressed and depth >= self.panel.press_depth:
            cap.pressed = True
            events.append(_event(button, cap.owner, True))
        elif depth <= self.panel.release_depth:
            # Before the cap again: another finger may have it.
            self._let_go(button, cap, events)

    def _newcomer(
        self, button: Button, tips: Mapping[tuple[int, str], Fingertip]
    ) -> Fingertip | None:
        """The deepest finger that has just come onto a cap from the front and holds no other."""
        busy = {(c.owner.track_id, c.owner.finger) for c in self._caps if c.owner is not None}
        over = [
            tip
            for key, tip in tips.items()
            if key in self._in_front
            and key not in busy
            and self._depth(tip) > self.panel.release_depth
            and self._is_over(button, tip, 0.0)
        ]
        return max(over, key=self._depth, default=None)

    def _is_over(self, button: Button, tip: Fingertip, margin: float) -> bool:
        away = np.abs(tip.position[:2] - np.asarray(button.center))
        return bool((away <= np.asarray(button.size) / 2 + margin).all())

    def _let_go(self, button: Button, cap: _Cap, events: list[ButtonEvent]) -> None:
        if cap.pressed and cap.owner is not None:
            events.append(_event(button, cap.owner, False))
        cap.owner, cap.depth, cap.pressed = None, 0.0, False


def _event(button: Button, tip: Fingertip, pressed: bool) -> ButtonEvent:
    return ButtonEvent(button.name, pressed, tip.track_id, tip.side, tip.finger)


def fingertips(
    joints_camera: np.ndarray, panel_from_camera: np.ndarray, track_id: int, side: str
) -> list[Fingertip]:
    """
    A hand's five fingertips in a panel's frame.

    The joint of a fingertip lies at the end of the finger, its flesh around it.

    :param joints_camera: (21, 3) metres.
    :param panel_from_camera: (4, 4).
    """
    points = joints_camera[list(TIPS)] @ panel_from_camera[:3, :3].T + panel_from_camera[:3, 3]
    return [
        Fingertip(track_id, side, finger, point)
        for finger, point in zip(FINGERS, points, strict=True)
    ]
