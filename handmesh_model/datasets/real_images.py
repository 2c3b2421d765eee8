"""
Photographs of real hands with reference joints: a labelled set and a video clip.

Layout of the folder, of which either half may be absent: ``labelled/*.jpg`` with
``labelled_reference.npz`` (``files``, ``joints_image``, ``joints_camera``, ``intrinsics``,
``handedness``), and ``clip/*.jpg`` with ``clip_reference.npz`` (``files``, ``joints_image``,
``mask``, ``mask_valid``, ``reliable``). ``labelled_mediapipe.npz`` may hold another method's
joints for comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handmesh_model.datasets.files import read_npz, read_rgb, require
from handmesh_model.errors import DatasetError
from handmesh_model.hand import SIDES, HandBox, Side
from handmesh_model.joints import JOINT_COUNT

NAME = 'real images'
LABELLED, CLIP = 'labelled', 'clip'
"""Single photographs, and frames of a video, which resemble each other."""
JOINT_BOX_GROWTH = 1.17
"""
Side of the box around a hand's vertices over that around its joints.

The median over a clip of a moving hand with silhouettes (quartiles 1.16 and 1.22).
"""


@dataclass(frozen=True, eq=False)
class RealSample:
    """
    One photograph of one hand and what is known of it.

    :param joints_image: (21, 2) pixels.
    :param joints_camera: (21, 3) metres in the camera frame, if known.
    :param intrinsics: (3, 3), if known.
    :param mask: (H, W) bool silhouette of the hand without forearm, if known.
    :param mask_valid: (H, W) bool, where the silhouette can be trusted.
    :param reliable: whether the joints can be trusted.
    :param comparison_image: (21, 2) pixels, joints as another method sees them, if it does.
    :param comparison_camera: (21, 3) metres, the same root-relative.
    """

    path: Path
    side: Side
    joints_image: np.ndarray
    joints_camera: np.ndarray | None = None
    intrinsics: np.ndarray | None = None
    mask: np.ndarray | None = None
    mask_valid: np.ndarray | None = None
    reliable: bool = True
    comparison_image: np.ndarray | None = None
    comparison_camera: np.ndarray | None = None

    def load(self) -> np.ndarray:
        """Read the picture, (H, W, 3) uint8 RGB."""
        return read_rgb(self.path)

    @property
    def box(self) -> HandBox:
        """The tight box around the reference joints, with the side."""
        return HandBox.around(self.joints_image, side=self.side)

    @property
    def vertex_box(self) -> HandBox:
        """The joints' box grown to what a box around the hand's vertices would be."""
        x, y = self.box.center
        margin = max(self.box.width, self.box.height) * (JOINT_BOX_GROWTH - 1) / 2
        half_width, half_height = self.box.width / 2 + margin, self.box.height / 2 + margin
        return HandBox(
            x - half_width, y - half_height, x + half_width, y + half_height, side=self.side
        )


def read_labelled(root: str | Path) -> list[RealSample]:
    """
    Read the labelled photographs.

    :raises DatasetError: if a file is missing, its arrays do not belong together, or a hand is of
        no side.
    """
    root = Path(root)
    path = require(root, 'labelled_reference.npz', NAME)
    data = read_npz(path, ('files', 'joints_image', 'joints_camera', 'intrinsics', 'handedness'))
    _check_lengths(path, data)
    others = _comparison(root, data['files'])
    return [
        RealSample(
            path=require(root, f'labelled/{name}', NAME),
            side=_side(path, str(data['handedness'][i])),
            joints_image=data['joints_image'][i].astype(np.float64),
            joints_camera=data['joints_camera'][i].astype(np.float64),
            intrinsics=data['intrinsics'][i].astype(np.float64),
            comparison_image=others[0][i],
            comparison_camera=others[1][i],
        )
        for i, name in enumerate(data['files'])
    ]


def read_clip(root: str | Path) -> list[RealSample]:
    """
    Read the video clip, which shows a right hand.

    :raises DatasetError: if a file is missing or its arrays do not belong together.
    """
    root = Path(root)
    path = require(root, 'clip_reference.npz', NAME)
    data = read_npz(path, ('files', 'joints_image', 'mask', 'mask_valid', 'reliable'))
    _check_lengths(path, data)
    return [
        RealSample(
            path=require(root, f'clip/{name}', NAME),
            side='right',
            joints_image=data['joints_image'][i].astype(np.float64),
            mask=data['mask'][i],
            mask_valid=data['mask_valid'][i],
            reliable=bool(data['reliable'][i]),
        )
        for i, name in enumerate(data['files'])
    ]


def read_real_images(root: str | Path) -> dict[str, list[RealSample]]:
    """
    Read whatever the folder holds: 'labelled', 'clip', or both.

    :raises DatasetError: if it holds neither, or one of them in part.
    """
    root = Path(root)
    readers = {LABELLED: read_labelled, CLIP: read_clip}
    present = {
        name: reader(root)
        for name, reader in readers.items()
        if (root / name).is_dir() or (root / f'{name}_reference.npz').is_file()
    }
    if not present:
        raise DatasetError(
            f"{NAME}: '{root}' holds neither labelled_reference.npz with labelled/ nor "
            'clip_reference.npz with clip/'
        )
    return present


def _comparison(
    root: Path, files: np.ndarray
) -> tuple[list[np.ndarray | None], list[np.ndarray | None]]:
    """Joints of another method in image and space, None where it saw nothing."""
    path = root / 'labelled_mediapipe.npz'
    nothing: list[np.ndarray | None] = [None] * len(files)
    if not path.is_file():
        return nothing, nothing
    data = read_npz(path, ('files', 'joints_image', 'joints_world'))
    rows = {str(name): i for i, name in enumerate(data['files'])}

    def found(key: str) -> list[np.ndarray | None]:
        values = (data[key][rows[name]] if name in rows else None for name in map(str, files))
        return [v if v is not None and np.isfinite(v).all() else None for v in values]

    return found('joints_image'), found('joints_world')


def _side(path: Path, handedness: str) -> Side:
    if handedness not in SIDES:
        raise DatasetError(
            f"'{path}' has the handedness '{handedness}', expected 'left' or 'right'"
        )
    return handedness


def _check_lengths(path: Path, data: dict[str, np.ndarray]) -> None:
    count = len(data['files'])
    wrong = {key: value.shape for key, value in data.items() if value.shape[:1] != (count,)}
    if wrong:
        raise DatasetError(f"'{path}' has {count} files but arrays of the shapes {wrong}")
    if data['joints_image'].shape != (count, JOINT_COUNT, 2):
        shape = data['joints_image'].shape
        raise DatasetError(
            f"'{path}' has joints_image of shape {shape}, expected ({count}, {JOINT_COUNT}, 2)"
        )
