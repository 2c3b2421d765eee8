"""What a batch is made of."""

from handmesh_model.training.batches import empty_batch


def test_empty_batch_has_the_batch_s_arrays():
    shapes = {name: value.shape for name, value in empty_batch(3, 64, 50).items()}
    assert shapes == {
        'image': (3, 64, 64, 3),
        'vertices': (3, 50, 3),
        'joints': (3, 21, 3),
        'mask': (3, 32, 32),
        'mesh_valid': (3,),
        'presence': (3,),
        'side': (3,),
    }
