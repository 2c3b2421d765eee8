"""
EgoDexter (Mueller et al., ICCV 2017) in its published layout.

``data/Desk``, ``Fruits``, ``Kitchen`` and ``Rotunda`` each have ``color/image_00000_color.png``
(640 x 480 pixels) and ``annotation.txt_3D.txt``, one line a frame: the fingertips from thumb to
pinky as ``x, y, z;`` in millimetres of the depth camera's frame, zeros where a tip is not
annotated. All hands are left ones. For evaluation only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from handmesh_model.camera import project
from handmesh_model.datasets.files import read_rgb, require
from handmesh_model.errors import DatasetError
from handmesh_model.hand import HandBox, Side
from handmesh_model.joints import FINGERS

NAME = 'EgoDexter'
SEQUENCES = ('Desk', 'Fruits', 'Kitchen', 'Rotunda')
INTRINSICS = np.array([[617.173, 0, 315.453], [0, 617.173, 242.259], [0, 0, 1]])
"""Of the colour camera, from the dataset's calibration."""
COLOR_FROM_DEPTH = np.array(
    [
        [1.0000, 0.00090442, -0.0074, 0.0202365],
        [-0.00071933, 0.9997, 0.0248, 0.0012846],
        [0.0075, -0.0248, 0.9997, 0.0057360],
    ]
)
"""From the depth camera's frame to the colour camera's, metres; from the calibration."""
REACH = 0.20
"""Side in metres of a box around the fingertips that holds the whole hand in most views."""
MM = 1000.0


@dataclass(frozen=True, eq=False)
class TipRecord:
    """
    A frame with annotated fingertips of a left hand.

    :param tips_camera: (5, 3) metres in the colour camera's frame, thumb to pinky, NaN for none.
    """

    path: Path
    sequence: str
    tips_camera: np.ndarray
    side: ClassVar[Side] = 'left'

    @property
    def name(self) -> str:
        """The frame's, unique in the dataset."""
        return f'{self.sequence}/{self.path.stem}'

    def load(self) -> np.ndarray:
        """Read the picture, (480, 640, 3) uint8 RGB."""
        return read_rgb(self.path)

    @property
    def box(self) -> HandBox:
        """A box that should hold the hand: the annotation does not say more than the tips."""
        tips = self.tips_camera[np.isfinite(self.tips_camera).all(axis=1)]
        tight = HandBox.around(project(tips, INTRINSICS))
        half = max(tight.width, tight.height, REACH * INTRINSICS[0, 0] / tips[:, 2].mean()) / 2
        x, y = tight.center
        return HandBox(x - half, y - half, x + half, y + half, side=self.side)


def read_egodexter(root: str | Path, sequences: tuple[str, ...] = SEQUENCES) -> list[TipRecord]:
    """
    Read all frames with at least one annotated fingertip.

    :param root: the folder that holds ``data``, or ``data`` itself.
    :raises DatasetError: if a file is missing or a line cannot be understood.
    """
    root = Path(root)
    if (root / 'data').is_dir():
        root = root / 'data'
    records = []
    for sequence in sequences:
        path = require(root, f'{sequence}/annotation.txt_3D.txt', NAME)
        require(root, f'{sequence}/color', NAME)
        for frame, tips in enumerate(read_tips(path)):
            if np.isfinite(tips).any():
                picture = require(root, f'{sequence}/color/image_{frame:05d}_color.png', NAME)
                records.append(TipRecord(picture, sequence, tips))
    if not records:
        raise DatasetError(f"{NAME}: no fingertip is annotated in '{root}'")
    return records


def read_tips(path: Path) -> np.ndarray:
    """
    Read an annotation file.

    :returns: (N, 5, 3) metres in the colour camera's frame, NaN where there is no annotation.
    :raises DatasetError: if a line does not have three numbers a finger.
    """
    rows = []
    # Pictures are numbered by line: one left out as empty would shift all that come after it.
    for number, line in enumerate(path.read_text().rstrip().splitlines(), start=1):
        try:
            values = [float(text) for text in re.split(r'[;,]', line) if text.strip()]
        except ValueError as error:
            raise DatasetError(f"'{path}' line {number}: {error}") from error
        if len(values) != 3 * len(FINGERS):
            raise DatasetError(
                f"'{path}' line {number} has {len(values)} numbers, expected {3 * len(FINGERS)}"
            )
        rows.append(values)
    tips = np.array(rows).reshape(-1, len(FINGERS), 3) / MM
    known = (tips != 0).any(axis=2)
    moved = tips @ COLOR_FROM_DEPTH[:, :3].T + COLOR_FROM_DEPTH[:, 3]
    return np.where(known[..., None], moved, np.nan)
