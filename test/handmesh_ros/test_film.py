import cv2
import numpy as np
import pytest

from handmesh_model.errors import OutputError
from handmesh_ros.film import SHEET_CELLS, Film


@pytest.mark.parametrize('size', [(48, 64), (47, 63)])
def test_film_plays_and_its_sheet_is_spread_evenly(tmp_path, size):
    film = Film(tmp_path / 'film.mp4', 20.0)
    for i in range(130):
        film.add(np.full((*size, 3), i, dtype=np.uint8))
    film.add(np.full((10, 90, 3), 255, dtype=np.uint8))
    film.close()
    capture = cv2.VideoCapture(str(tmp_path / 'film.mp4'))
    values = []
    while (read := capture.read())[0]:
        values.append(read[1][24, 30].mean())
    assert len(values) == 131
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(20)
    assert np.abs(np.array(values[:130]) - np.arange(130)).max() < 6
    sheet = film.sheet()
    height, width = size
    assert sheet.shape == (SHEET_CELLS // 6 * height, 6 * width, 3)
    cells = sheet[height // 2 :: height, width // 2 :: width, 0].ravel()
    assert (np.diff(cells.astype(int)) > 0).all()


def test_film_without_pictures_has_no_sheet(tmp_path):
    film = Film(tmp_path / 'film.mp4', 20.0)
    film.close()
    assert film.sheet() is None
    film.write_sheet(tmp_path / 'sheet.png')
    assert not list(tmp_path.iterdir())


def test_the_sheet_is_written_as_a_picture(tmp_path):
    film = Film(tmp_path / 'film.mp4', 20.0)
    film.add(np.full((48, 64, 3), (200, 20, 20), dtype=np.uint8))
    film.close()
    film.write_sheet(tmp_path / 'sheet.png')
    assert cv2.imread(str(tmp_path / 'sheet.png'))[0, 0].tolist() == [20, 20, 200]


def test_a_film_that_cannot_be_written_is_an_error_of_the_output(tmp_path):
    film = Film(tmp_path / 'nowhere' / 'film.mp4', 20.0)
    with pytest.raises(OutputError, match=r"cannot write the video '.*nowhere/film\.mp4'"):
        film.add(np.zeros((48, 64, 3), dtype=np.uint8))
