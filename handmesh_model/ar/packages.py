"""Says in one line which package of the extra ``ar`` is missing."""

from __future__ import annotations

from importlib.util import find_spec

from handmesh_model.errors import ConfigError


def need(user: str, *packages: str) -> None:
    """
    Look whether packages are installed, without importing them.

    :param user: who needs them, for the message.
    :raises ConfigError: naming those that are not, and how to get them.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        noun = 'package' if len(missing) == 1 else 'packages'
        raise ConfigError(
            f"{user} needs the {noun} {' and '.join(missing)}: pip install 'handmesh_ros[ar]'"
        )
