"""What a world of virtual things holds at its start; all in the camera's optical frame, metres."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handmesh_model.ar.tables import Table, Vector
from handmesh_model.yaml_files import read_yaml

GRAVITY = 9.81
_SHAPES = {'box': 3, 'sphere': 1, 'cylinder': 2}


@dataclass(frozen=True)
class Thing:
    """
    A rigid object.

    :param shape: 'box', 'sphere' or 'cylinder' (along its z).
    :param size: three sides; a radius; radius and length.
    :param position: of its middle in the stage's axes: x away from the camera, y left, z up, from
        the middle of the floor.
    :param yaw: radians about z.
    :param mass: kilograms.
    """

    name: str
    shape: str
    size: tuple[float, ...]
    position: Vector
    yaw: float = 0.0
    mass: float = 0.03
    friction: float = 1.2
    color: Vector = (0.95, 0.45, 0.2)


@dataclass(frozen=True)
class Stream:
    """
    Small balls that are poured; the oldest are poured again.

    :param source: where they begin, in the stage's axes.
    :param spread: radius of the jet, metres.
    :param rate: balls a second.
    :param speed: downwards at the start, metres a second.
    """

    source: Vector
    count: int = 200
    radius: float = 0.005
    spread: float = 0.012
    rate: float = 100.0
    speed: float = 0.4
    color: Vector = (0.3, 0.65, 1.0)


@dataclass(frozen=True)
class Stage:
    """
    A floor, things on it, perhaps a stream over it.

    :param floor: middle of the floor's surface, camera frame.
    :param floor_radius: metres; 0 for no floor.
    :param pitch: radians by which the camera looks down; tells where gravity points.
    """

    things: tuple[Thing, ...] = ()
    stream: Stream | None = None
    floor: Vector = (0.0, 0.09, 0.48)
    floor_radius: float = 0.14
    pitch: float = 0.6
    floor_color: Vector = (0.55, 0.5, 0.42)

    @property
    def axes(self) -> np.ndarray:
        """(3, 3) camera from stage: x level and away, y level and left, z up, against gravity."""
        cosine, sine = np.cos(self.pitch), np.sin(self.pitch)
        return np.array([[0, -1, 0], [-sine, 0, -cosine], [cosine, 0, -sine]])

    def point(self, position: Vector | np.ndarray) -> np.ndarray:
        """
        A place of this stage in the camera frame.

        :param position: in the stage's axes, from the middle of the floor, metres.
        """
        return np.asarray(self.floor) + self.axes @ np.asarray(position, dtype=np.float64)


def cube_stage() -> Stage:
    """A cube of 3 cm on a tray, to be pushed, pinched, carried and dropped."""
    side = 0.03
    return Stage(things=(Thing('cube', 'box', (side, side, side), (0.0, 0.0, side / 2)),))


def pour_stage() -> Stage:
    """A stream of small balls and nothing under it: hold a hand there."""
    return Stage(stream=Stream(source=(0.0, 0.0, 0.26)), floor=(0.0, 0.11, 0.48), floor_radius=0.0)


STAGES = {'cube': cube_stage, 'pour': pour_stage}


def load_stage(name: str | Path) -> Stage:
    """
    A built-in stage, or one in a YAML file.

    The file holds ``floor`` (x, y, z), ``floor_radius``, ``pitch_degrees``, ``things`` (a list
    with the fields of :class:`Thing`, but ``yaw_degrees``) and ``stream`` (those of
    :class:`Stream`); all may be left out.

    :param name: 'cube', 'pour' or a path.
    :raises ConfigError: if there is no such file or a value in it is wrong.
    """
    if str(name) in STAGES:
        return STAGES[str(name)]()
    path = Path(name).expanduser()
    what = f'stage ({", ".join(STAGES)} or a YAML file)'
    return stage_from_facts(read_yaml(path, what), str(path))


def stage_from_facts(facts: object, source: str) -> Stage:
    """
    A stage out of what a YAML file holds.

    :param source: named in errors.
    :raises ConfigError: for an unknown key or a value that does not fit.
    """
    table = Table(facts, source)
    things = tuple(
        _thing(Table(row, f'{source}: things[{i}]'))
        for i, row in enumerate(table.rows('things', 64))
    )
    stream = (
        _stream(Table(table.take('stream'), f'{source}: stream')) if 'stream' in table else None
    )
    stage = Stage(
        things,
        stream,
        table.vector('floor', Stage.floor),
        table.number('floor_radius', Stage.floor_radius, 0, 10),
        np.radians(table.number('pitch_degrees', float(np.degrees(Stage.pitch)), -90, 90)),
    )
    table.close()
    return stage


def _thing(table: Table) -> Thing:
    shape = table.choice('shape', tuple(_SHAPES), 'box')
    size = table.numbers('size', _SHAPES[shape], 0.002, 1.0)
    thing = Thing(
        table.text('name', shape),
        shape,
        size,
        table.vector('position', (0.0, 0.0, 0.05)),
        np.radians(table.number('yaw_degrees', 0.0, -360, 360)),
        table.number('mass', Thing.mass, 0.001, 10),
        table.number('friction', Thing.friction, 0, 5),
        table.color('color', Thing.color),
    )
    table.close()
    return thing


def _stream(table: Table) -> Stream:
    stream = Stream(
        table.vector('source', (0.0, 0.0, 0.26)),
        round(table.number('count', Stream.count, 1, 500)),
        table.number('radius', Stream.radius, 0.002, 0.03),
        table.number('spread', Stream.spread, 0, 0.2),
        table.number('rate', Stream.rate, 0.1, 1000),
        table.number('speed', Stream.speed, 0, 5),
        table.color('color', Stream.color),
    )
    table.close()
    return stream
