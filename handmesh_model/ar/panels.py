"""Panels of virtual buttons: what is on them, where they hang, and files that say so."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from handmesh_model.ar.tables import Table, Vector
from handmesh_model.brief import brief
from handmesh_model.errors import ConfigError
from handmesh_model.joints import FINGERS
from handmesh_model.yaml_files import read_yaml

MAX_BUTTONS = 64


@dataclass(frozen=True)
class Button:
    """
    A rectangular button.

    :param center: x, y of its middle on the panel, metres.
    :param size: x and y extent of its cap, metres.
    """

    name: str
    center: tuple[float, float]
    size: tuple[float, float] = (0.018, 0.018)
    color: Vector = (0.9, 0.9, 0.92)


@dataclass(frozen=True)
class Panel:
    """
    A plane with buttons; its frame has x right, y up and z out of it, towards the user.

    :param frame: what it hangs on: '' for the camera's optical frame, 'left_hand' or 'right_hand'
        for the wrist frame of that hand, else a TF frame.
    :param position: of the panel's middle in that frame, metres.
    :param rotation: (3, 3) frame from panel.
    :param size: x, y, z extent of the panel's body, metres; its front is z = 0.
    :param travel: metres that a cap can be pushed in.
    :param press_depth: metres into the cap at which it counts as pressed.
    :param release_depth: metres at which a pressed one is released again; less than to press.
    :param margin: metres beside a cap that still belong to it once it is touched.
    """

    buttons: tuple[Button, ...]
    frame: str = ''
    position: Vector = (0.0, 0.0, 0.45)
    rotation: np.ndarray = field(default_factory=lambda: np.diag([1.0, -1.0, -1.0]))
    size: Vector = (0.12, 0.08, 0.012)
    color: Vector = (0.16, 0.18, 0.22)
    travel: float = 0.006
    press_depth: float = 0.004
    release_depth: float = 0.0015
    margin: float = 0.006
    fingers: tuple[str, ...] = ('index',)

    def __post_init__(self) -> None:
        names = [button.name for button in self.buttons]
        if len(set(names)) != len(names):
            raise ConfigError(f'panel has buttons of the same name: {", ".join(names)}')
        if not 0 <= self.release_depth < self.press_depth <= self.travel:
            raise ConfigError(
                f'panel has release_depth {self.release_depth:g}, press_depth '
                f'{self.press_depth:g} and travel {self.travel:g}, expected them to grow'
            )
        unknown = [finger for finger in self.fingers if finger not in FINGERS]
        if unknown or not self.fingers:
            raise ConfigError(
                f'panel has fingers {list(self.fingers)}, expected some of {", ".join(FINGERS)}'
            )

    @property
    def pose(self) -> np.ndarray:
        """(4, 4) frame from panel."""
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = self.rotation, self.position
        return pose


def keypad_panel() -> Panel:
    """Six buttons in two rows, floating before the camera."""
    columns, rows = (-0.03, 0.0, 0.03), (0.016, -0.016)
    names = iter(('1', '2', '3', '4', '5', '6'))
    colors = iter([(0.9, 0.9, 0.92)] * 5 + [(0.95, 0.35, 0.3)])
    buttons = tuple(
        Button(next(names), (x, y), (0.02, 0.02), next(colors)) for y in rows for x in columns
    )
    return Panel(buttons)


def walkie_talkie_panel() -> Panel:
    """A hand-held radio in the left hand: a large button to talk, two small ones for channels."""
    buttons = (
        Button('talk', (0.0, -0.018), (0.032, 0.022), (0.95, 0.35, 0.3)),
        Button('channel_down', (-0.011, 0.014), (0.016, 0.016), (0.9, 0.9, 0.92)),
        Button('channel_up', (0.011, 0.014), (0.016, 0.016), (0.9, 0.9, 0.92)),
    )
    # Before the palm, its top towards the fingertips, its front away from the palm.
    rotation = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
    return Panel(
        buttons,
        frame='left_hand',
        position=(0.085, 0.0, -0.042),
        rotation=rotation,
        size=(0.056, 0.11, 0.026),
    )


PANELS = {'keypad': keypad_panel, 'walkie_talkie': walkie_talkie_panel}


def load_panel(name: str | Path) -> Panel:
    """
    A built-in panel, or one in a YAML file with the fields of :class:`Panel`.

    In the file, ``rpy_degrees`` (roll, pitch, yaw about fixed axes) stands for ``rotation``.

    :param name: 'keypad', 'walkie_talkie' or a path.
    :raises ConfigError: if there is no such file or a value in it is wrong.
    """
    if str(name) in PANELS:
        return PANELS[str(name)]()
    path = Path(name).expanduser()
    what = f'panel ({", ".join(PANELS)} or a YAML file)'
    return panel_from_facts(read_yaml(path, what), str(path))


def panel_from_facts(facts: Any, source: str) -> Panel:
    """
    A panel out of what a YAML file holds.

    :param source: named in errors.
    :raises ConfigError: for an unknown key or a value that does not fit.
    """
    table = Table(facts, source)
    rows = table.rows('buttons', MAX_BUTTONS)
    buttons = tuple(
        _button(Table(row, f'{source}: buttons[{i}]'), i) for i, row in enumerate(rows)
    )
    if not buttons:
        raise ConfigError(f'{source} has no buttons')
    fingers = table.rows('fingers', len(FINGERS)) or list(Panel.fingers)
    panel = Panel(
        buttons,
        table.frame(),
        table.vector('position', Panel.position),
        table.rotation('rpy_degrees', np.diag([1.0, -1.0, -1.0])),
        table.vector('size', Panel.size, 0.0005, 10.0),
        table.color('color', Panel.color),
        table.number('travel', Panel.travel, 0.001, 0.05),
        table.number('press_depth', Panel.press_depth, 0.0005, 0.05),
        table.number('release_depth', Panel.release_depth, 0, 0.05),
        table.number('margin', Panel.margin, 0, 0.05),
        tuple(f if isinstance(f, str) else brief(f) for f in fingers),
    )
    table.close()
    return panel


def _button(table: Table, number: int) -> Button:
    x, y = table.numbers('center', 2, -5, 5)
    size = table.numbers('size', 2, 0.002, 1.0) if 'size' in table else Button.size
    button = Button(
        table.text('name', f'button_{number}'),
        (x, y),
        (size[0], size[1]),
        table.color('color', Button.color),
    )
    table.close()
    return button
