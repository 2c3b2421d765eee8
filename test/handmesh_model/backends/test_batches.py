import numpy as np
import pytest
import torch

from handmesh_model.backends.batches import Chunk, StaticPrograms, batch_sizes, plan
from handmesh_model.errors import BackendError


@pytest.mark.parametrize(
    ('most', 'sizes'), [(1, (1,)), (2, (1, 2)), (4, (1, 2, 4)), (6, (1, 2, 4, 6))]
)
def test_powers_of_two_and_the_largest_are_prepared(most, sizes):
    assert batch_sizes(most) == sizes


def test_no_crops_cannot_be_prepared_for():
    with pytest.raises(BackendError, match='max_batch is 0'):
        batch_sizes(0)


@pytest.mark.parametrize(
    ('count', 'chunks'),
    [
        (1, [Chunk(0, 1, 1)]),
        (3, [Chunk(0, 3, 4)]),
        (4, [Chunk(0, 4, 4)]),
        (9, [Chunk(0, 4, 4), Chunk(4, 8, 4), Chunk(8, 9, 1)]),
    ],
)
def test_crops_go_to_the_smallest_program_that_holds_them(count, chunks):
    assert plan(count, (1, 2, 4)) == chunks


class FakeProgram:
    """Sums each crop; what is behind the end of a chunk must not be seen."""

    def __init__(self, size, runs):
        self.inputs = torch.zeros(size, 2, 2, 3, dtype=torch.uint8)
        self.outputs = torch.full((size, 2), float('nan'))
        self.runs = runs

    def replay(self):
        self.runs.append(len(self.inputs))
        sums = self.inputs.flatten(1).float().sum(1)
        self.outputs[:, 0], self.outputs[:, 1] = sums, -sums


@pytest.mark.parametrize('count', [1, 2, 3, 4, 5, 11])
def test_every_crop_gets_its_own_row(count):
    runs, waits = [], []
    programs = StaticPrograms((1, 2, 4), lambda size: FakeProgram(size, runs), pinned=False)
    crops = np.random.default_rng(0).integers(0, 255, (count, 2, 2, 3)).astype(np.uint8)
    rows = programs.run(torch.from_numpy(crops), lambda: waits.append(1))
    sums = crops.reshape(count, -1).sum(1, dtype=int)
    np.testing.assert_array_equal(rows.numpy(), np.stack([sums, -sums], 1))
    assert len(runs) == len(plan(count, (1, 2, 4)))
    assert waits


def test_results_are_no_memory_of_a_program():
    programs = StaticPrograms((1,), lambda size: FakeProgram(size, []), pinned=False)
    first = programs.run(torch.ones(1, 2, 2, 3, dtype=torch.uint8), lambda: None)
    programs.run(torch.zeros(1, 2, 2, 3, dtype=torch.uint8), lambda: None)
    assert first.tolist() == [[12, -12]]
