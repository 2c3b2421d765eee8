"""
Opens ROS 2 bags that may come from strangers.

rosbags reads them. It would unpack what is compressed to whatever size, and run what a database
computes, so that its files are looked at first, and its unpacking is bounded.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote, unquote

from handmesh_model.errors import ImageError
from handmesh_model.extras import advice

METADATA = 'metadata.yaml'
MAX_CHUNK = 1 << 30
"""Bytes of one uncompressed chunk of messages."""
MAX_OPEN = 2 << 30
"""Bytes of the uncompressed chunks that are read at a time, since their times overlap."""
MAX_METADATA = 16 << 20
MAX_TOPICS = 10_000
_EXPECTED = "expected none or chunks inside MCAP ('ros2 bag convert' writes it anew)"
LONGEST_WORD = 80
"""Characters of a stranger's text that are repeated."""
_DATABASE = b'SQLite format 3\0'
_COMPRESSED_FILE = re.compile(rb'\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18')
"""How zstd begins: with a frame, or with one to be skipped."""


@contextmanager
def opened_bag(path: Path) -> Iterator[Any]:
    """
    A reader of a bag, ``rosbags.rosbag2.Reader``.

    :param path: folder of a bag, or one of its files.
    :raises ImageError: instead of the many kinds of errors of a library that meets a broken file.
    """
    try:
        from rosbags.rosbag2 import Reader
    except ImportError as error:
        raise ImageError(advice('a bag', ['rosbags'], 'bags')) from error
    try:
        _limit_decompression()
        _check_files(path)
        reader = Reader(path)
        reader.open()
    except ImageError:
        raise
    except Exception as error:  # ReaderError, and what escapes from yaml, sqlite3, struct
        raise ImageError(f"cannot read bag '{path}': {brief_error(error)}") from error
    try:
        if len(reader.connections) > MAX_TOPICS:
            raise ImageError(f"bag '{path}' has more than {MAX_TOPICS} topics")
        _check_chunks(reader, path)
        yield reader
    finally:
        reader.close()


def bag_messages(
    reader: Any, connections: list[Any], path: Path
) -> Iterator[tuple[Any, int, bytes]]:
    """
    Connection, time in nanoseconds and bytes of each message.

    :param reader: of :func:`opened_bag`.
    :param connections: of the reader; without any there are no messages.
    :param path: of the bag, for the message of an error.
    :raises ImageError: if the bag breaks off.
    """
    if not connections:
        return
    messages = reader.messages(connections)
    while True:
        try:
            message = next(messages)
        except StopIteration:
            return
        except Exception as error:
            raise ImageError(f"bag '{path}' breaks off: {brief_error(error)}") from error
        yield message


def brief_error(error: Exception) -> str:
    """Kind and words of a library's error, which may quote a whole file."""
    return f'{type(error).__name__}: {error}'[:300]


def _check_files(path: Path) -> None:
    """
    Refuse files that the library would unpack whole, or run, before anybody looks.

    By what they hold, whatever the metadata says of them. What lies beside them in the folder is
    never opened, and may be anything.
    """
    if not path.is_dir():
        _check_file(path, path, path.suffix == '.db3')
        return
    metadata = _metadata(path)
    mode = metadata.get('compression_mode', '')
    if not isinstance(mode, str):
        # Not its value: a few words of YAML may stand for gigabytes.
        raise ImageError(
            f"'{path / METADATA}' has a {type(mode).__name__} as compression_mode, expected text"
        )
    mode = mode[:LONGEST_WORD]
    for name in metadata['relative_file_paths']:
        # Of a path, the library takes the name.
        file = path / PurePath(name).name
        _check_file(file, path, metadata['storage_identifier'] != 'mcap')
        if mode.lower() == 'file':
            raise ImageError(
                f"'{path / METADATA}' has compression_mode '{mode}', expected '' for "
                f"'{file.name}', which is not compressed"
            )
    if mode.lower() not in ('', 'none'):
        raise ImageError(f"bag '{path}' is compressed by {mode.lower()}; {_EXPECTED}")


def _metadata(folder: Path) -> Any:
    """What the metadata of a bag says, of any type."""
    # The library's own parser: another one might read other names than are then opened.
    from rosbags.rosbag2.reader import YAML

    file = folder / METADATA
    if file.stat().st_size > MAX_METADATA:
        raise ImageError(f"'{file}' is larger than {MAX_METADATA} bytes")
    return YAML(typ='safe').load(file.read_text())['rosbag2_bagfile_information']


def _check_file(file: Path, bag: Path, is_database: bool) -> None:
    """
    Refuse a file that is compressed as a whole, or computes.

    :param is_database: whether the library hands its path to SQLite.
    """
    if is_database and means_another_file(file):
        raise ImageError(
            f"'{file}' means a file elsewhere to SQLite, expected the bag's own only: a path "
            'without ?, # and %'
        )
    if not file.is_file():
        raise ImageError(f"files are missing of bag '{bag}': expected a file '{file.name}' in it")
    with file.open('rb') as opened:
        start = opened.read(len(_DATABASE))
    if start == _DATABASE:
        _check_database(file)
    elif _COMPRESSED_FILE.match(start):
        raise ImageError(f"bag '{bag}' is compressed by file: '{file.name}'; {_EXPECTED}")


def means_another_file(path: Path) -> bool:
    """Whether SQLite, which gets a path as an address, opens another file than that."""
    return bool(re.search('[?#]', str(path))) or unquote(str(path)) != str(path)


def _check_database(file: Path) -> None:
    """
    Whether a SQLite file holds plain tables only.

    A view, or a column that is computed, is a program that reading would run, forever if it likes.
    """
    address = f'file:{quote(str(file.resolve()))}?mode=ro&immutable=1'
    with closing(sqlite3.connect(address, uri=True)) as database:
        rows = database.execute('SELECT type, name, sql FROM sqlite_master').fetchall()
    for kind, name, sql in rows:
        if kind not in ('table', 'index') or re.search(r'\b(AS|VIRTUAL)\b', sql or '', re.I):
            raise ImageError(
                f"bag '{file}' holds a computed {kind} '{name}', expected tables only"
            )


def _check_chunks(reader: Any, bag: Path) -> None:
    """
    Refuse chunks that the library would keep unpacked together: those whose times overlap.

    By what the index says of their times and sizes; the library goes by the same, file by file.
    """
    from rosbags.rosbag2.storage_mcap import McapReader

    for file in reader.storage.storages if bag.is_dir() else [reader.storage]:
        changes = []
        for chunk in file.chunks if isinstance(file, McapReader) else ():
            start = chunk.message_start_time
            changes.append((start, -chunk.uncompressed_size))
            changes.append((max(start, chunk.message_end_time), chunk.uncompressed_size))
        size = 0
        # Where one begins in the moment in which another ends, both are open: negative ones first.
        for time, change in sorted(changes):
            size -= change
            if size > MAX_OPEN:
                raise ImageError(
                    f"bag '{bag}' has chunks of {size} bytes in all at the time {time} ns, at "
                    f'most {MAX_OPEN} are read together'
                )


@lru_cache(maxsize=1)
def _limit_decompression() -> None:
    """
    Let the library unpack a chunk up to the size that the chunk claims, and that up to a limit.

    Its own functions unpack whatever comes: a kilobyte may hold gigabytes.
    """
    from lz4.frame import LZ4FrameDecompressor
    from rosbags.rosbag2 import storage_mcap

    def bounded(make: Callable[[], Any]) -> Callable[[bytes, int], bytes]:
        def unpack(data: bytes, size: int) -> bytes:
            if size > MAX_CHUNK:
                raise ImageError(f'a chunk of {size} bytes, at most {MAX_CHUNK} are read')
            decompressor = make()
            # One more than claimed, so that a false claim shows.
            return decompressor.decompress(data, max_length=size + 1)

        return unpack

    storage_mcap.DECOMPRESSORS['zstd'] = bounded(storage_mcap.zstd.ZstdDecompressor)
    storage_mcap.DECOMPRESSORS['lz4'] = bounded(LZ4FrameDecompressor)
