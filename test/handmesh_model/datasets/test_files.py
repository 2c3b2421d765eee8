"""Files of datasets that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from handmesh_model.datasets.files import read_json
from handmesh_model.errors import DatasetError


@pytest.mark.parametrize('content', [b'{"count": ', b'\xff\xfe', b'[' * 100_000])
def test_what_is_no_json_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / 'dataset.json').write_bytes(content)
    with pytest.raises(DatasetError, match=r"cannot read '.*dataset\.json' as JSON"):
        read_json(tmp_path / 'dataset.json')
