"""The differentiable painting: areas, gradients, and meshes pulled back by the loss alone."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from handmesh_model.rendering import PART_COLORS, PartRenderer, face_parts, render_loss
from handmesh_model.topology import HandTopology

SIZE = 64
INDEX = 2
WHITE = ((1.0,),) * 6
# Fingers up, the back of the hand towards the camera.
UPRIGHT = torch.tensor([[0.0, -1, 0], [-1, 0, 0], [0, 0, -1]])
PIXELS_PER_METRE = 0.8 * SIZE / 0.19


@pytest.fixture(scope='module')
def hand():
    return HandTopology.open_hand()


def rotation(vector):
    """Rotation matrix of an axis-angle vector, differentiable at zero too."""
    cross = torch.linalg.cross(torch.eye(3), vector.expand(3, 3))
    return torch.linalg.matrix_exp(cross.T)


def posed(hand, turn, bend):
    """The open hand turned as a whole, its index finger bent, in the picture's pixels."""
    vertices = torch.tensor(hand.template)
    joints = torch.tensor(hand.template_joints)
    knuckle = joints[1 + 4 * (INDEX - 1)]
    along = joints[4 * INDEX] - knuckle
    axis = torch.nn.functional.normalize(
        torch.linalg.cross(along, torch.tensor([0.0, 0, 1])), dim=0
    )
    finger = torch.from_numpy(hand.vertex_parts == INDEX)
    bent = (vertices - knuckle) @ rotation(axis * bend).T + knuckle
    vertices = torch.where(finger[:, None], bent, vertices)
    centred = vertices - torch.tensor(hand.template).mean(dim=0)
    placed = centred @ rotation(turn).T @ UPRIGHT.T * PIXELS_PER_METRE
    return placed + torch.tensor([(SIZE - 1) / 2, (SIZE - 1) / 2, 0])


def quad(*parts):
    """Quads side by side along x, each of one part, as a topology; 4 vertices a quad."""
    faces = [
        [4 * i + a, 4 * i + b, 4 * i + c]
        for i in range(len(parts))
        for a, b, c in ((0, 1, 2), (0, 2, 3))
    ]
    count = 4 * len(parts)
    return HandTopology(np.array(faces), np.full((21, count), 1 / count), np.repeat(parts, 4))


def corners(left, right, top, bottom):
    return [[left, top, 0], [right, top, 0], [right, bottom, 0], [left, bottom, 0]]


@pytest.mark.parametrize('angle', [0.0, 10.0, 45.0, 77.0])
def test_painted_area_is_the_area_of_the_shape(angle):
    renderer = PartRenderer(quad(1), SIZE, WHITE)
    turn = torch.tensor(Rotation.from_euler('z', angle, degrees=True).as_matrix())
    shape = torch.tensor([corners(-11.3, 12.1, -8.4, 9.2)], dtype=torch.float64)
    image = renderer(shape @ turn.T + torch.tensor([31.37, 30.8, 0]))
    assert image.sum().item() == pytest.approx(23.4 * 17.6, rel=0.01)
    assert image.min() >= -1e-6
    assert image.max() <= 1 + 1e-6


def test_gradient_of_the_area_is_the_length_of_the_side():
    renderer = PartRenderer(quad(1), SIZE, WHITE)
    shape = torch.tensor([corners(10.3, 40.1, 12.4, 32.2)], requires_grad=True)
    renderer(shape).sum().backward()
    grad = shape.grad[0]
    # Moving the right side outwards by one pixel adds its height, shared by its two corners.
    height, width = 20, 30
    assert grad[1, 0] + grad[2, 0] == pytest.approx(height, rel=0.06)
    assert grad[0, 0] + grad[3, 0] == pytest.approx(-height, rel=0.06)
    assert grad[2, 1] + grad[3, 1] == pytest.approx(width, rel=0.06)
    assert grad[:, 2].abs().max() == 0


def test_boundary_between_parts_has_a_gradient_too():
    """A thumb over the palm: moving its border changes the colours, not the silhouette."""
    renderer = PartRenderer(quad(0, 1), SIZE)
    palm, thumb = corners(5, 58, 5, 58), corners(20.3, 30.2, 15.4, 45.3)
    shape = torch.tensor([palm + thumb])
    shape[0, :4, 2] = 1.0
    shape.requires_grad_()
    renderer(shape)[0, 1].sum().backward()
    grad = shape.grad[0]
    assert grad[5, 0] + grad[6, 0] == pytest.approx(30, rel=0.06)
    assert grad[:4].abs().max() == 0


def test_gradients_agree_with_finite_differences_on_a_hand(hand):
    """Along whole paths, so that what is measured is not one pixel's luck."""
    renderer = PartRenderer(hand, SIZE)
    generator = torch.Generator().manual_seed(0)
    weight = torch.nn.functional.avg_pool2d(
        torch.rand(1, 3, SIZE, SIZE, generator=generator), 9, 1, 4
    )
    steps = torch.linspace(0, 1, 21)
    for seed in range(4):
        turn = torch.tensor(Rotation.random(random_state=seed).as_rotvec(), dtype=torch.float32)
        start = posed(hand, turn, torch.tensor(0.3))
        centre = start.mean(dim=0)
        for matrix in (
            torch.diag(torch.tensor([1.0, 1, 0])),
            torch.tensor([[0.0, 0, 1], [0, 0, 0], [0, 0, 0]]),
        ):
            direction = (start - centre) @ matrix.T / 20
            path = (start + steps[:, None, None] * direction).requires_grad_()
            values = (renderer(path) * weight * 3).sum(dim=(1, 2, 3))
            grad = torch.autograd.grad(values.sum(), path)[0]
            slopes = (grad * direction).sum(dim=-1)
            # What all vertices would change if none made up for another.
            activity = slopes.abs().sum(dim=1).mean().item()
            integral = torch.trapezoid(slopes.sum(dim=1), steps).item()
            difference = (values[-1] - values[0]).item()
            assert integral == pytest.approx(difference, abs=0.06 * activity)


def descend(hand, turn, bend, steps=60, rate=0.04):
    """Minimise the render loss over pose parameters; mean vertex distance before and after."""
    renderer = PartRenderer(hand, SIZE)
    target = posed(hand, torch.zeros(3), torch.tensor(0.0))[None]
    parameters = [p for p in (turn, bend) if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)

    def distance():
        return (posed(hand, turn, bend)[None] - target).norm(dim=-1).mean().item()

    before = distance()
    for _ in range(steps):
        optimizer.zero_grad()
        mesh = posed(hand, turn, bend)[None]
        render_loss(renderer, mesh, target, torch.tensor([True])).backward()
        optimizer.step()
        schedule.step()
    return before, distance()


@pytest.mark.parametrize('turn', [(0.0, 0.0, 0.35), (0.3, -0.25, 0.2)])
def test_rotated_mesh_is_pulled_back(hand, turn):
    before, after = descend(hand, torch.tensor(turn, requires_grad=True), torch.tensor(0.0))
    assert before > 4
    assert after < 0.2


def test_bent_finger_is_pulled_back(hand):
    before, after = descend(hand, torch.zeros(3), torch.tensor(0.7, requires_grad=True))
    assert before > 1.5
    assert after < 0.05


def test_turn_and_bend_are_undone_together(hand):
    turn = torch.tensor([0.2, -0.2, 0.2], requires_grad=True)
    before, after = descend(hand, turn, torch.tensor(0.7, requires_grad=True))
    assert before > 5
    assert after < 0.2


def test_loss_without_valid_samples_is_zero_within_the_graph(hand):
    renderer = PartRenderer(hand, SIZE)
    mesh = torch.rand(2, hand.vertex_count, 3, requires_grad=True)
    loss = render_loss(renderer, mesh, torch.full_like(mesh, torch.nan), torch.zeros(2).bool())
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(mesh.grad, torch.zeros_like(mesh))


def test_loss_counts_valid_samples_alone(hand):
    renderer = PartRenderer(hand, SIZE)
    target = posed(hand, torch.zeros(3), torch.tensor(0.0)).expand(2, -1, -1)
    moved = target + torch.tensor([2.0, 0, 0])
    one = render_loss(renderer, moved[:1], target[:1], torch.tensor([True]))
    broken = torch.stack([target[0], torch.full_like(target[0], torch.nan)])
    both = render_loss(renderer, moved, broken, torch.tensor([True, False]))
    torch.testing.assert_close(one, both)
    assert one > 0.1


def test_face_takes_the_part_of_most_of_its_vertices():
    topology = HandTopology(
        np.array([[0, 1, 2], [1, 2, 3]]), np.full((21, 4), 0.25), np.array([5, 1, 5, 1])
    )
    assert face_parts(topology).tolist() == [5, 1]


def test_six_parts_have_six_colours(hand):
    maps = PartRenderer(hand, SIZE).part_maps(posed(hand, torch.zeros(3), torch.tensor(0.0))[None])
    assert set(maps.unique().tolist()) == {-1, 0, 1, 2, 3, 4, 5}
    assert len(set(PART_COLORS)) == 6
