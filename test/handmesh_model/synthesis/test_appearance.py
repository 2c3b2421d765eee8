"""Skin: the range of tones, palms against backs, lines where they belong."""

import dataclasses

import numpy as np

from handmesh_model.synthesis.appearance import sample_skin, skin_color, skin_regions
from handmesh_model.synthesis.hand_model import HandModel
from handmesh_model.synthesis.rig import FOREARM_PART
from handmesh_model.synthesis.skin_paint import BACK_LINE, PALM_CREASE, VOXEL


def test_tones_reach_from_light_to_dark_and_stay_skin() -> None:
    rng = np.random.default_rng(0)
    tones = [sample_skin(rng) for _ in range(300)]
    colors = np.stack([skin_color(t, np.array(t.melanin), np.array(t.blood)) for t in tones])
    assert colors[:, 0].max() > 0.5
    assert colors[:, 0].min() < 0.1
    # Red over green over blue, and never as saturated as paint.
    assert (np.diff(colors, axis=1) < 0).all()
    assert (colors[:, 0] / colors[:, 2]).max() < 9


def test_palms_of_dark_hands_are_lighter_than_their_backs() -> None:
    regions = skin_regions(HandModel.load())
    tone = dataclasses.replace(
        sample_skin(np.random.default_rng(1)), melanin=2.0, palm_melanin=0.7, nail_color=None
    )
    pigments = regions.pigments(tone)
    palm, back = regions.palm > 0.9, regions.palm < 0.1
    assert palm.sum() > 100
    assert back.sum() > 100
    assert pigments[palm, 0].mean() < 0.5 * pigments[back, 0].mean()


def test_regions_lie_on_the_right_side() -> None:
    model = HandModel.load()
    regions = skin_regions(model)
    hand = model.part != FOREARM_PART
    assert (regions.palm[hand & (model.palmar > 0.6)] > 0.8).all()
    assert (regions.palm[hand & (model.palmar < -0.6)] < 0.05).all()
    assert regions.tip[np.argmax(model.rest_vertices[:, 0])] > 0.3
    for field in (regions.palm, regions.knuckle, regions.tip, regions.nail):
        assert field.min() >= 0
        assert field.max() <= 1


def test_creases_are_on_the_palm_and_wrinkles_on_the_back() -> None:
    model = HandModel.load()
    paint = skin_regions(model).paint
    hand = model.part != FOREARM_PART
    places = ((model.rest_vertices - paint.origin) / VOXEL).astype(int)
    inside = hand & (places >= 0).all(axis=1) & (places < paint.block.shape[:3]).all(axis=1)
    values = np.zeros((len(places), 2))
    values[inside] = paint.block[tuple(places[inside].T)]
    palm, back = hand & (model.palmar > 0.5), hand & (model.palmar < -0.5)
    assert values[palm, PALM_CREASE].mean() > 8 * values[back, PALM_CREASE].mean()
    assert values[back, BACK_LINE].mean() > 8 * values[palm, BACK_LINE].mean()


def test_bricks_tell_where_voxels_are_painted() -> None:
    paint = skin_regions(HandModel.load()).paint
    painted = np.argwhere(paint.block.max(axis=3) > 0)
    assert len(painted) > 1000
    assert (paint.bricks[tuple((painted // 4).T)] == 1).all()
    assert paint.bricks.mean() < 0.3
