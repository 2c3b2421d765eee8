"""What is drawn into one image, and what is said where something is missing; no node."""

import numpy as np
import pytest

pytest.importorskip('numba')
pytest.importorskip('trimesh')
pytest.importorskip('handmesh_ros.msg')

from hands import hand_at
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from handmesh_model.errors import IntrinsicsError
from handmesh_model.hand import TrackState
from handmesh_model.topology import HandTopology
from handmesh_ros.ar_hands import seen_hands, surface_of
from handmesh_ros.ar_parameters import OverlayParameters
from handmesh_ros.ar_picture import ArPicture
from handmesh_ros.calibration import Calibration
from handmesh_ros.conversions import hands_to_msg, topology_to_msg

INTRINSICS = np.array([[100.0, 0, 80], [0, 100.0, 60], [0, 0, 1]])
GRAY = np.full((120, 160, 3), 90, np.uint8)


@pytest.fixture
def said():
    return []


@pytest.fixture
def picture(said):
    return ArPicture('', lambda text, kind='': said.append(text))


def draw(picture, rgb=GRAY, state=TrackState.TRACKED, **settings):
    hands = seen_hands(hands_to_msg([hand_at(np.array([0, 0, 0.5]), state=state)], Header()))
    calibration = Calibration(INTRINSICS, np.zeros(0), size=(160, 120))
    settings = OverlayParameters(**settings)
    return picture.draw(rgb, calibration, 'camera', hands, lambda frame: None, 0.0, settings)


def test_images_of_another_size_than_was_calibrated_are_refused(picture):
    assert draw(picture).shape == GRAY.shape
    with pytest.raises(IntrinsicsError, match='of 160 x 120 pixels, the image has 80 x 60'):
        draw(picture, GRAY[::2, ::2])


def test_what_is_not_drawn_of_the_markers_is_told(picture, said):
    picture.surface = surface_of(topology_to_msg(HandTopology.open_hand()))
    arrow = Marker(type=Marker.ARROW, ns='a')
    picture.board.take(MarkerArray(markers=[arrow]), 0.0)
    draw(picture)
    assert said == ["'objects': markers in 'a' of type 0 are not drawn"]


@pytest.mark.parametrize('forearm_length', [0.0, 0.3])
def test_hands_that_hide_nothing_are_told_with_and_without_a_forearm(
    picture, said, forearm_length
):
    draw(picture, forearm_length=forearm_length)
    assert said == ["hands without a mesh, or no 'topology' yet: they hide nothing"]
    said.clear()
    picture.surface = surface_of(topology_to_msg(HandTopology.open_hand()))
    draw(picture, forearm_length=forearm_length)
    assert not said


def objects_around_the_hand(tmp_path, wanted):
    """A layout with a wall behind the hand, and a ball on its back, or one of them."""
    objects = {
        'wall': '{shape: box, size: [0.4, 0.4, 0.01], position: [0, 0, 0.7]}',
        'ball': '{shape: sphere, size: 0.02, position: [0, 0, 0.08], frame: right_hand}',
    }
    path = tmp_path / 'layout.yaml'
    path.write_text('objects:\n' + ''.join(f'  - {objects[name]}\n' for name in wanted))
    return str(path)


@pytest.mark.parametrize('forearm_length', [0.0, 0.3])
def test_hands_that_are_only_held_hide_nothing_and_carry_nothing(tmp_path, said, forearm_length):
    def drawn(wanted, state):
        layout = objects_around_the_hand(tmp_path, wanted)
        picture = ArPicture(layout, lambda text, kind='': said.append(text))
        picture.surface = surface_of(topology_to_msg(HandTopology.open_hand()))
        result = draw(picture, state=state, forearm_length=forearm_length)
        return (result != GRAY).any(axis=-1)

    tracked, held = (drawn(['wall'], s) for s in (TrackState.TRACKED, TrackState.HELD))
    assert tracked.sum() < held.sum() - 100
    # The whole wall, as where there is no hand.
    assert held[60 - 20 : 60 + 20, 80 - 20 : 80 + 20].all()
    assert drawn(['ball'], TrackState.TRACKED).any()
    assert not drawn(['ball'], TrackState.HELD).any()
    assert not said
