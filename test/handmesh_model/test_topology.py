"""Hand topology: checks, round trip, the open hand."""

import zipfile

import numpy as np
import pytest

from handmesh_model.errors import TopologyError
from handmesh_model.joints import JOINT_COUNT
from handmesh_model.topology import HandTopology


def strip(vertex_count=24):
    """A band of triangles with joints spread along it."""
    faces = np.array([[i, i + 1, i + 2] for i in range(vertex_count - 2)])
    regressor = np.eye(JOINT_COUNT, vertex_count)
    return faces, regressor


def test_edges_are_undirected_and_unique():
    topology = HandTopology([[0, 1, 2], [2, 1, 3]], strip(4)[1])
    assert topology.edges.tolist() == [[0, 1], [0, 2], [1, 2], [1, 3], [2, 3]]


def test_parts_are_derived_from_the_regressor():
    topology = HandTopology(*strip())
    assert set(topology.vertex_parts) == {0, 1, 2, 3, 4, 5}
    assert topology.vertex_parts[4] == 1
    assert topology.vertex_parts[20] == 5


def test_round_trip(tmp_path):
    faces, regressor = strip()
    template = np.random.default_rng(0).normal(size=(24, 3))
    topology = HandTopology(faces, regressor, template=template, name='strip')
    topology.save(tmp_path / 'strip.npz')
    loaded = HandTopology.load(tmp_path / 'strip.npz')
    assert loaded.name == 'strip'
    for field in ('faces', 'joint_regressor', 'vertex_parts', 'template'):
        np.testing.assert_array_equal(getattr(loaded, field), getattr(topology, field))


def test_a_file_is_called_what_was_asked_for(tmp_path):
    HandTopology(*strip()).save(tmp_path / 'strip')
    assert [path.name for path in tmp_path.iterdir()] == ['strip']
    assert HandTopology.load(tmp_path / 'strip').vertex_count == 24


def test_open_hand():
    hand = HandTopology.open_hand()
    assert 700 <= hand.vertex_count <= 850
    assert hand.vertex_count == len(hand.template)
    np.testing.assert_allclose(hand.joint_regressor.sum(axis=1), 1, atol=1e-4)
    assert 0.08 < hand.hand_size < 0.10
    assert (np.bincount(hand.vertex_parts, minlength=6) > 80).all()


def test_left_faces_are_wound_the_other_way():
    hand = HandTopology.open_hand()
    np.testing.assert_array_equal(hand.faces_of('left')[:, ::-1], hand.faces_of('right'))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'faces': [[0, 1, 99]]}, '0 to 99, expected 0 to 23'),
        ({'faces': np.zeros((0, 3))}, r'\(0, 3\)'),
        ({'joint_regressor': np.zeros((16, 24))}, r'\(16, 24\)'),
        ({'joint_regressor': np.full((21, 24), np.nan)}, 'NaN'),
        ({'faces': [[0, 1, 2 + 2**32]]}, 'faces holds 4294967298, expected whole numbers from -2'),
        ({'faces': [[0, 1, 2.7]]}, 'faces holds 2.7, expected whole numbers'),
        ({'faces': [[0, 1, np.nan]]}, 'faces holds nan, expected whole numbers'),
        ({'faces': [['0', '1', '2']]}, 'faces is of type <U1, expected whole numbers'),
        ({'faces': np.array([[0, 1, 2**63]], np.uint64)}, 'faces holds 9223372036854775808'),
        ({'vertex_parts': [256] * 24}, 'parts holds 256, expected whole numbers from 0 to 255'),
        ({'vertex_parts': [-1] * 24}, 'vertex_parts holds -1'),
        ({'vertex_parts': [0.5] * 24}, r'vertex_parts holds 0\.5'),
        ({'vertex_parts': [6] * 24}, 'vertex_parts has maximum 6, expected at most 5'),
        ({'vertex_parts': np.zeros(0)}, r'vertex_parts has shape \(0,\), expected \(24,\)'),
        ({'vertex_parts': [0, 1]}, r'\(2,\)'),
        ({'template': np.zeros((5, 3))}, r'\(5, 3\)'),
        ({'template': np.full((24, 3), np.nan)}, 'template holds NaN'),
        ({'template': [[0, 0, 0]] * 23 + [[np.inf, 0, 0]]}, 'template holds NaN or infinite'),
        ({'template': np.zeros((24, 3))}, r'0\.0 m from wrist to middle knuckle, expected more'),
        ({'joint_regressor': np.zeros((21, 20_001))}, '20001 vertices, expected 1 to 20000'),
        ({'joint_regressor': np.zeros((21, 0))}, '0 vertices'),
        ({'faces': [[7, 1, 2]] * 257}, 'vertex 1 is in 257 faces, expected at most 256'),
    ],
)
def test_contradictions_are_refused(change, message):
    faces, regressor = strip()
    arguments = {'faces': np.array(faces), 'joint_regressor': regressor} | change
    with pytest.raises(TopologyError, match=message):
        HandTopology(**{key: np.array(value) for key, value in arguments.items()})


@pytest.mark.parametrize('dtype', [np.uint8, np.int64, np.uint32, np.float64])
def test_whole_numbers_of_any_type_are_taken(dtype):
    faces, regressor = strip()
    topology = HandTopology(faces.astype(dtype), regressor, np.ones(24, dtype))
    assert topology.faces.dtype == np.int32
    np.testing.assert_array_equal(topology.faces, faces)
    assert topology.vertex_parts.dtype == np.uint8


def test_a_name_has_to_be_words():
    with pytest.raises(TopologyError, match='name is 5, expected a string'):
        HandTopology(*strip(), name=5)


def test_unreadable_files_are_refused(tmp_path):
    broken = tmp_path / 'broken.npz'
    broken.write_bytes(b'no zip')
    with pytest.raises(TopologyError, match=r'broken\.npz'):
        HandTopology.load(broken)
    np.savez(tmp_path / 'partial.npz', faces=np.zeros((1, 3), int))
    with pytest.raises(TopologyError, match='lacks joint_regressor'):
        HandTopology.load(tmp_path / 'partial.npz')


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / 'strip.npz'
    HandTopology(*strip()).save(path)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        start = archive.infolist()[0].header_offset + 60
    for damaged in (
        b'',
        whole[:100],
        whole[: len(whole) // 2],
        whole[:start] + b'\xff' * 40 + whole[start + 40 :],
    ):
        path.write_bytes(damaged)
        with pytest.raises(TopologyError, match=r'strip\.npz'):
            HandTopology.load(path)


def test_files_that_unpack_to_more_than_any_mesh_are_refused(tmp_path):
    path = tmp_path / 'bomb.npz'
    faces = np.zeros((12_000_000, 3), np.int16)
    np.savez_compressed(path, faces=faces, joint_regressor=strip()[1])
    assert path.stat().st_size < 100_000
    with pytest.raises(TopologyError, match=r"bomb.*72000128 of them in 'faces.*most 67108864"):
        HandTopology.load(path)


def test_a_single_array_is_no_topology(tmp_path):
    np.save(tmp_path / 'one.npy', np.zeros((3, 3)))
    with pytest.raises(TopologyError, match=r'one\.npy.*one array of shape \(3, 3\)'):
        HandTopology.load(tmp_path / 'one.npy')


@pytest.mark.parametrize(
    'change', [{'faces': np.array(['a'])}, {'vertex_parts': np.zeros(0)}], ids=str
)
def test_unfit_arrays_of_a_file_are_refused(tmp_path, change):
    faces, regressor = strip()
    np.savez(tmp_path / 'unfit.npz', **{'faces': faces, 'joint_regressor': regressor} | change)
    with pytest.raises(TopologyError, match=r"'.*unfit\.npz' has unfit arrays: "):
        HandTopology.load(tmp_path / 'unfit.npz')
