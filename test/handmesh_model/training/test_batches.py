"""What a batch is made of."""

import numpy as np

from handmesh_model.training.batches import CROP_FIELDS, empty_batch


def test_empty_batch_has_the_batch_s_arrays():
    batch = empty_batch(3, 64, 50)
    assert {name: (value.shape, value.dtype) for name, value in batch.items()} == {
        'image': ((3, 64, 64, 3), np.uint8),
        'vertices': ((3, 50, 3), np.float32),
        'joints': ((3, 21, 3), np.float32),
        'mask': ((3, 32, 32), np.uint8),
        'mesh_valid': ((3,), bool),
        'presence': ((3,), np.float32),
        'side': ((3,), np.float32),
    }
    assert tuple(batch) == CROP_FIELDS
