"""A crop sample with coloured spots where its labels are, and no variation at all."""

import cv2
import numpy as np

from handmesh_model.training.config import AugmentationConfig

SIZE = 128
STILL = dict.fromkeys(vars(AugmentationConfig()), 0.0)
SPOTS = np.array([[40.5, 50.5, 0.01], [80, 44, -0.02], [60, 90, 0.03]], np.float32)
COLORS = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]


def spotted():
    image = np.full((SIZE, SIZE, 3), 90, np.uint8)
    mask = np.zeros((SIZE // 2, SIZE // 2), np.uint8)
    for spot, color in zip(SPOTS, COLORS, strict=True):
        cv2.circle(image, spot[:2].astype(int).tolist(), 5, color, -1)
    cv2.circle(mask, (20, 25), 4, 1, -1)
    joints = np.zeros((21, 3), np.float32)
    joints[:3] = SPOTS
    return {
        'image': image,
        'vertices': SPOTS,
        'joints': joints,
        'mask': mask,
        'mesh_valid': np.bool_(True),
        'presence': np.float32(1),
        'side': np.float32(0),
    }


LACKING = ('numbers of vertices', 'numbers of joints', 'anything but zeros')


def lacking(kind):
    """The sample, a left hand's, without the labels of its mesh."""
    sample = spotted() | {'mesh_valid': np.bool_(False), 'vertices': SPOTS.copy()}
    if kind == 'numbers of vertices':
        sample['vertices'][1, 0] = np.nan
    elif kind == 'numbers of joints':
        sample['joints'][:] = np.nan
    else:
        sample['vertices'][:], sample['joints'][:] = 0, 0
    return sample
