"""Real robot hands by dex-retargeting, where that is installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from handmesh_model.adapters import to_dex_retargeting
from handmesh_model.errors import ConfigError
from handmesh_model.extras import advice
from handmesh_model.hand import Side
from handmesh_model.scale_solver import RIGID_PAIRS, rigid_lengths
from handmesh_model.topology import HandTopology


class DexHand:
    """
    A robot hand whose joints dex-retargeting finds.

    It is shown every hand at the size of people's mean hand, which ``scaling_factor`` then is for:
    a hand whose scale comes to rest on something else moves no joint.

    :param config: one of its YAML files, for a hand of the side that is followed.
    :param urdf_folder: where the URDF that the file names lies; empty: as the file says.
    :raises ConfigError: if the package is missing, refuses the file or fails with it.
    """

    def __init__(self, config: str | Path, urdf_folder: str | Path = '') -> None:
        try:
            from dex_retargeting.retargeting_config import RetargetingConfig
        except ImportError as error:
            told = advice("parameter 'retargeting_config'", ['dex_retargeting'], 'retargeting')
            raise ConfigError(f'{told} ({error})') from error
        path = Path(config).expanduser()
        try:
            if urdf_folder:
                RetargetingConfig.set_default_urdf_dir(str(Path(urdf_folder).expanduser()))
            self._retargeting = RetargetingConfig.load_from_file(str(path)).build()
        except Exception as error:  # of many kinds: yaml, pinocchio, asserts
            raise ConfigError(f"dex-retargeting cannot use '{path}': {error}") from error
        self.names = tuple(self._retargeting.joint_names)
        robot = self._retargeting.optimizer.robot
        places = [robot.dof_joint_names.index(name) for name in self.names]
        self._limits = np.asarray(robot.joint_limits, dtype=np.float64)[places]
        self.open = np.clip(np.zeros(len(self.names)), *self._limits.T)
        self._try(path)

    def _try(self, path: Path) -> None:
        """Show it the open hand: some configurations fail only then, and a robot would wait."""
        joints = HandTopology.open_hand().template_joints.astype(np.float64)
        try:
            found = self.goal(joints, 'right', np.zeros(0))
        except Exception as error:  # of as many kinds
            raise ConfigError(f"dex-retargeting fails with '{path}': {error}") from error
        if found.shape != self.open.shape or not np.isfinite(found).all():
            raise ConfigError(
                f"dex-retargeting with '{path}' finds {found.tolist()} for the open hand, "
                f'expected {len(self.names)} finite joint positions'
            )

    def goal(self, joints: np.ndarray, side: Side, angles: np.ndarray) -> np.ndarray:
        """(N,) positions of the robot's joints for (21, 3) joints of a person, metres."""
        points = to_dex_retargeting(joints * _to_mean_size(joints), side)
        optimizer = self._retargeting.optimizer
        indices = optimizer.target_link_human_indices
        if optimizer.retargeting_type == 'POSITION':
            wanted = points[indices]
        else:
            wanted = points[indices[1]] - points[indices[0]]
        # Its optimizer lets joints go a little beyond their limits.
        return np.clip(self._retargeting.retarget(wanted), *self._limits.T)


def _to_mean_size(joints: np.ndarray) -> float:
    """What (21, 3) joints are to be multiplied by to be as large as the mean hand's."""
    first, second = RIGID_PAIRS.T
    size = float(np.linalg.norm(joints[first] - joints[second], axis=1).sum())
    return float(rigid_lengths(HandTopology.open_hand()).sum()) / max(size, 1e-6)
