import argparse
import codecs
import pickle
import sys
import types

import numpy as np
import pytest
import scipy.sparse

from handmesh_model.cli import import_mano as command
from handmesh_model.errors import TopologyError
from handmesh_model.mano import SEGMENT_NAMES, VERTEX_COUNT, import_mano, with_fingertips
from handmesh_model.topology import HandTopology
from handmesh_model.wrist import wrist_frame

# The order as the paper's authors write it down.
PUBLISHED_ORDER = [0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20]
PUBLISHED_TIPS = (745, 317, 445, 556, 673)


@pytest.fixture
def chumpy(monkeypatch):
    """Classes under chumpy's names; importing chumpy is an error but while they are pickled."""
    modules = {
        name: types.ModuleType(name) for name in ('chumpy', 'chumpy.ch', 'chumpy.reordering')
    }
    kinds = {'Ch': 'chumpy.ch', 'Select': 'chumpy.reordering'}
    for kind, name in kinds.items():
        setattr(modules[name], kind, type(kind, (), {'__module__': name}))
    for name in modules:
        monkeypatch.setitem(sys.modules, name, None)
    return types.SimpleNamespace(
        modules=modules, **{kind: getattr(modules[name], kind) for kind, name in kinds.items()}
    )


def chumpy_object(kind, **attributes):
    made = kind()
    made.__dict__.update(attributes, _dirty_vars={'x'})
    return made


@pytest.fixture
def hand(chumpy):
    """MANO's dict with numbers that are no hand, chumpy objects where MANO has them."""
    rng = np.random.default_rng(0)
    regressor = rng.random((16, VERTEX_COUNT)) * (rng.random((16, VERTEX_COUNT)) < 0.02)
    regressor = scipy.sparse.csc_matrix(regressor / regressor.sum(axis=1, keepdims=True))
    shapedirs = rng.random((VERTEX_COUNT, 3, 10))
    return {
        'v_template': rng.random((VERTEX_COUNT, 3)),
        'f': rng.integers(0, VERTEX_COUNT, (1538, 3)).astype(np.uint32),
        'J_regressor': regressor,
        'weights': rng.dirichlet(np.ones(16), VERTEX_COUNT),
        'kintree_table': np.array([[4294967295, *range(15)], range(16)]),
        'shapedirs': chumpy_object(
            chumpy.Select,
            a=chumpy_object(chumpy.Ch, x=shapedirs),
            idxs=np.arange(shapedirs.size),
            preferred_shape=shapedirs.shape,
        ),
        'bs_style': 'lbs',
    }


def as_python_2(pickled: bytes) -> bytes:
    """Give modules the names that they had when MANO was pickled."""
    for new, old in (
        (b'numpy._core.', b'numpy.core.'),
        (b'scipy.sparse._csc', b'scipy.sparse.csc'),
        (b'builtins\n', b'__builtin__\n'),
        (b'copyreg\n', b'copy_reg\n'),
    ):
        pickled = pickled.replace(b'c' + new, b'c' + old)
    return pickled


@pytest.fixture
def save(tmp_path, chumpy, monkeypatch):
    def write(contents, protocol=2):
        with monkeypatch.context() as patch:
            for name, module in chumpy.modules.items():
                patch.setitem(sys.modules, name, module)
            pickled = pickle.dumps(contents, protocol)
        path = tmp_path / 'MANO_RIGHT.pkl'
        path.write_bytes(as_python_2(pickled) if protocol <= 2 else pickled)
        return path

    return write


@pytest.mark.parametrize('protocol', range(6))
def test_every_array_arrives(hand, save, protocol):
    topology = import_mano(save(hand, protocol))
    assert topology.vertex_count == VERTEX_COUNT
    assert np.array_equal(topology.faces, hand['f'])
    regressor = hand['J_regressor'].toarray()
    tips = np.eye(VERTEX_COUNT)[list(PUBLISHED_TIPS)]
    expected = np.concatenate([regressor, tips])[PUBLISHED_ORDER]
    assert np.allclose(topology.joint_regressor, expected)


def test_arrays_as_python_2_wrote_them(hand, save):
    """Python 2 kept bytes in plain strings: the opcodes U and T, read back as latin1."""
    expected = import_mano(save(hand)).template
    raw = hand['v_template'].tobytes()
    no_fields = b'NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00'
    dtype = b'cnumpy\ndtype\n(U\x02f8K\x00K\x01tR(K\x03U\x01<' + no_fields + b'tb'
    shape = b'M' + VERTEX_COUNT.to_bytes(2, 'little') + b'K\x03\x86'
    text = b'T' + len(raw).to_bytes(4, 'little') + raw
    blank = b'cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR'
    array = blank + b'(K\x01' + shape + dtype + b'\x89' + text + b'tb'
    hand['v_template'] = None
    path = save(hand)
    rest = path.read_bytes().removesuffix(b'.')
    path.write_bytes(rest + b'U\x0av_template' + array + b's.')
    assert np.array_equal(import_mano(path).template, expected)


def test_chumpy_arrays_are_read(hand, save, chumpy):
    template, faces = hand['v_template'], hand['f']
    hand['v_template'] = chumpy_object(chumpy.Ch, x=template)
    hand['f'] = chumpy_object(
        chumpy.Select,
        a=chumpy_object(chumpy.Ch, x=faces[::-1].copy()),
        idxs=np.arange(faces.size).reshape(-1, 3)[::-1].ravel(),
        preferred_shape=faces.shape,
    )
    topology = import_mano(save(hand))
    assert np.array_equal(topology.faces, faces)
    distances = np.linalg.norm(topology.template[:10] - topology.template[10:20], axis=1)
    expected = np.linalg.norm(template[:10] - template[10:20], axis=1)
    assert np.allclose(distances, expected, atol=1e-6)


@pytest.mark.parametrize('nest', ['a', 'idxs', 'x'])
@pytest.mark.parametrize(('depth', 'is_read'), [(4, True), (5, False)])
def test_chumpy_arrays_in_each_other_are_bounded(hand, save, chumpy, nest, depth, is_read):
    """A selection may be larger than what it is from."""
    everything = np.arange(hand['v_template'].size)
    value = everything if nest == 'idxs' else hand['v_template'].ravel()
    for _ in range(depth - 1):
        if nest == 'a':
            value = chumpy_object(chumpy.Select, a=value, idxs=everything)
        elif nest == 'idxs':
            value = chumpy_object(chumpy.Select, a=everything, idxs=value)
        else:
            value = chumpy_object(chumpy.Ch, x=value)
    source, chosen = (hand['v_template'], value) if nest == 'idxs' else (value, everything)
    hand['v_template'] = chumpy_object(
        chumpy.Select, a=source, idxs=chosen, preferred_shape=(VERTEX_COUNT, 3)
    )
    path = save(hand)
    if is_read:
        assert import_mano(path).vertex_count == VERTEX_COUNT
    else:
        with pytest.raises(TopologyError, match='more than 4 chumpy arrays in each other'):
            import_mano(path)


@pytest.mark.parametrize(
    'change',
    [
        lambda a: a.astype('>f8'),
        lambda a: a.astype(np.float32),
        np.asfortranarray,
    ],
)
def test_other_layouts_of_numbers_are_read(hand, save, change):
    hand['weights'] = np.eye(16)[np.arange(VERTEX_COUNT) % 16]
    expected = import_mano(save(hand)).vertex_parts
    hand['weights'] = change(hand['weights'])
    assert np.array_equal(import_mano(save(hand)).vertex_parts, expected)


def test_rows_of_a_csr_matrix_are_read(hand, save):
    hand['J_regressor'] = hand['J_regressor'].tocsr()
    expected = with_fingertips(hand['J_regressor'].toarray())
    assert np.allclose(import_mano(save(hand)).joint_regressor, expected)


def test_parts_follow_the_segments(hand, save):
    segment = np.arange(VERTEX_COUNT) % 16
    hand['weights'] = np.eye(16)[segment]
    parts = import_mano(save(hand)).vertex_parts
    # MANO's segments: wrist, index, middle, pinky, ring, thumb.
    expected = np.array([0, *np.repeat([2, 3, 5, 4, 1], 3)])
    assert SEGMENT_NAMES[1].startswith('index')
    assert np.array_equal(parts, expected[segment])


def test_the_template_stands_in_the_wrist_frame(hand, save):
    topology = import_mano(save(hand))
    assert np.allclose(wrist_frame(topology.template_joints, 'right'), np.eye(4), atol=1e-5)


@pytest.mark.parametrize('name', ['f', 'J_regressor', 'weights', 'v_template'])
def test_a_missing_array_is_named(hand, save, name):
    del hand[name]
    with pytest.raises(TopologyError, match=f"lacks '{name}'; it holds .*kintree_table"):
        import_mano(save(hand))


@pytest.mark.parametrize(
    ('name', 'value', 'told'),
    [
        ('v_template', np.zeros((700, 3)), r"'v_template'.*\(700, 3\)"),
        ('weights', np.zeros((VERTEX_COUNT, 52)), r'\(778, 52\)'),
        ('f', np.zeros(3, np.uint32), r'\(3,\)'),
        ('weights', np.array([None, {}]), 'objects'),
        ('weights', np.array(['a', 'b']), "'U1'"),
        ('weights', 'text', 'a str, expected an array'),
    ],
)
def test_unfit_arrays_are_named(hand, save, name, value, told):
    hand[name] = value
    with pytest.raises(TopologyError, match=told):
        import_mano(save(hand))


def broken_matrix(**changes):
    matrix = scipy.sparse.eye(16, VERTEX_COUNT, format='csc')
    matrix.__dict__.update(changes)
    return matrix


@pytest.mark.parametrize(
    'changes',
    [
        {'_shape': (16, 10**9)},
        {'_shape': (16,)},
        {'indices': np.full(16, 99, np.int32)},
        {'indices': np.zeros(3, np.int32)},
        {'indptr': np.zeros(5, np.int32)},
        {'data': None},
    ],
    ids=str,
)
def test_a_sparse_matrix_that_contradicts_itself_is_refused(hand, save, changes):
    hand['J_regressor'] = broken_matrix(**changes)
    with pytest.raises(TopologyError, match='J_regressor'):
        import_mano(save(hand))


@pytest.mark.parametrize(
    ('name', 'change'),
    [
        ('indptr', lambda a: a + 3),
        ('indptr', lambda a: a[::-1]),
        ('indptr', lambda a: np.where(np.arange(len(a)) == 5, 17, a)),
        ('indptr', lambda a: np.where(np.arange(len(a)) == 5, 17, a).astype(np.uint32)),
        ('indptr', lambda a: np.minimum(a.astype(np.int64) * 2**40, 2**40)),
        ('indptr', lambda a: np.minimum(a, 15)),
        ('indptr', lambda a: a.astype(float)),
        ('indptr', lambda a: a[:, None]),
        ('indices', lambda a: a - 16),
        ('indices', lambda a: a.astype(float)),
        ('indices', lambda a: a[:, None]),
        ('data', lambda a: a[:, None]),
    ],
)
def test_sparse_rows_are_held_against_each_other(hand, save, name, change):
    matrix = broken_matrix()
    hand['J_regressor'] = broken_matrix(**{name: change(vars(matrix)[name].copy())})
    with pytest.raises(TopologyError, match=r'J_regressor.*a sparse matrix'):
        import_mano(save(hand))


def test_an_array_with_too_few_bytes_is_refused(hand, save):
    path = save(hand, 4)
    whole = path.read_bytes()
    raw = hand['v_template'].tobytes()
    assert raw in whole
    shorter = whole.replace(b'B' + len(raw).to_bytes(4, 'little') + raw, b'C\x08' + raw[:8])
    assert shorter != whole
    path.write_bytes(shorter)
    with pytest.raises(TopologyError, match='cannot'):
        import_mano(path)


ATTACKS = {
    'call': b'cos\nmkdir\n(V{target}\ntR.',
    'posix': b'cposix\nmkdir\n(V{target}\ntR.',
    'eval': b'cbuiltins\neval\n(V__import__("os").mkdir("{target}")\ntR.',
    'getattr': b'cbuiltins\ngetattr\n(cnumpy\nndarray\nV__subclasses__\ntR.',
    'old style instance': b'(V{target}\nios\nmkdir\n.',
    'numpy that runs code': b'cnumpy.testing\nrunstring\n(Vimport os\n}tR.',
    'chumpy that is not there': b'cchumpyx.ch\nCh\n)R.',
    'change of a class': b'\x80\x02cnumpy\nndarray\n}U\x04evilK\x01sb.',
    'change of a class by slots': b'\x80\x02cnumpy\nndarray\nN}U\x04evilK\x01s\x86b.',
    'reconstruction of nothing': b'ccopy_reg\n_reconstructor\n(Vtext\ntR.',
    'persistent id': b'Ptext\n.',
    'extension': b'\x80\x02\x82\x01.',
    'other encoding': b'c_codecs\nencode\n(Vtext\nVrot13\ntR.',
}


@pytest.mark.parametrize('attack', ATTACKS)
def test_what_is_no_array_is_refused_without_effect(tmp_path, attack):
    target = tmp_path / 'attacked'
    path = tmp_path / 'MANO_RIGHT.pkl'
    path.write_bytes(ATTACKS[attack].replace(b'{target}', str(target).encode()))
    # Any text in a pickle has Python load this one; nobody may have read one before.
    codecs.lookup('raw_unicode_escape')
    loaded = set(sys.modules)
    with pytest.raises(TopologyError, match='cannot read'):
        import_mano(path)
    assert not target.exists()
    assert set(sys.modules) == loaded
    import handmesh_model.restricted_pickle as reader

    assert not any(hasattr(getattr(reader, name), 'evil') for name in vars(reader))


def test_an_attack_inside_a_hand_is_refused(hand, save, tmp_path):
    class Attack:
        def __reduce__(self):
            import os

            return os.mkdir, (str(tmp_path / 'attacked'),)

    hand['bs_style'] = Attack()
    with pytest.raises(TopologyError, match=r"asks for 'posix\.mkdir'"):
        import_mano(save(hand))
    assert not (tmp_path / 'attacked').exists()


@pytest.mark.parametrize('contents', [b'', b'text', b'(' * 1000 + b'.'])
def test_damaged_files_are_refused(tmp_path, contents):
    (tmp_path / 'x.pkl').write_bytes(contents)
    with pytest.raises(TopologyError, match=r'x\.pkl'):
        import_mano(tmp_path / 'x.pkl')


def test_other_files_are_refused(save, tmp_path):
    with pytest.raises(TopologyError, match='nothing'):
        import_mano(tmp_path / 'nothing.pkl')
    with pytest.raises(TopologyError, match='list'):
        import_mano(save([1, 2]))


@pytest.mark.parametrize('name', ['mano.npz', 'mano'])
def test_the_command_writes_a_topology(hand, save, tmp_path, capsys, name):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    out = tmp_path / 'folder' / name
    arguments = parser.parse_args([str(save(hand)), '--out', str(out)])
    assert command.run(arguments) == 0
    assert '778 vertices, 1538 faces' in capsys.readouterr().out
    assert HandTopology.load(out).name == 'mano-right'
