"""Writes ROS 2 bags, MCAP or SQLite, from serialized messages. Knows no ROS but its files."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from handmesh_model.errors import ConfigError, OutputError
from handmesh_model.extras import advice
from handmesh_ros.bag_reader import brief_error, means_another_file

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

STORAGES = ('mcap', 'sqlite3')
_RESERVE = 4 << 20
"""Bytes that are left free to finish a bag: MCAP messages up to 1 MiB that wait, and its index."""
_INDEX_SHARE = 1024
"""Bytes of a bag for each of which one more is left free: its index grows with it."""
_FAILURES = (OSError, sqlite3.Error)


class BagWriter:
    """
    A bag that grows.

    :param path: folder to make; it must not be there yet.
    :param storage: one of :data:`STORAGES`.
    :raises ConfigError: if the folder is there or cannot be made, or rosbags is not installed.
    """

    def __init__(self, path: Path, storage: str = 'mcap') -> None:
        try:
            from rosbags.rosbag2 import StoragePlugin, Writer
            from rosbags.rosbag2.errors import WriterError
        except ImportError as error:
            raise ConfigError(advice('a bag', ['rosbags'], 'bags')) from error
        if storage == 'sqlite3' and means_another_file(path):
            raise ConfigError(
                f"the bag '{path}' means files elsewhere to SQLite, expected a path without ?, # "
                'and %'
            )
        plugin = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}[storage]
        try:
            # Version 8 is what Jazzy reads; later ones read it as well.
            self._writer = Writer(path, version=8, storage_plugin=plugin)
            self._writer.open()
        except (WriterError, *_FAILURES) as error:
            raise ConfigError(f"cannot write the bag '{path}': {error}") from error
        self._path = path
        assert self._writer.storage is not None
        self._file = self._writer.storage.path
        self._connections: dict[str, Any] = {}
        self.counts: dict[str, int] = {}

    def add(self, topic: str, kind: str, is_latched: bool = False) -> None:
        """
        Make room for a topic.

        :param topic: absolute.
        :param kind: such as 'sensor_msgs/msg/Image'.
        :param is_latched: transient local, so that whoever replays the bag latches it again.
        :raises ConfigError: if the definition of the message cannot be found or understood.
        :raises OutputError: if it cannot be written; only closing is of use then.
        """
        from rosbags.typesys.base import TypesysError

        store = _store_with(kind)
        try:
            self._connections[topic] = self._writer.add_connection(
                topic, kind, typestore=store, offered_qos_profiles=[_qos(is_latched)]
            )
        except TypesysError as error:
            raise ConfigError(f"the definition of '{kind}' is incomplete: {error}") from error
        except _FAILURES as error:
            raise OutputError(f"cannot go on with the bag '{self._path}': {error}") from error
        self.counts[topic] = 0

    def write(self, topic: str, nanoseconds: int, data: bytes) -> None:
        """
        Append a message.

        :param nanoseconds: when it came.
        :param data: as DDS sends it (CDR with its header).
        :raises OutputError: if it cannot be written, or too little room would be left to finish
            the bag. Only closing is of use then.
        """
        try:
            self._keep_room(len(data))
            self._writer.write(self._connections[topic], nanoseconds, data)
        except _FAILURES as error:
            raise OutputError(f"cannot go on with the bag '{self._path}': {error}") from error
        self.counts[topic] += 1

    def _keep_room(self, size: int) -> None:
        # Without its index, which comes last, nobody reads an MCAP file.
        written = self._file.stat().st_size
        free = shutil.disk_usage(self._path).free
        if resource is not None:
            limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
            free = free if limit == resource.RLIM_INFINITY else min(free, limit - written)
        needed = size + _RESERVE + written // _INDEX_SHARE
        if free < needed:
            raise OutputError(
                f"cannot go on with the bag '{self._path}': there is room for "
                f'{free / 1e6:.1f} MB more, expected {needed / 1e6:.1f} MB at least'
            )

    def close(self) -> None:
        """
        Finish the bag.

        :raises OutputError: if that fails; the bag is then not whole.
        """
        try:
            self._writer.close()
        except _FAILURES as error:
            # It has failed already, and old releases of rosbags have no abort.
            with suppress(Exception):
                self._writer.abort()
            raise OutputError(
                f"the bag '{self._path}' is not whole, it cannot be finished: {error}"
            ) from error


def _qos(is_latched: bool) -> Any:
    from rosbags import interfaces as rosbags

    durability = rosbags.QosDurability
    none = rosbags.QosTime(0, 0)
    return rosbags.Qos(
        rosbags.QosHistory.KEEP_LAST,
        1 if is_latched else 10,
        rosbags.QosReliability.RELIABLE,
        durability.TRANSIENT_LOCAL if is_latched else durability.VOLATILE,
        none,
        none,
        rosbags.QosLiveliness.AUTOMATIC,
        none,
        False,
    )


@lru_cache(maxsize=1)
def _store() -> Any:
    from rosbags.typesys import Stores, get_typestore

    return get_typestore(Stores.ROS2_JAZZY)


def _store_with(kind: str) -> Any:
    """The definitions of all messages of ROS, and of one that is not among them."""
    store = _store()
    if kind not in store.types:
        _define(store, kind)
    if kind not in store.types:
        raise ConfigError(f"no definition of '{kind}' found in AMENT_PREFIX_PATH")
    return store


def _define(store: Any, kind: str) -> None:
    """
    Read the definition that an installed package brings, and those that it refers to.

    No others: what is written in a way that rosbags does not understand matters only if needed.

    :raises ConfigError: if it cannot be read.
    """
    package, _, name = kind.split('/')
    for prefix in filter(None, os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)):
        file = Path(prefix) / 'share' / package / 'msg' / f'{name}.msg'
        if file.is_file():
            for other in _register(store, kind, file):
                if other not in store.types:
                    _define(store, other)
            return


def _register(store: Any, kind: str, file: Path) -> list[str]:
    """Read the definition in a file; the messages that it refers to."""
    from rosbags.typesys import get_types_from_msg
    from rosbags.typesys.base import TypesysError

    try:
        types = get_types_from_msg(file.read_text(encoding='utf-8'), kind)
        store.register(types)
    except (OSError, ValueError, TypesysError) as error:
        raise ConfigError(f"cannot read the definition '{file}': {brief_error(error)}") from error
    _, fields = types[kind]
    return [name for _, field in fields if (name := _message_in(field))]


def _message_in(field: Any) -> str | None:
    """The message that a field holds, if it holds one or several."""
    from rosbags.interfaces import Nodetype

    node, content = field
    if node in (Nodetype.ARRAY, Nodetype.SEQUENCE):
        return _message_in(content[0])
    return content if node == Nodetype.NAME else None
