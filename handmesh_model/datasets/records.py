"""What all datasets have in common: one hand in one picture, and training samples cut from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from handmesh_model.camera import project, relative_depth
from handmesh_model.datasets.augmentation import PaperAugmentation, crop_sample
from handmesh_model.errors import DatasetError
from handmesh_model.hand import HandBox, Side
from handmesh_model.joints import BONES, MIDDLE_KNUCKLE, WRIST
from handmesh_model.scale_solver import rigid_lengths
from handmesh_model.topology import HandTopology


@dataclass(frozen=True, eq=False)
class HandRecord:
    """
    One hand in one picture, as a dataset has it.

    :param name: of the sample, unique in its dataset.
    :param load: reads the picture, (H, W, 3) uint8 RGB.
    :param intrinsics: (3, 3).
    :param joints_camera: (21, 3) metres, camera frame; None where they are kept secret.
    :param vertices_camera: (V, 3) metres, camera frame, or None.
    :param load_mask: reads the silhouette, (H, W) uint8, 1 hand, 0 background, 255 not known; None
        if there is none.
    :param reference_bone: metres from the middle knuckle to the next joint of that finger, where
        it is told beside the joints, which may be kept secret.
    """

    name: str
    load: Callable[[], np.ndarray]
    intrinsics: np.ndarray
    side: Side = 'right'
    joints_camera: np.ndarray | None = None
    vertices_camera: np.ndarray | None = None
    load_mask: Callable[[], np.ndarray] | None = None
    reference_bone: float | None = None

    @property
    def box(self) -> HandBox | None:
        """The tight box around the vertices (the joints without them), if there are any."""
        points = self.joints_camera if self.vertices_camera is None else self.vertices_camera
        if points is None:
            return None
        return HandBox.around(project(points, self.intrinsics), side=self.side)

    def hand_size(self, topology: HandTopology) -> float | None:
        """
        Metres from wrist to middle knuckle, if anything tells: what the dataset gives away with
        the picture, else the true joints.

        :param topology: its proportions turn the reference bone into the hand's size; see
            :func:`handmesh_model.scale_solver.rigid_lengths`, whose pairs begin with the bones.
        """
        # The bone first: figures must not depend on whether the answers are at hand.
        if self.reference_bone is not None:
            bones = rigid_lengths(topology)
            bone = bones[BONES.index((MIDDLE_KNUCKLE, MIDDLE_KNUCKLE + 1))]
            return float(self.reference_bone * topology.hand_size / bone)
        if self.joints_camera is None:
            return None
        palm = self.joints_camera[MIDDLE_KNUCKLE] - self.joints_camera[WRIST]
        return float(np.linalg.norm(palm))

    @property
    def hand_size_source(self) -> str | None:
        """What :meth:`hand_size` rests on: 'reference bone', or an oracle's 'true joints'."""
        if self.reference_bone is not None:
            return 'reference bone'
        return None if self.joints_camera is None else 'true joints'


class HandDataset(ABC):
    """
    A map-style dataset of crop samples.

    :param size: side of the crops, pixels.
    :param augmentation: how to vary them; None for none.
    :param seed: what the variations are drawn from, together with the epoch and the index.
    :ivar depth_axis: what samples' depth is measured along, as the network to train wants it.
    :cvar parts: name of each split -> what it consists of; splits that share a part share
        pictures.
    :cvar root_relative: whether its figures are of points relative to the wrist.
    :cvar fingertips: vertices of MANO's mesh that its joints have the fingertips at, from thumb to
        pinky; None for those of the topology.
    """

    parts: ClassVar[Mapping[str, frozenset[str]]]
    root_relative: ClassVar[bool] = False
    fingertips: ClassVar[tuple[int, ...] | None] = None
    depth_axis: Literal['camera', 'ray'] = 'camera'

    def __init__(
        self, size: int = 256, augmentation: PaperAugmentation | None = None, seed: int = 0
    ) -> None:
        self.size = size
        self.augmentation = augmentation
        self.seed = seed
        self.epoch = 0

    @abstractmethod
    def __len__(self) -> int:
        """Number of samples."""

    @abstractmethod
    def record(self, index: int) -> HandRecord:
        """The sample as the dataset has it."""

    def set_epoch(self, epoch: int) -> None:
        """Draw other variations from now on."""
        self.epoch = epoch

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """
        A training sample.

        :returns: ``image`` (S, S, 3) uint8 RGB; ``vertices`` (V, 3), ``joints`` (21, 3) float32,
            crop pixels x, y and metres of depth from the wrist; ``mask`` (S/2, S/2) uint8, 1 hand,
            0 background, 255 ignored; ``mesh_valid``, ``presence``, ``side``.
        :raises DatasetError: if its mesh is kept secret, or a file of it cannot be used.
        """
        if not 0 <= index < len(self):
            raise IndexError(f'sample {index} of {len(self)}')
        rng = np.random.default_rng((self.seed, self.epoch, index))
        record = self.record(index)
        if record.joints_camera is None or record.vertices_camera is None:
            raise DatasetError(
                f'sample {index} ({record.name}) has no mesh, expected one to train on or to be '
                'validated on'
            )
        box = record.box
        assert box is not None
        joints = self._flat(record.joints_camera, record)
        vertices = self._flat(record.vertices_camera, record)
        mask = None if record.load_mask is None else record.load_mask()
        return crop_sample(
            record.load(), box, joints, vertices, mask, self.size, self.augmentation, rng
        )

    def _flat(self, points_camera: np.ndarray, record: HandRecord) -> np.ndarray:
        """(N, 3): pixels x, y of the picture and metres of depth from the wrist."""
        assert record.joints_camera is not None
        depth = relative_depth(points_camera, record.joints_camera, self.depth_axis)
        return np.column_stack([project(points_camera, record.intrinsics), depth])
