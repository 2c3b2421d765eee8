"""Packages that are missing are named, with what installs them."""

import sys

import pytest

from handmesh_model.errors import ConfigError
from handmesh_model.extras import missing_packages, need


def test_what_is_installed_is_silent():
    need('somebody', 'ar', 'numpy', 'cv2')
    assert missing_packages(['numpy', 'cv2']) == []


def test_all_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'numba', None)
    with pytest.raises(
        ConfigError,
        match=r"^somebody needs the package numba: pip install '\.\[ar\]' in a checkout",
    ):
        need('somebody', 'ar', 'numpy', 'numba')
    monkeypatch.setitem(sys.modules, 'torch_tensorrt', None)
    with pytest.raises(ConfigError, match='needs the packages numba and torch-tensorrt: pip'):
        need('somebody', 'ar', 'numba', 'torch_tensorrt')
