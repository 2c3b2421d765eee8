"""The demo of teleoperation with true hands, all its processes real; slowly, for busy machines."""

import json

import cv2
import numpy as np
import pytest

pytest.importorskip('mujoco')

from handmesh_model.synthesis.clip import write_clip
from handmesh_ros import demo_teleop


@pytest.mark.slow
def test_the_robot_follows_a_clip(tmp_path, capfd):
    clip, _ = write_clip(tmp_path / 'clip.mp4', 3, 1.5, 160, 120, hand_count=2)
    out = tmp_path / 'out'
    words = ['--hands', 'truth', '--source', str(clip), '--out', str(out), '--pace', '0.05']
    code = demo_teleop.main(words)
    said = capfd.readouterr()
    assert code == 0, said
    folder = out / 'truth'
    report = json.loads((folder / 'report.json').read_text())
    assert report['hands'] == 'truth'
    assert report['frames'] == 45
    assert report['frames_followed'] >= 30
    assert report['mean_error_degrees']['seen'] < 3
    assert report['mean_error_degrees']['reached'] < 15
    assert {'SAFE', 'ENGAGED'} <= set(report['modes'])
    assert report['modes'][-1] == 'SAFE'
    capture = cv2.VideoCapture(str(folder / 'robot.mp4'))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) >= 30
    sheet = cv2.imread(str(folder / 'contact_sheet.png'))
    assert np.std(sheet) > 10
    assert cv2.imread(str(folder / 'angles.png')) is not None


def test_a_run_without_any_image_is_named(tmp_path):
    from handmesh_ros.processes import RunError
    from handmesh_ros.robot_record import RobotRecord
    from handmesh_ros.teleop_report import make_report

    clip, _ = write_clip(tmp_path / 'clip.mp4', 3, 0.1, 32, 32)
    frames = tmp_path / 'frames.jsonl'
    frames.write_text('')
    RobotRecord().save(tmp_path / 'robot.npz')
    with pytest.raises(RunError, match='saw no image'):
        make_report('truth', tmp_path, frames, clip, 0.1)


def test_what_cannot_work_is_named(tmp_path, capfd):
    assert demo_teleop.main(['--pace', '7']) == 1
    assert 'pace is 7.0, expected 0.01 to 1' in capfd.readouterr().err
    assert demo_teleop.main(['--source', str(tmp_path / 'no.mp4'), '--out', str(tmp_path)]) == 1
    assert 'no.mp4' in capfd.readouterr().err
