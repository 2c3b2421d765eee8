"""The truth of clips: the shipped one, a fresh one, and files that are none."""

import json
from pathlib import Path

import numpy as np
import pytest

from handmesh_model.angles import JOINT_DOF
from handmesh_model.errors import DatasetError
from handmesh_model.synthesis.clip import write_clip
from handmesh_model.synthesis.clip_truth import load_clip_truth

CLIP = Path(__file__).parents[3] / 'handmesh_model' / 'assets' / 'demo_clip.mp4'


def test_the_shipped_clip_has_meshes_and_angles_where_its_file_has_joints() -> None:
    frames = load_clip_truth(CLIP)
    facts = json.loads(CLIP.with_suffix('.json').read_text())
    assert len(frames) == len(facts['frames'])
    for hands, listed in zip(frames, facts['frames'], strict=True):
        assert [true.hand.side for true in hands] == [hand['side'] for hand in listed['hands']]
        for true, hand in zip(hands, listed['hands'], strict=True):
            assert true.angles.shape == (JOINT_DOF,)
            assert true.hand.is_metric
            np.testing.assert_allclose(
                true.hand.joints_camera, hand['joints_camera'], rtol=0, atol=1e-5
            )
            np.testing.assert_allclose(true.hand.joints_image, hand['joints_image'], atol=0.01)
            low, high = true.hand.vertices_camera.min(0), true.hand.vertices_camera.max(0)
            assert (true.hand.joints_camera > low - 0.01).all()
            assert (true.hand.joints_camera < high + 0.01).all()


def test_a_fresh_clip_has_a_truth_too(tmp_path: Path) -> None:
    video, _ = write_clip(tmp_path / 'a.mp4', 3, 0.2, 64, 48)
    assert len(load_clip_truth(video)) == 6


def test_the_truth_of_any_recipe_can_be_read(tmp_path: Path) -> None:
    seconds = 1 / 9
    video, _ = write_clip(tmp_path / 'a.mp4', 10**10, seconds, 64, 48, hand_count=1)
    frames = load_clip_truth(video)
    assert [[true.hand.side for true in hands] for hands in frames] == [['right']] * 3


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        ({'made_by': 'a camera'}, "made_by is 'a camera'"),
        ({'made_by': 'handmesh synthesize clip --seed 4 --seconds 0.2'}, 'mm off'),
        ({'made_by': 'handmesh synthesize clip --seed 3 --seconds 0.3'}, 'lists 6 frames'),
        ({'made_by': 'handmesh synthesize clip --seed 3 --seconds 3601'}, 'seconds is 3601'),
        (
            {'made_by': 'handmesh synthesize clip --seed 3 --seconds 0.2', 'frames': []},
            'lists 0 frames, its recipe makes 6',
        ),
        (
            {
                'made_by': 'handmesh synthesize clip --seed 3 --seconds 0.2 '
                '--width 96 --height 72 --hands 1',
                'frames': [{'hands': [{'side': 'left'}]}] * 6,
            },
            "a 'left' hand, its recipe makes none",
        ),
        ({'frames': None}, 'is not the truth'),
    ],
)
def test_what_is_no_truth_is_refused(tmp_path: Path, change: dict, said: str) -> None:
    video, truth = write_clip(tmp_path / 'a.mp4', 3, 0.2, 96, 72)
    truth.write_text(json.dumps(json.loads(truth.read_text()) | change))
    with pytest.raises(DatasetError, match=said):
        load_clip_truth(video)


def test_no_frame_is_posed_of_a_clip_whose_length_does_not_fit(
    tmp_path: Path, monkeypatch
) -> None:
    video, truth = write_clip(tmp_path / 'a.mp4', 3, 0.1, 96, 72)
    made_by = 'handmesh synthesize clip --seed 3 --seconds 3600'
    truth.write_text(json.dumps(json.loads(truth.read_text()) | {'made_by': made_by}))
    monkeypatch.setattr('handmesh_model.synthesis.clip_truth.clip_hands', None)
    with pytest.raises(DatasetError, match='lists 3 frames, its recipe makes 108000'):
        load_clip_truth(video)


def test_a_video_without_truth_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r'alone\.json'):
        load_clip_truth(tmp_path / 'alone.mp4')
