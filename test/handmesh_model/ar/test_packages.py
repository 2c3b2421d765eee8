"""Packages that are missing are named."""

import sys

import pytest

from handmesh_model.ar.packages import need
from handmesh_model.errors import ConfigError


def test_what_is_installed_is_silent():
    need('somebody', 'numpy', 'cv2')


def test_all_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'numba', None)
    with pytest.raises(
        ConfigError, match=r"^somebody needs the package numba: pip install 'handmesh_ros\[ar\]'$"
    ):
        need('somebody', 'numpy', 'numba')
    monkeypatch.setitem(sys.modules, 'trimesh', None)
    with pytest.raises(ConfigError, match='needs the packages numba and trimesh: pip install'):
        need('somebody', 'numba', 'trimesh')
