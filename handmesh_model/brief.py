"""What files of users hold, short enough for a message."""

from __future__ import annotations

import reprlib

_REPR = reprlib.Repr()
# A list that holds another one many times by YAML's aliases grows with each level.
_REPR.maxlevel = 2


def brief(value: object) -> str:
    """``repr(value)``, of long texts and nested values the beginning."""
    return _REPR.repr(value)
