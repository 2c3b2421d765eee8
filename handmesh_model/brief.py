"""Messages: what files of users hold, short enough for one, and what of one stays the same."""

from __future__ import annotations

import re
import reprlib

_REPR = reprlib.Repr()
# A list that holds another one many times by YAML's aliases grows with each level.
_REPR.maxlevel = 2
_NUMBER = re.compile(r'-?\d[\d.]*(e[+-]?\d+)?|\bnan\b')


def brief(value: object) -> str:
    """``repr(value)``, of long texts and nested values the beginning."""
    return _REPR.repr(value)


def without_numbers(text: str) -> str:
    """A message with # for each number, to tell whether two say the same of different images."""
    return _NUMBER.sub('#', text)
