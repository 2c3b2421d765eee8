"""One scene of the AR demo, all its processes real, with true hands and a short clip."""

import json

import cv2
import numpy as np
import pytest

from handmesh_model.ar.performances import PERFORMANCES, Performance, press
from handmesh_ros import demo_ar

pytestmark = pytest.mark.slow


@pytest.fixture
def short(monkeypatch):
    """The first press of the radio's buttons, and nothing more."""
    whole = press()
    monkeypatch.setitem(
        PERFORMANCES, 'press', lambda: Performance('press', whole.frames[10:46:2], whole.sides)
    )


def test_touch_scene_is_played_and_recorded(short, tmp_path, capfd):
    out = tmp_path / 'out'
    code = demo_ar.main(['--scenes', 'touch', '--hands', 'truth', '--out', str(out)])
    said = capfd.readouterr().out
    assert code == 0, said
    folder = out / 'truth' / 'touch'
    report = json.loads((folder / 'report.json').read_text())
    assert report['video_frames'] == 18
    events = json.loads((folder / 'events.json').read_text())
    assert [(e['button'], e['event']) for e in events] == [
        ('talk', 'pressed'),
        ('talk', 'released'),
    ]
    sheet = cv2.imread(str(out / 'contact_sheet_truth.png'))
    # The radio's red button is drawn over the hand.
    blue, green, red = (sheet[..., k].astype(np.int32) for k in range(3))
    assert ((red > 150) & (green < 110) & (blue < 110)).sum() > 200
