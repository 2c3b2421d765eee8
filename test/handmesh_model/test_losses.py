"""The training losses: values worked out by hand, masks, batches with nothing to learn from."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from handmesh_model.losses import (
    HandMeshLoss,
    LossWeights,
    heatmap_loss,
    known_bce,
    map_loss,
    segmentation_loss,
)
from handmesh_model.topology import HandTopology

FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])
BINS = 16


@pytest.fixture
def topology():
    regressor = np.full((21, 4), 0.25, dtype=np.float32)
    return HandTopology(FACES, regressor, vertex_parts=np.array([0, 1, 2, 3]))


def make_outputs(batch_size=3, **changes):
    generator = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.rand(*shape, generator=generator).requires_grad_()

    fields = {
        'rough_vertices': random(batch_size, 4, 3),
        'vertices': random(batch_size, 4, 3),
        'joints': random(batch_size, 21, 3),
        'presence': random(batch_size),
        'side': random(batch_size),
        'confidence': None,
        'segmentation': random(batch_size, 2, 8, 8),
        'stage_joints': random(batch_size, 21, 3),
        'heatmaps': {f'joint_{axis}': random(batch_size, 21, BINS) for axis in 'xyz'},
    }
    return SimpleNamespace(**(fields | changes))


def make_batch(batch_size=3, valid=True):
    generator = torch.Generator().manual_seed(1)
    return {
        'vertices': torch.rand(batch_size, 4, 3, generator=generator) * 10,
        'joints': torch.rand(batch_size, 21, 3, generator=generator) * (BINS - 1),
        'mask': torch.randint(0, 2, (batch_size, 8, 8), generator=generator).to(torch.uint8),
        'mesh_valid': torch.full((batch_size,), valid),
        'presence': torch.ones(batch_size),
        'side': torch.ones(batch_size),
    }


def leaves(outputs):
    return {
        'rough_vertices': outputs.rough_vertices,
        'vertices': outputs.vertices,
        'joints': outputs.joints,
        'stage_joints': outputs.stage_joints,
        'segmentation': outputs.segmentation,
        'presence': outputs.presence,
        'side': outputs.side,
        **outputs.heatmaps,
    }


def test_total_is_the_weighted_sum_and_reaches_every_output(topology):
    weights = LossWeights(normal=0.3, heatmap=0.7, render=2.0)
    outputs = make_outputs()
    terms = HandMeshLoss(weights, topology)(outputs, make_batch())
    expected = sum(getattr(weights, name) * terms[name] for name in terms if name != 'total')
    torch.testing.assert_close(terms['total'], expected)
    terms['total'].backward()
    for name, leaf in leaves(outputs).items():
        assert leaf.grad is not None, name
        assert leaf.grad.abs().sum() > 0, name


def test_outputs_of_fewer_rows_are_compared_with_the_first_samples(topology):
    batch, few = make_batch(3), make_outputs(2)
    fields = ('rough_vertices', 'vertices', 'joints')
    outputs = make_outputs(3, **{name: getattr(few, name) for name in fields})
    first = {name: values[:2] for name, values in batch.items()}
    loss = HandMeshLoss(LossWeights(render=1.0), topology)
    part, alone = loss(outputs, batch), loss(few, first)
    for name in ('rough_mesh', 'mesh', 'joints', 'normal', 'edge', 'render'):
        torch.testing.assert_close(part[name], alone[name], msg=name)
    whole = loss(make_outputs(3), batch)
    torch.testing.assert_close(part['stage_joints'], whole['stage_joints'])


@pytest.mark.parametrize('refined_joints', [True, False])
def test_each_output_is_compared_with_the_samples_it_has(topology, refined_joints):
    batch = make_batch(4)
    batch['mesh_valid'][1] = False
    rough, refined = make_outputs(3), make_outputs(2)
    joints = (refined if refined_joints else rough).joints
    mixed = {'rough_vertices': rough.rough_vertices, 'vertices': refined.vertices}
    outputs = make_outputs(4, joints=joints, **mixed)
    loss = HandMeshLoss(LossWeights(render=1.0), topology)
    terms = loss(outputs, batch)

    def alone(few, rows):
        return loss(few, {name: values[:rows] for name, values in batch.items()})

    of_rough, of_refined = alone(rough, 3), alone(refined, 2)
    for name in ('rough_mesh', 'rough_normal', 'rough_edge'):
        torch.testing.assert_close(terms[name], of_rough[name], msg=name)
    for name in ('mesh', 'normal', 'edge', 'render'):
        torch.testing.assert_close(terms[name], of_refined[name], msg=name)
    expected = (of_refined if refined_joints else of_rough)['joints']
    torch.testing.assert_close(terms['joints'], expected)
    terms['total'].backward()
    # Means over the valid rows: of the two refined ones one counts, and it counts in full.
    assert not outputs.vertices.grad[1].any()
    assert outputs.vertices.grad[0].any()
    assert outputs.rough_vertices.grad.flatten(1).any(dim=1).tolist() == [True, False, True]


def test_zero_weight_and_absent_head_leave_the_term_out(topology):
    outputs = make_outputs(presence=None, side=None, heatmaps=None)
    terms = HandMeshLoss(LossWeights(rough_edge=0.0, rough_normal=0.0, render=1.0), topology)(
        outputs, make_batch()
    )
    assert set(terms) == {
        'rough_mesh',
        'mesh',
        'joints',
        'stage_joints',
        'normal',
        'edge',
        'render',
        'segmentation',
        'total',
    }


def test_batch_with_nothing_to_learn_gives_zero_within_the_graph(topology):
    batch = make_batch(valid=False)
    batch['vertices'][:] = float('nan')
    batch['mask'][:] = 255
    batch['side'][:] = -1
    outputs = make_outputs()
    terms = HandMeshLoss(LossWeights(presence=0.0, render=1.0), topology)(outputs, batch)
    assert terms['total'].item() == 0.0
    terms['total'].backward()
    for name, leaf in leaves(outputs).items():
        if name != 'presence':
            assert leaf.grad is not None, name
            assert torch.equal(leaf.grad, torch.zeros_like(leaf)), name


def test_half_precision_outputs_give_float32_losses(topology):
    outputs = make_outputs()
    halves = SimpleNamespace(
        **{
            name: value.half() if isinstance(value, torch.Tensor) else value
            for name, value in vars(outputs).items()
        }
    )
    terms = HandMeshLoss(LossWeights(), topology)(halves, make_batch())
    assert all(value.dtype == torch.float32 for value in terms.values())
    assert torch.isfinite(terms['total'])


def test_segmentation_class_order_and_ignored_pixels():
    probability = torch.tensor([0.9, 0.1]).view(1, 2, 1, 1).expand(1, 2, 2, 2)
    mask = torch.tensor([[[1, 255], [255, 255]]], dtype=torch.uint8)
    hand = segmentation_loss(probability.log(), mask)
    assert hand.item() == pytest.approx(-np.log(0.9), rel=1e-5)
    mask[0, 1, 1] = 0
    both = segmentation_loss(probability.log(), mask)
    assert both.item() == pytest.approx(-(np.log(0.9) + np.log(0.1)) / 2, rel=1e-5)


def test_unknown_side_does_not_count():
    logits = torch.tensor([0.0, 50.0])
    loss = known_bce(logits, torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0]))
    assert loss.item() == pytest.approx(np.log(2), rel=1e-5)


def test_vertex_heatmaps_have_their_own_weight(topology):
    maps = {f'vertex_{axis}': torch.zeros(3, 4, BINS) for axis in 'xyz'}
    outputs = make_outputs(heatmaps=maps)
    assert 'vertex_heatmap' not in HandMeshLoss(LossWeights(), topology)(outputs, make_batch())
    terms = HandMeshLoss(LossWeights(vertex_heatmap=1.0), topology)(outputs, make_batch())
    assert terms['vertex_heatmap'].item() == pytest.approx(np.log(BINS), rel=1e-5)
    assert 'heatmap' not in terms


def test_heatmap_target_is_shared_between_neighbouring_bins():
    share = torch.tensor([0.75, 0.25])
    logits = torch.full((1, 1, BINS), -30.0)
    logits[0, 0, 3:5] = share.log()
    points = torch.tensor([[[3.25, 0.0, 0.0]]])
    entropy = -(share * share.log()).sum()
    loss = heatmap_loss({'x': logits}, points, torch.tensor([True]))
    torch.testing.assert_close(loss, entropy, atol=1e-5, rtol=0)
    position = (logits.softmax(-1) * torch.arange(BINS)).sum()
    assert position.item() == pytest.approx(3.25, abs=1e-4)


def test_heatmap_positions_outside_the_bins_do_not_count():
    logits = torch.zeros(1, 3, BINS, requires_grad=True)
    joints = torch.tensor([[[-0.5, 0, 0], [BINS - 1, 0, 0], [BINS - 0.5, 0, 0]]])
    heatmap_loss({'x': logits}, joints, torch.tensor([True])).backward()
    used = logits.grad.abs().sum(dim=-1)[0] > 0
    assert used.tolist() == [False, True, False]


def test_map_loss_is_least_where_the_joint_is():
    x, y = 3.25, 9.5
    shares = {(9, 3): 0.375, (9, 4): 0.125, (10, 3): 0.375, (10, 4): 0.125}
    maps = torch.full((1, 1, BINS, BINS), -30.0)
    for (row, column), share in shares.items():
        maps[0, 0, row, column] = np.log(share)
    loss = map_loss(maps, torch.tensor([[[x, y, 7.0]]]), torch.tensor([True]))
    entropy = -sum(share * np.log(share) for share in shares.values())
    assert loss.item() == pytest.approx(entropy, abs=1e-4)
    flat = map_loss(torch.zeros_like(maps), torch.tensor([[[x, y]]]), torch.tensor([True]))
    assert flat.item() == pytest.approx(np.log(BINS**2), abs=1e-5)


def test_map_loss_counts_what_is_on_the_map_and_valid():
    maps = torch.zeros(2, 3, BINS, BINS, requires_grad=True)
    joints = torch.tensor([[[-0.5, 3.0], [BINS - 1, BINS - 1], [3.0, BINS - 0.5]]]).repeat(2, 1, 1)
    map_loss(maps, joints, torch.tensor([True, False])).backward()
    used = maps.grad.abs().sum(dim=(2, 3)) > 0
    assert used.tolist() == [[False, True, False], [False, False, False]]
    nothing = map_loss(maps, joints, torch.tensor([False, False]))
    assert nothing.item() == 0
