"""Configuration files: YAML to dataclasses and back, strict about names and types."""

from __future__ import annotations

import dataclasses
import math
import re
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar

import yaml

from handmesh_model.checkpoints import SHIPPED
from handmesh_model.errors import ConfigError
from handmesh_model.yaml_files import parse_yaml, read_yaml

T = TypeVar('T')

PATHS = (
    ('network',),
    ('topology',),
    ('init_weights',),
    ('encoder_weights',),
    ('data', 'root'),
    ('validation', 'options', 'root'),
)
"""Entries that are paths, relative to the file that they stand in."""
NO_PATH = (None, '', *SHIPPED)
_WITH_EXPONENT = re.compile(r'[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+')
"""Numbers that YAML 1.1 takes for strings if they lack the point or the exponent's sign."""


def read_values(path: str | Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """
    Read a configuration file; a key ``extends`` names another file whose entries hold where this
    one says nothing.

    :returns: plain values, paths absolute.
    :raises ConfigError: if a file cannot be read, is no mapping, or extends itself.
    """
    path = Path(path).absolute()
    if path in seen:
        raise ConfigError(f"configuration '{path}' extends itself")
    values = read_own_values(path)
    base = values.pop('extends', None)
    if base is None:
        return values
    if not isinstance(base, str):
        raise ConfigError(f"extends in '{path}' is {base!r}, expected a file's name")
    return merge(read_values(path.parent / base, (*seen, path)), values)


def read_own_values(path: Path) -> dict[str, Any]:
    """
    Read what one file says itself, ``extends`` included.

    :raises ConfigError: if the file cannot be read or is no mapping.
    """
    values = read_yaml(path, 'configuration')
    if not isinstance(values, dict):
        raise ConfigError(f"configuration '{path}' holds {values!r}, expected a mapping")
    make_paths_absolute(values, path.absolute().parent)
    return values


def make_paths_absolute(values: dict[str, Any], folder: Path) -> None:
    """Make the entries that are paths absolute, in place."""
    for *parents, last in PATHS:
        place: Any = values
        for parent in parents:
            place = place.get(parent) if isinstance(place, dict) else None
        if isinstance(place, dict) and place.get(last) not in NO_PATH:
            place[last] = str(folder / str(place[last]))


def merge(base: dict[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """
    Lay the entries of one mapping over another's, mappings in them likewise; in place.

    An empty mapping takes the place of what was there: there is no other way to take it back.
    """
    for key, value in top.items():
        nested = isinstance(value, Mapping) and value and isinstance(base.get(key), dict)
        base[key] = merge(base[key], value) if nested else value
    return base


def override(values: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """
    Lay values given on a command line over others, one after the other; in place.

    :param overrides: 'key.subkey=value' each, the value as YAML; paths are relative to the
        working directory.
    :raises ConfigError: if one is not of that form.
    """
    for text in overrides:
        name, equals, given = text.partition('=')
        if not equals or not name:
            raise ConfigError(f"override '{text}' is not of the form key.subkey=value")
        try:
            value = parse_yaml(given) if given else ''
        except yaml.YAMLError as error:
            raise ConfigError(f"override '{text}' has no YAML value: {error}") from error
        *parents, last = name.split('.')
        entry: dict[str, Any] = {last: value}
        for parent in reversed(parents):
            entry = {parent: entry}
        make_paths_absolute(entry, Path.cwd())
        merge(values, entry)
    return values


def from_mapping(cls: type[T], values: Mapping[str, Any], where: str = '') -> T:
    """
    Build a dataclass from plain values, checking names and types all the way down.

    :raises ConfigError: naming the entry and what was expected.
    """
    hints = typing.get_type_hints(cls)
    known = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(
            f"unknown entry '{where}{unknown[0]}'; known are {', '.join(sorted(known))}"
        )
    missing = [
        name
        for name, f in known.items()
        if name not in values
        and f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"entry '{where}{missing[0]}' is missing")
    return cls(**{k: _convert(hints[k], v, where + k) for k, v in values.items()})


def to_mapping(config: Any) -> dict[str, Any]:
    """Plain values that :func:`from_mapping` turns back into the same configuration."""
    return dataclasses.asdict(config)


def check_choice(name: str, value: str, allowed: Sequence[str]) -> None:
    """
    :raises ConfigError: if the value is none of those allowed.
    """
    if value not in allowed:
        raise ConfigError(f"{name} is '{value}', expected one of {', '.join(allowed)}")


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ConfigError(f"'{where}' is {value!r}, expected a mapping")
        return from_mapping(typing.cast(type, hint), value, where + '.')
    origin = typing.get_origin(hint)
    if origin is tuple:
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise ConfigError(f"'{where}' is {value!r}, expected a list")
        item = typing.get_args(hint)[0]
        return tuple(_convert(item, v, f'{where}[{i}]') for i, v in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"'{where}' is {value!r}, expected a mapping")
        item = typing.get_args(hint)[1]
        return {str(k): _convert(item, v, f'{where}.{k}') for k, v in value.items()}
    if hint is Any or origin is UnionType:
        return value
    if hint in (int, float):
        if isinstance(value, str) and _WITH_EXPONENT.fullmatch(value):
            value = float(value)
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"'{where}' is {value}, expected a finite number")
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if hint is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ConfigError(f"'{where}' is {value!r}, expected {hint.__name__}")
    return value
