"""
Rosbag in, golden numbers out: a bag of painted pictures through camera, node and recorder.

With HANDMESH_WRITE_GOLDEN=1 in the environment this test writes the numbers
anew; look at the difference before you commit it.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rosbags.rosbag2')

from bag_files import pictures
from painted_hands import paint
from robot import TIMEOUT, parameters
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from handmesh_model.errors import ConfigError
from handmesh_ros import bag_writer
from handmesh_ros.msg import Hand
from handmesh_ros.record import frames_by_stamp, read_frames_file

GOLDEN = Path(__file__).with_name('golden_bag.json')
MATRIX = [[150.0, 0, 80], [0, 150, 60], [0, 0, 1]]
# Hands that are there from the start and keep still: when a new one is found, and what smooths or
# predicts, depends on when pictures come.
HANDS = [('right', 30, 20, 36, 48), ('left', 110, 30, 30, 40)]
RGBS = [paint(HANDS)] * 6
TOPICS = 'image camera_info hands topology'


def recorded(path):
    """Messages of a recorded bag by topic, parsed by what the bag itself says of their types."""
    with Reader(path) as reader:
        store = get_typestore(Stores.ROS2_JAZZY)
        for connection in reader.connections:
            types = get_types_from_msg(connection.msgdef.data, connection.msgtype)
            store.register({n: t for n, t in types.items() if n not in store.types})
        messages = {}
        for connection, _, data in reader.messages():
            message = store.deserialize_cdr(data, connection.msgtype)
            messages.setdefault(connection.topic, []).append(message)
        return messages


def nanoseconds(message):
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def _rounded(values, digits):
    return np.round(np.asarray(values, dtype=np.float64), digits).tolist()


def numbers(messages):
    """What is golden: sides and joints of each image's hands."""
    return [
        [
            {
                'side': 'right' if hand.side == Hand.RIGHT else 'left',
                'joints_image': _rounded(hand.joints_image, 2),
                'joints_camera': _rounded(hand.joints_camera, 4),
            }
            for hand in sorted(message.hands, key=lambda hand: -hand.side)
        ]
        for message in messages
    ]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_bag_played_and_recorded_gives_the_golden_numbers(
    ros, robot, painted_node, start, tmp_path, storage
):
    played = pictures(tmp_path / 'played', RGBS, storage, MATRIX)
    out = tmp_path / 'recorded'
    module = ['-m', 'handmesh_ros.bag_recorder']
    recorder = start([*module, *parameters(out=out, topics=f"'{TOPICS}'", storage=storage)])
    node = painted_node(filter=False)
    robot.wait(lambda: "Recording '/topology'" in recorder.text(), TIMEOUT, 'the recorder')
    camera_values = {'source': played, 'lockstep': 'true', 'rate': 50.0, 'subscribers': 2}
    camera_values['frames_file'] = tmp_path / 'frames.jsonl'
    camera = start(['-m', 'handmesh_ros.folder_camera', *parameters(**camera_values)])
    robot.wait(lambda: not camera.is_alive(), TIMEOUT, 'the end of the bag')
    assert camera.process.returncode == 0, camera.text()
    assert '6 images sent, 0 unanswered' in camera.text()
    assert recorder.end() == 0, recorder.text()
    assert node.end() == 0
    messages = recorded(out)
    hands = {nanoseconds(m): m for m in messages['/hands']}
    assert len(hands) == len(messages['/hands'])
    frames = frames_by_stamp(read_frames_file(camera_values['frames_file']))
    assert hands.keys() <= frames.keys()
    assert {nanoseconds(m) for m in messages['/image']} <= frames.keys()
    # A picture that gets lost on its way, or whose answer does, is sent again.
    answers = {frames[stamp]: message for stamp, message in sorted(hands.items())}
    assert list(answers) == list(range(len(RGBS)))
    assert len(messages['/topology']) == 1
    np.testing.assert_array_equal(np.reshape(messages['/camera_info'][0].k, (3, 3)), MATRIX)
    found = numbers(answers.values())
    if os.environ.get('HANDMESH_WRITE_GOLDEN'):
        GOLDEN.write_text(json.dumps(found, separators=(',', ':')) + '\n')
    golden = json.loads(GOLDEN.read_text())
    assert [[h['side'] for h in frame] for frame in found] == [
        [h['side'] for h in frame] for frame in golden
    ]
    for number, (frame, expected) in enumerate(zip(found, golden, strict=True)):
        # From the second image on, crops depend on what the tracker did before and when it looked
        # for hands again: the painted hands then move by up to 0.03 pixels and 0.4 mm.
        pixels, metres = (0.05, 5e-4) if number == 0 else (0.1, 1e-3)
        for hand, true in zip(frame, expected, strict=True):
            np.testing.assert_allclose(hand['joints_image'], true['joints_image'], atol=pixels)
            np.testing.assert_allclose(hand['joints_camera'], true['joints_camera'], atol=metres)


def test_what_the_recorder_cannot_do_is_named(start, tmp_path):
    (tmp_path / 'there').mkdir()
    for values, said in (
        ({}, "parameter 'out' is empty"),
        ({'out': tmp_path / 'there'}, 'exists already'),
        ({'out': tmp_path / 'new', 'storage': 'zip'}, "'storage' is 'zip'"),
    ):
        process = start(['-m', 'handmesh_ros.bag_recorder', *parameters(**values)])
        assert process.process.wait(TIMEOUT) == 1
        assert said in process.text()
        assert 'Traceback' not in process.text()


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Packages whose messages refer to others, to some not installed, or that are odd."""
    bag_writer._store.cache_clear()
    for package, name, text in (
        ('arms', 'Arm', 'grippers/Gripper gripper\nstd_msgs/Header header\n'),
        ('arms', 'Lost', 'nowhere/Thing thing\n'),
        ('arms', 'Odd', 'wstring<=3 s\n'),
        ('arms', 'Pair', 'Odd[2] odd\n'),
        ('arms', 'Chain', 'Arm[<=3] arms\n'),
        ('grippers', 'Gripper', 'float64 opening\n'),
    ):
        folder = tmp_path / 'share' / package / 'msg'
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f'{name}.msg').write_text(text)
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(tmp_path))


def test_definitions_that_others_refer_to_are_found(packages, tmp_path):
    writer = bag_writer.BagWriter(tmp_path / 'bag')
    writer.add('/arm', 'arms/msg/Arm')
    writer.add('/chain', 'arms/msg/Chain')
    with pytest.raises(ConfigError, match="definition of 'arms/msg/Lost' is incomplete"):
        writer.add('/lost', 'arms/msg/Lost')
    writer.close()


@pytest.mark.parametrize('kind', ['arms/msg/Odd', 'arms/msg/Pair'])
def test_a_definition_that_rosbags_does_not_understand_is_named(packages, tmp_path, kind):
    writer = bag_writer.BagWriter(tmp_path / 'bag')
    with pytest.raises(ConfigError, match=r"cannot read the definition '.*Odd\.msg'"):
        writer.add('/odd', kind)
    writer.add('/arm', 'arms/msg/Arm')
    writer.close()


def test_definitions_of_the_messages_are_found():
    from handmesh_ros.bag_writer import _store_with

    assert 'handmesh_ros/msg/Hand' in _store_with('handmesh_ros/msg/HandArray').types
