"""Buttons: pressed from the front, released with hysteresis, one finger each."""

import numpy as np
import pytest

from handmesh_model.ar.buttons import TIP_RADIUS, ButtonPanel, Fingertip, fingertips
from handmesh_model.ar.panels import Button, Panel, load_panel, panel_from_facts
from handmesh_model.ar.performances import PRESSES, panel_in_camera, press
from handmesh_model.errors import ConfigError
from handmesh_model.wrist import wrist_frame

PANEL = Panel((Button('a', (0.0, 0.0), (0.02, 0.02)), Button('b', (0.03, 0.0), (0.02, 0.02))))


def tip(depth, x=0.0, y=0.0, track_id=1, finger='index'):
    """A fingertip whose skin is this deep below the top of a cap, metres."""
    position = np.array([x, y, PANEL.travel - depth + TIP_RADIUS])
    return Fingertip(track_id, 'right', finger, position)


DEPTHS = -0.01, 0.003, 0.005, 0.005, -0.01, 0.005


def run(*steps, panel=PANEL):
    """What each step's fingertips bring about: '+a' for pressed, '-a' for released."""
    buttons = ButtonPanel(panel)
    said = []
    for tips in steps:
        events = buttons.update(tips if isinstance(tips, list) else [tips])
        said.append([('+' if event.pressed else '-') + event.button for event in events])
    return said


def test_press_and_release_with_hysteresis():
    depths = [-0.01, 0.003, 0.0045, 0.003, 0.002, 0.0045, 0.001, 0.003]
    assert run(*map(tip, depths)) == [[], [], ['+a'], [], [], [], ['-a'], []]


def test_trembling_at_the_threshold_presses_once():
    trembling = [0.0041 if i % 2 else 0.0039 for i in range(20)]
    said = run(tip(-0.01), *map(tip, trembling))
    assert sum(map(len, said)) == 1


def test_hand_that_vanishes_releases():
    assert run(tip(-0.01), tip(0.005), []) == [[], ['+a'], ['-a']]


def test_silence_releases_what_is_pressed_and_fingers_may_still_press():
    buttons = ButtonPanel(PANEL)

    def said(events):
        return [('+' if event.pressed else '-') + event.button for event in events]

    # Slower than the silence, which comes after each: before the cap, half in, in, still in.
    steps = [(said(buttons.update([tip(d)])), said(buttons.release())) for d in DEPTHS]
    assert steps == [([], []), ([], []), (['+a'], ['-a']), ([], []), ([], []), (['+a'], ['-a'])]
    assert buttons.pressed == {'a': False, 'b': False}


def test_finger_from_behind_or_the_side_presses_nothing():
    assert run(tip(0.02), tip(0.005), tip(0.003)) == [[], [], []]
    assert run(tip(0.005, x=-0.05), tip(0.005)) == [[], []]


def test_finger_that_slides_on_does_not_press_the_next_button():
    steps = [tip(-0.01), tip(0.005), tip(0.005, x=0.014), tip(0.005, x=0.03)]
    assert run(*steps) == [[], ['+a'], [], ['-a']]


def test_two_fingers_press_two_buttons_and_not_one_twice():
    two = [tip(0.005), tip(0.005, x=0.03, track_id=2)]
    before = [tip(-0.01), tip(-0.01, x=0.03, track_id=2)]
    assert run(before, two, [two[1]]) == [[], ['+a', '+b'], ['-a']]
    same = [tip(0.005), tip(0.005, x=0.004, track_id=2)]
    front = [tip(-0.01), tip(-0.01, x=0.004, track_id=2)]
    assert run(front, same) == [[], ['+a']]


def test_other_fingers_and_wild_numbers_are_ignored():
    assert run(tip(-0.01, finger='thumb'), tip(0.005, finger='thumb')) == [[], []]
    assert run(tip(-0.01), tip(float('nan')), tip(0.005)) == [[], [], []]


def test_cap_follows_the_finger():
    buttons = ButtonPanel(PANEL)
    for depth in (-0.01, 0.003, 0.02):
        buttons.update([tip(depth)])
    assert buttons.depths == [PANEL.travel, 0.0]
    assert buttons.pressed == {'a': True, 'b': False}


def test_radio_in_the_hand_is_pressed_as_it_is_acted():
    panel = load_panel('walkie_talkie')
    buttons = ButtonPanel(panel)
    said = []
    for held, pointing in press().frames:
        pose = panel_in_camera(panel, held.joints_camera, 'left')
        joints = pointing.joints_camera.astype(np.float64)
        events = buttons.update(fingertips(joints, np.linalg.inv(pose), 2, 'right'))
        said += [('+' if event.pressed else '-') + event.button for event in events]
    assert said == [sign + name for name in PRESSES for sign in '+-']


def test_panel_hangs_before_the_palm():
    held = press().frames[0][0]
    panel = load_panel('walkie_talkie')
    pose = panel_in_camera(panel, held.joints_camera, 'left')
    palm = wrist_frame(held.joints_camera.astype(np.float64), 'left')
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)
    # Out of the palm, which is the other way of the back of the hand.
    assert pose[:3, 2] @ palm[:3, 2] == pytest.approx(-1)


def test_panel_file(tmp_path):
    path = tmp_path / 'panel.yaml'
    path.write_text(
        'frame: left_hand\nposition: [0.1, 0, -0.03]\nrpy_degrees: [0, 0, 90]\n'
        'fingers: [index, thumb]\nbuttons:\n  - {name: go, center: [0, 0], size: [0.03, 0.02]}\n'
    )
    panel = load_panel(path)
    assert panel.buttons == (Button('go', (0.0, 0.0), (0.03, 0.02)),)
    assert (panel.frame, panel.fingers) == ('left_hand', ('index', 'thumb'))
    np.testing.assert_allclose(panel.rotation, [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-12)


BAD = {
    'no buttons': ({}, 'no buttons'),
    'unknown key': ({'buttons': [{'center': [0, 0], 'colour': 1}]}, "unknown 'colour'"),
    'no center': ({'buttons': [{}]}, "'center' is None, expected 2 numbers"),
    'same name': (
        {'buttons': [{'name': 'a', 'center': [0, 0]}, {'name': 'a', 'center': [1, 0]}]},
        'same name',
    ),
    'depths': ({'buttons': [{'center': [0, 0]}], 'press_depth': 0.04}, 'expected them to grow'),
    'finger': ({'buttons': [{'center': [0, 0]}], 'fingers': ['toe']}, 'toe'),
    'text': ('buttons', 'expected keys and values'),
}


@pytest.mark.parametrize('name', BAD)
def test_bad_panels_are_refused(name):
    facts, reason = BAD[name]
    with pytest.raises(ConfigError, match=reason):
        panel_from_facts(facts, 'panel.yaml')


def test_missing_panel_is_named(tmp_path):
    with pytest.raises(ConfigError, match='keypad, walkie_talkie or a YAML file'):
        load_panel(tmp_path / 'none.yaml')
