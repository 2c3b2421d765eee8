"""Packages that only some uses need: whether they are there, and what installs them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from handmesh_model.errors import ConfigError


def need(user: str, extra: str, *packages: str) -> None:
    """
    Look whether packages are installed, without importing them.

    :param user: who needs them, for the message.
    :param extra: of this project, which has them.
    :raises ConfigError: naming those that are not, and how to get them.
    """
    missing = missing_packages(packages)
    if missing:
        raise ConfigError(advice(user, missing, extra))


def missing_packages(packages: Sequence[str]) -> list[str]:
    """Those that are not installed, by the names that they are imported by."""
    return [name for name in packages if find_spec(name) is None]


def advice(user: str, packages: Sequence[str], extra: str) -> str:
    """
    What to say to whoever lacks packages.

    :param user: who needs them.
    :param packages: by the names that they are imported by.
    :param extra: of this project, or several with commas between them.
    """
    noun = 'package' if len(packages) == 1 else 'packages'
    names = ' and '.join(name.replace('_', '-') for name in packages)
    # Not by the project's name, under which PyPI has nothing of ours.
    return (
        f"{user} needs the {noun} {names}: pip install '.[{extra}]' in a checkout of handmesh_ros"
    )
