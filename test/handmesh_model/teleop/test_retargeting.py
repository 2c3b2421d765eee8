"""A robot hand moved by dex-retargeting, where that is installed."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from handmesh_model.errors import ConfigError
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.poses import GESTURES
from handmesh_model.teleop.config import TeleopConfig
from handmesh_model.teleop.grasp_teleop import GraspTeleop
from handmesh_model.teleop.joint_angles import joint_angles
from handmesh_model.teleop.retargeting import DexHand
from handmesh_model.teleop.seen_hand import SeenHand

CONFIG = """
retargeting:
  type: vector
  urdf_path: two_fingers.urdf
  target_joint_names: [thumb, index]
  target_origin_link_names: [base, base]
  target_task_link_names: [thumb_tip, index_tip]
  target_link_human_indices: [[0, 0], [4, 8]]
  scaling_factor: 1.0
  low_pass_alpha: 1.0
"""


def _link(name: str, at: str, joint: str, parent: str) -> str:
    moves = '<axis xyz="0 1 0"/><limit lower="-0.3" upper="1.6" effort="1" velocity="9"/>'
    inertial = (
        '<inertial><mass value="0.1"/>'
        '<inertia ixx="1e-4" ixy="0" ixz="0" iyy="1e-4" iyz="0" izz="1e-4"/></inertial>'
    )
    kind = 'fixed' if joint.endswith('_end') else 'revolute'
    return (
        f'<link name="{name}">{inertial}</link><joint name="{joint}" type="{kind}">'
        f'<parent link="{parent}"/><child link="{name}"/><origin xyz="{at}"/>'
        f'{moves if kind == "revolute" else ""}</joint>'
    )


def write_hand(folder: Path) -> Path:
    """Two fingers along z that bend towards x, the operator's palm side."""
    links = ''.join(
        [
            '<link name="base"/>',
            _link('thumb_link', '0 0.03 0.04', 'thumb', 'base'),
            _link('thumb_tip', '0 0 0.08', 'thumb_end', 'thumb_link'),
            _link('index_link', '0 0.02 0.09', 'index', 'base'),
            _link('index_tip', '0 0 0.09', 'index_end', 'index_link'),
        ]
    )
    (folder / 'two_fingers.urdf').write_text(f'<robot name="two_fingers">{links}</robot>')
    config = folder / 'hand.yml'
    config.write_text(CONFIG)
    return config


def joints_of(pose: str) -> np.ndarray:
    model = HandModel.load()
    return model.pose(GESTURES[pose], np.zeros(model.shape_count)).joints.astype(float)


def needs_dex() -> None:
    pytest.importorskip(
        'dex_retargeting',
        reason='dex-retargeting is in the extra [retargeting], which make setup leaves out',
    )


def test_a_robot_finger_bends_as_the_persons(tmp_path: Path) -> None:
    needs_dex()
    hand = DexHand(write_hand(tmp_path), tmp_path)
    assert set(hand.names) == {'thumb', 'index'}
    index = hand.names.index('index')
    found = {}
    for pose in ('open', 'point', 'fist'):
        joints = joints_of(pose)
        for _ in range(5):
            goal = hand.goal(joints, 'right', joint_angles(joints, 'right'))
        assert goal.shape == (2,)
        assert (goal >= -0.3 - 1e-6).all()
        assert (goal <= 1.6 + 1e-6).all()
        found[pose] = goal[index]
    assert abs(found['point']) < 0.4
    assert found['fist'] > found['point'] + 0.4


def test_the_teleoperation_commands_its_joints(tmp_path: Path) -> None:
    needs_dex()
    hand = DexHand(write_hand(tmp_path), tmp_path)
    teleop = GraspTeleop(TeleopConfig(clutch='always'), hand)
    for i in range(100):
        now = 0.01 * i
        teleop.see(SeenHand(now, 'right', 1, joints_of('fist'), None), now)
        command = teleop.command(now, 0.01)
    assert len(command.positions) == 2
    assert command.positions[hand.names.index('index')] > 0.3


def test_a_wrong_configuration_is_named(tmp_path: Path) -> None:
    needs_dex()
    with pytest.raises(ConfigError, match=r'none\.yml'):
        DexHand(tmp_path / 'none.yml')
    (tmp_path / 'bad.yml').write_text('retargeting: {type: magic}')
    with pytest.raises(ConfigError, match=r'bad\.yml'):
        DexHand(tmp_path / 'bad.yml')


class Retargeting:
    """In the package's stead: keeps what is wanted of it."""

    joint_names: ClassVar = ['index']

    def __init__(self, found: float = 0.0, error: Exception | None = None) -> None:
        self.found, self.error = found, error
        robot = SimpleNamespace(dof_joint_names=self.joint_names)
        self.optimizer = SimpleNamespace(
            robot=SimpleNamespace(**vars(robot), joint_limits=[[-1.0, 1.0]]),
            target_link_human_indices=np.array([[0, 0], [4, 8]]),
            retargeting_type='VECTOR',
        )
        self.wanted: list[np.ndarray] = []

    def retarget(self, wanted: np.ndarray) -> np.ndarray:
        self.wanted.append(wanted)
        if self.error is not None:
            raise self.error
        return np.full(1, self.found)


def put_in_the_packages_stead(monkeypatch: pytest.MonkeyPatch, retargeting: Retargeting) -> None:
    config = SimpleNamespace(
        load_from_file=lambda path: SimpleNamespace(build=lambda: retargeting)
    )
    module = SimpleNamespace(RetargetingConfig=config)
    monkeypatch.setitem(sys.modules, 'dex_retargeting', SimpleNamespace())
    monkeypatch.setitem(sys.modules, 'dex_retargeting.retargeting_config', module)


def test_a_configuration_that_fails_with_the_first_hand_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = ValueError('Optimizer has 3 joints but non_target_qpos 0')
    put_in_the_packages_stead(monkeypatch, Retargeting(error=error))
    with pytest.raises(ConfigError, match=r"fails with 'hand\.yml': Optimizer has 3 joints"):
        DexHand('hand.yml')


def test_a_configuration_that_finds_no_numbers_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_in_the_packages_stead(monkeypatch, Retargeting(found=np.nan))
    with pytest.raises(ConfigError, match=r"'hand\.yml' finds \[nan\]"):
        DexHand('hand.yml')


def test_a_hand_is_shown_at_the_mean_size_whatever_its_scale(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    retargeting = Retargeting()
    put_in_the_packages_stead(monkeypatch, retargeting)
    hand = DexHand('hand.yml')
    retargeting.wanted.clear()
    joints = joints_of('pinch')
    for scale in (1.0, 1.05):
        hand.goal(scale * joints + (0, 0, 0.5), 'right', joint_angles(joints, 'right'))
    np.testing.assert_allclose(retargeting.wanted[1], retargeting.wanted[0], atol=1e-9)
    # That of the synthetic hand's own mean shape.
    lengths = np.linalg.norm(joints[[4, 8]] - joints[0], axis=1)
    found = np.linalg.norm(retargeting.wanted[0], axis=1)
    np.testing.assert_allclose(found, lengths, rtol=0.02)


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ('dex_retargeting', 'dex_retargeting.retargeting_config'):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r"dex-retargeting: pip install '\.\[retargeting\]'"):
        DexHand('hand.yml')
