"""Files that describe stages and layouts: read right, and refused with the key that is wrong."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from handmesh_model.ar.layout import layout_from_facts, load_layout
from handmesh_model.ar.panels import panel_from_facts
from handmesh_model.ar.stage import Stage, Thing, load_stage, stage_from_facts
from handmesh_model.errors import ConfigError, MeshFileError


def test_axes_are_proper_and_up_is_against_gravity():
    level = Stage(pitch=0.0).axes
    np.testing.assert_allclose(level[:, 2], [0, -1, 0], atol=1e-12)
    np.testing.assert_allclose(level[:, 0], [0, 0, 1], atol=1e-12)
    down = Stage(pitch=np.pi / 2).axes
    np.testing.assert_allclose(down[:, 2], [0, 0, -1], atol=1e-12)
    assert np.linalg.det(Stage(pitch=0.4).axes) == pytest.approx(1)


def test_stage_file(tmp_path):
    path = tmp_path / 'stage.yaml'
    path.write_text(
        'pitch_degrees: 90\nfloor: [0, 0, 0.6]\nthings:\n'
        '  - {shape: cylinder, size: [0.02, 0.06], position: [0, 0.1, 0.03]}\n'
        'stream: {count: 20}\n'
    )
    stage = load_stage(path)
    assert stage.things == (Thing('cylinder', 'cylinder', (0.02, 0.06), (0.0, 0.1, 0.03)),)
    assert stage.stream is not None
    assert stage.stream.count == 20
    np.testing.assert_allclose(stage.point((0, 0, 0.1)), [0, 0, 0.5], atol=1e-9)


BAD_STAGES = {
    'size': ({'things': [{'shape': 'box', 'size': [1, 2]}]}, "things.0.: 'size'"),
    'shape': ({'things': [{'shape': 'cone', 'size': 1}]}, 'expected one of box, sphere, cylinder'),
    'mass': ({'things': [{'size': [0.1, 0.1, 0.1], 'mass': -1}]}, "'mass' is -1"),
    'nan': ({'floor_radius': float('nan')}, "'floor_radius' is nan"),
    'key': ({'flour': 1}, "unknown 'flour'"),
    'list': ([1, 2], 'expected keys and values'),
    'stream': ({'stream': {'count': 10**9}}, "'count' is 1000000000"),
    'colour': (
        {'things': [{'size': [0.1, 0.1, 0.1], 'color': [90, 40, 20]}]},
        "'color' is 90, expected 0 to 1",
    ),
    'jet colour': ({'stream': {'color': [0, 0, -1]}}, "'color' is -1, expected 0 to 1"),
    'no list': ({'things': 0}, "'things' is no list"),
}


@pytest.mark.parametrize('name', BAD_STAGES)
def test_bad_stages_are_refused(name):
    facts, reason = BAD_STAGES[name]
    with pytest.raises(ConfigError, match=reason):
        stage_from_facts(facts, 'stage.yaml')


STAGE_KEYS = 'floor, floor_radius, pitch_degrees, stream, things'
THING_KEYS = 'color, friction, mass, name, position, shape, size, yaw_degrees'
PANEL_KEYS = (
    'buttons, color, fingers, frame, margin, position, press_depth, release_depth, rpy_degrees, '
    'size, travel'
)
SHAPE_KEYS = 'color, frame, name, opacity, position, rpy_degrees, shape, size'
SIDES, CENTER = [0.1, 0.1, 0.1], [0, 0]
MISSPELT = {
    'stage': (stage_from_facts, {'flor': 1}, STAGE_KEYS),
    'thing': (stage_from_facts, {'things': [{'size': SIDES, 'mas': 1}]}, THING_KEYS),
    'stream': (
        stage_from_facts,
        {'stream': {'rat': 1}},
        'color, count, radius, rate, source, speed, spread',
    ),
    'panel': (panel_from_facts, {'buttons': [{'center': CENTER}], 'travell': 0.01}, PANEL_KEYS),
    'button': (
        panel_from_facts,
        {'buttons': [{'center': CENTER, 'siez': 1}]},
        'center, color, name, size',
    ),
    'layout': (
        lambda facts, source: layout_from_facts(facts, source, Path()),
        {'objects': [{'size': SIDES, 'opacty': 1}]},
        SHAPE_KEYS,
    ),
}


@pytest.mark.parametrize('name', MISSPELT)
def test_a_misspelt_key_is_told_all_that_may_be_there(name):
    read, facts, keys = MISSPELT[name]
    with pytest.raises(ConfigError, match=rf"has unknown '\w+', expected one of {keys}$"):
        read(facts, 'file.yaml')


def test_nothing_in_a_file_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'evil.yaml'
    path.write_text('things: !!python/object/apply:os.system ["touch ran"]\n')
    with pytest.raises(ConfigError, match='cannot read stage'):
        load_stage(path)
    assert not (tmp_path / 'ran').exists()


def test_layout_with_a_mesh_beside_it(tmp_path):
    trimesh.creation.box((1, 1, 1)).export(tmp_path / 'box.stl')
    (tmp_path / 'layout.yaml').write_text(
        'objects:\n  - {shape: mesh, file: box.stl, scale: 0.05, frame: right_hand}\n'
        '  - {name: hoop, shape: ring, size: [0.1, 0.01], rpy_degrees: [90, 0, 0], opacity: 0.5}\n'
    )
    mesh, hoop = load_layout(tmp_path / 'layout.yaml')
    np.testing.assert_allclose(np.ptp(mesh.mesh.vertices, axis=0), 0.05, rtol=1e-5)
    assert (mesh.frame, hoop.name, hoop.opacity) == ('right_hand', 'hoop', 0.5)
    np.testing.assert_allclose(hoop.frame_from_object[:3, 2], [0, -1, 0], atol=1e-9)


def test_layout_of_the_demo_is_read():
    layout = load_layout(Path(__file__).parents[3] / 'config' / 'ar_layout.yaml')
    assert [ornament.name for ornament in layout] == ['hoop', 'ball', 'cube', 'bracelet']


def test_long_paths_and_frames_are_read_and_endless_ones_refused(tmp_path):
    folder = tmp_path / ('long' * 20)
    folder.mkdir()
    trimesh.creation.box((1, 1, 1)).export(folder / 'box.stl')
    row = {'shape': 'mesh', 'file': str(folder / 'box.stl'), 'frame': 'robot/' * 20}
    (box,) = layout_from_facts({'objects': [row]}, 'layout.yaml', tmp_path)
    assert box.frame == row['frame']
    buttons = [{'center': [0, 0]}]
    assert panel_from_facts({'buttons': buttons, 'frame': 'a' * 256}, 'p').frame == 'a' * 256
    with pytest.raises(ConfigError, match=r"'frame' is 'aaa.*, expected a text of 1 to 256"):
        panel_from_facts({'buttons': buttons, 'frame': 'a' * 257}, 'p')
    with pytest.raises(ConfigError, match=r"'file' is 'aaa.*, expected a text of 1 to 4096"):
        layout_from_facts({'objects': [row | {'file': 'a' * 4097}]}, 'layout.yaml', tmp_path)
    with pytest.raises(ConfigError, match=r"'name' is 'aaa.*, expected a text of 1 to 64"):
        layout_from_facts({'objects': [row | {'name': 'a' * 65}]}, 'layout.yaml', tmp_path)


def nested(levels):
    """Ten times the same list in a list, and so on, as YAML's aliases make it."""
    value = ['x']
    for _ in range(levels):
        value = [value] * 10
    return value


@pytest.mark.parametrize(
    'facts',
    [
        nested(5),
        {'objects': [nested(5)]},
        {'objects': [{'shape': nested(5)}]},
        {'objects': [{'size': nested(5)}]},
        {'objects': [{'size': [nested(5), 1, 1]}]},
        {'objects': [{'size': [1, 1, 1], 'name': nested(5)}]},
    ],
)
def test_a_list_of_lists_without_end_makes_no_endless_message(tmp_path, facts):
    with pytest.raises(ConfigError) as caught:
        layout_from_facts(facts, 'layout.yaml', tmp_path)
    assert len(str(caught.value)) < 500


def test_panels_with_such_lists_are_refused_as_well():
    with pytest.raises(ConfigError, match='panel has fingers') as caught:
        panel_from_facts({'buttons': [{'center': [0, 0]}], 'fingers': [nested(5)]}, 'panel.yaml')
    assert len(str(caught.value)) < 500


def test_panels_of_no_extent_or_colour_are_refused():
    buttons = [{'center': [0, 0]}]
    with pytest.raises(ConfigError, match=r"'size' is -0.1, expected 0.0005 to 10"):
        panel_from_facts({'buttons': buttons, 'size': [0.1, -0.1, 0.01]}, 'p.yaml')
    with pytest.raises(ConfigError, match=r"'size' is 0, expected 0.0005 to 10"):
        panel_from_facts({'buttons': buttons, 'size': [0.1, 0.1, 0]}, 'p.yaml')
    with pytest.raises(ConfigError, match="'color' is 90, expected 0 to 1"):
        panel_from_facts({'buttons': buttons, 'color': [90, 40, 20]}, 'p.yaml')
    with pytest.raises(ConfigError, match="'color' is 255, expected 0 to 1"):
        panel_from_facts({'buttons': [{'center': [0, 0], 'color': [0, 0, 255]}]}, 'p.yaml')


def test_bad_layouts_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="'color' is 90, expected 0 to 1"):
        layout_from_facts({'objects': [{'size': [1, 1, 1], 'color': [90, 4, 2]}]}, 'l', tmp_path)
    with pytest.raises(ConfigError, match="no 'objects'"):
        layout_from_facts({}, 'layout.yaml', tmp_path)
    with pytest.raises(ConfigError, match=r"objects.0. has unknown 'colour'"):
        layout_from_facts({'objects': [{'size': [1, 1, 1], 'colour': 1}]}, 'l.yaml', tmp_path)
    with pytest.raises(MeshFileError, match='does not exist'):
        layout_from_facts({'objects': [{'shape': 'mesh', 'file': 'no.obj'}]}, 'l.yaml', tmp_path)
