"""Bags of strangers: nothing in them is run, or unpacked without bounds, and faults are named."""

import os
import sqlite3
import struct
from contextlib import closing

import numpy as np
import pytest

pytest.importorskip('rosbags.rosbag2')
pytest.importorskip('sensor_msgs.msg', reason='images are decoded with sensor_msgs')

import bag_files
from bag_files import image, pictures

from handmesh_model.errors import ImageError
from handmesh_ros import bag_reader
from handmesh_ros.sources import open_source

RGBS = [np.random.default_rng(i).integers(0, 256, (24, 32, 3), dtype=np.uint8) for i in range(5)]
PLAIN = "compression_mode: ''"
ZSTD = ("compression_format: ''", 'compression_format: zstd')


def frames(source):
    return list(source.frames())


def rewrite(path, *changes):
    """Change texts of a bag's metadata, each from what is there to what is to be there."""
    file = path / 'metadata.yaml'
    text = file.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)


def test_metadata_that_names_things_to_run_is_refused(tmp_path):
    path = pictures(tmp_path / 'bag', RGBS)
    owned = tmp_path / 'owned'
    command = f"touch '{owned}'"
    (path / 'metadata.yaml').write_text(f'!!python/object/apply:os.system ["{command}"]')
    with pytest.raises(ImageError, match='cannot read bag'):
        open_source(str(path))
    assert not owned.exists()
    assert os.system(command) == 0
    assert owned.exists()


def test_metadata_that_stands_for_gigabytes_is_not_spelt_out(tmp_path):
    path = pictures(tmp_path / 'bag', RGBS)
    lines = ['x0: &x0 [a, a, a, a, a, a, a, a, a, a]']
    lines += [f'x{n}: &x{n} [' + ', '.join([f'*x{n - 1}'] * 10) + ']' for n in range(1, 9)]
    rewrite(path, (PLAIN, 'compression_mode: *x8'))
    file = path / 'metadata.yaml'
    file.write_text('\n'.join([*lines, file.read_text()]))
    with pytest.raises(ImageError, match='has a list as compression_mode') as caught:
        open_source(str(path))
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize('skipped', [b'', b'\x5e\x2a\x4d\x18\x01\0\0\0-'], ids=len)
@pytest.mark.parametrize(
    'mode', ['compression_mode: FILE', '"compression_mode": FILE', '? compression_mode\n  : FILE']
)
def test_a_bag_compressed_as_a_file_is_not_unpacked(tmp_path, monkeypatch, mode, skipped):
    from rosbags.rosbag2 import reader
    from rosbags.rosbag2.storage_mcap import zstd

    path = pictures(tmp_path / 'bag', RGBS)
    data = next(path.glob('*.mcap'))
    data.write_bytes(skipped + zstd.compress(data.read_bytes()))
    rewrite(path, (PLAIN, mode), ZSTD)
    monkeypatch.setattr(reader.shutil, 'copyfileobj', lambda *_: pytest.fail('it is unpacked'))
    with pytest.raises(ImageError, match='compressed by file'):
        open_source(str(path))


@pytest.mark.parametrize('spelled', ['bag.mcap', '"b\\x61g.mcap"', '../elsewhere/bag.mcap'])
def test_a_compressed_file_is_known_however_it_is_named(tmp_path, monkeypatch, spelled):
    from rosbags.rosbag2 import reader
    from rosbags.rosbag2.storage_mcap import zstd

    path = pictures(tmp_path / 'bag', RGBS)
    data = next(path.glob('*.mcap'))
    data.write_bytes(zstd.compress(data.read_bytes()))
    rewrite(path, (PLAIN, 'compression_mode: FILE'), ZSTD, ('- bag.mcap', f'- {spelled}'))
    monkeypatch.setattr(reader.shutil, 'copyfileobj', lambda *_: pytest.fail('it is unpacked'))
    with pytest.raises(ImageError, match=r"compressed by file: 'bag.mcap'"):
        open_source(str(path))


@pytest.mark.parametrize('mode', ['FILE', 'file'])
@pytest.mark.parametrize(('storage', 'name'), [('mcap', 'bag.mcap'), ('sqlite3', 'bag.db3')])
def test_a_file_that_is_said_to_be_compressed_and_is_not_is_named(tmp_path, storage, name, mode):
    path = pictures(tmp_path / 'bag', RGBS, storage)
    rewrite(path, (PLAIN, f'compression_mode: {mode}'), ZSTD)
    told = f"metadata.yaml' has compression_mode '{mode}', expected '' for '{name}', which is not"
    with pytest.raises(ImageError, match=told):
        open_source(str(path))


def test_a_bag_compressed_message_by_message_is_refused(tmp_path):
    path = pictures(tmp_path / 'bag', RGBS)
    rewrite(path, (PLAIN, 'compression_mode: MESSAGE'), ZSTD)
    with pytest.raises(ImageError, match='is compressed by message; expected none or chunks'):
        open_source(str(path))


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_files_that_the_metadata_does_not_name_do_not_matter(tmp_path, storage):
    from rosbags.rosbag2.storage_mcap import zstd

    path = pictures(tmp_path / 'bag', RGBS, storage)
    (path / 'bag.mcap.zst').write_bytes(zstd.compress(b'an older one'))
    (path / 'a%2Fb.txt').touch()
    with closing(sqlite3.connect(path / 'notes.db3')) as database:
        database.execute('CREATE VIEW v AS SELECT 1')
    assert len(frames(open_source(str(path)))) == len(RGBS)


@pytest.mark.parametrize('name', ['bad.db3?x', 'bad.db3#x', 'b%61d.db3'])
def test_names_that_mean_another_file_to_sqlite_are_refused(tmp_path, name):
    path = pictures(tmp_path / 'bag', RGBS, 'sqlite3')
    good = next(path.glob('*.db3'))
    bad = path / 'bad.db3'
    bad.write_bytes(good.read_bytes())
    with closing(sqlite3.connect(bad)) as database:
        database.execute('CREATE TABLE more(a, b AS (a * 2))')
    good.rename(path / name)
    rewrite(path, ('bag.db3', name))
    with pytest.raises(ImageError, match='means a file elsewhere to SQLite'):
        open_source(str(path))


def test_a_folder_whose_name_means_another_to_sqlite_is_refused(tmp_path):
    path = pictures(tmp_path / 'bag', RGBS, 'sqlite3').rename(tmp_path / 'b%61g')
    for source in (path, next(path.glob('*.db3'))):
        with pytest.raises(ImageError, match='means a file elsewhere to SQLite'):
            open_source(str(source))


def test_mcap_files_may_have_any_name(tmp_path):
    path = pictures(tmp_path / 'bag', RGBS).rename(tmp_path / 'b%61g#1')
    name = '100%2F #2?.mcap'
    next(path.glob('*.mcap')).rename(path / name)
    rewrite(path, ('bag.mcap', f"'{name}'"))
    assert len(frames(open_source(str(path)))) == len(RGBS)


def test_what_is_no_file_is_not_opened(tmp_path):
    path = pictures(tmp_path / 'bag', RGBS)
    file = next(path.glob('*.mcap'))
    file.unlink()
    # To open it would wait for somebody who writes.
    os.mkfifo(file)
    with pytest.raises(ImageError, match=r"files are missing .* expected a file 'bag.mcap'"):
        open_source(str(path))


@pytest.mark.parametrize(
    'sql',
    [
        'CREATE VIEW metadata_v AS WITH RECURSIVE c(x) AS (SELECT 1 UNION SELECT x FROM c) '
        'SELECT * FROM c',
        'CREATE TABLE more(a, b AS (a * 2))',
        'CREATE TRIGGER t AFTER INSERT ON messages BEGIN SELECT 1; END',
    ],
)
def test_databases_that_compute_are_refused(tmp_path, sql):
    path = next(pictures(tmp_path / 'bag', RGBS, 'sqlite3').glob('*.db3'))
    with sqlite3.connect(path) as database:
        database.execute(sql)
    database.close()
    with pytest.raises(ImageError, match='expected tables only'):
        open_source(str(path))


def test_databases_are_known_by_what_they_hold(tmp_path):
    path = pictures(tmp_path / 'bag', RGBS, 'sqlite3')
    file = next(path.glob('*.db3')).rename(path / 'a.bin')
    rewrite(path, ('bag.db3', 'a.bin'))
    assert len(frames(open_source(str(path)))) == len(RGBS)
    with sqlite3.connect(file) as database:
        database.execute('CREATE TABLE more(a, b AS (a * 2))')
    database.close()
    with pytest.raises(ImageError, match='expected tables only'):
        open_source(str(path))


@pytest.mark.parametrize('name', ['../other.db3', '..%2Fother.db3'])
def test_files_outside_the_bag_are_not_opened(tmp_path, name):
    path = pictures(tmp_path / 'bag', RGBS, 'sqlite3')
    next(path.glob('*.db3')).rename(tmp_path / 'other.db3')
    (path / name).touch()
    rewrite(path, ('bag.db3', name))
    with pytest.raises(ImageError, match=r'expected the bag.s own only|files are missing'):
        open_source(str(path))


def test_chunks_that_would_be_open_together_are_refused(tmp_path, monkeypatch):
    """Their times overlap, so that each waits, unpacked, for the others' messages."""
    from rosbags.rosbag2 import storage_mcap

    close = storage_mcap.McapWriter.close_chunk

    def claim_to_last(writer):
        writer.chunk.message_end_time += 10**10
        close(writer)

    # Each is a chunk of its own.
    rgbs = [np.zeros((512, 800, 3), np.uint8)] * 4
    limit = 3 * rgbs[0].nbytes
    apart = pictures(tmp_path / 'apart', rgbs)
    monkeypatch.setattr(storage_mcap.McapWriter, 'close_chunk', claim_to_last)
    together = pictures(tmp_path / 'together', rgbs)
    assert len(frames(open_source(str(together)))) == len(rgbs)
    monkeypatch.setattr(bag_reader, 'MAX_OPEN', limit)
    assert len(frames(open_source(str(apart)))) == len(rgbs)
    for path in (together, next(together.glob('*.mcap'))):
        with pytest.raises(ImageError, match=rf'chunks of \d+ bytes .* at most {limit} are read'):
            open_source(str(path))


def test_a_library_that_cannot_be_bounded_is_named(tmp_path, monkeypatch):
    """As its releases before 0.11.7."""
    from rosbags.rosbag2 import storage_mcap

    path = pictures(tmp_path / 'bag', RGBS)
    bag_reader._limit_decompression.cache_clear()
    monkeypatch.delattr(storage_mcap, 'zstd')
    with pytest.raises(ImageError, match=r'cannot read bag .* AttributeError: .*zstd'):
        open_source(str(path))


def chunked(path, compression, claimed, data):
    """An MCAP file of one chunk, with an index, whose size is what is claimed."""

    def text(value):
        return struct.pack('<I', len(value)) + value.encode()

    def record(op, body):
        return struct.pack('<BQ', op, len(body)) + body

    magic = b'\x89MCAP0\r\n'
    schema = struct.pack('<H', 1) + text('sensor_msgs/msg/Image') + text('ros2msg') + text('')
    channel = struct.pack('<HH', 1, 1) + text('/image') + text('cdr') + struct.pack('<I', 0)
    definitions = record(3, schema) + record(4, channel)
    start = magic + record(1, text('ros2') + text('')) + definitions
    times = struct.pack('<QQ', 1, 2)
    fields = text(compression) + struct.pack('<Q', len(data)) + data
    chunk = record(6, times + struct.pack('<QI', claimed, 0) + fields)
    index = times + struct.pack('<QQ', len(start), len(chunk)) + struct.pack('<IHQ', 10, 1, 0)
    index += struct.pack('<Q', 0) + text(compression) + struct.pack('<QQ', len(data), claimed)
    statistics = struct.pack('<QHIIIIQQIHQ', 1, 1, 1, 0, 0, 1, 1, 2, 10, 1, 1)
    summary = definitions + record(8, index) + record(11, statistics)
    footer = struct.pack('<QQI', len(start) + len(chunk), 0, 0)
    path.write_bytes(start + chunk + summary + record(2, footer) + magic)
    return path


@pytest.mark.parametrize('compression', ['zstd', 'lz4'])
def test_chunks_that_claim_or_hold_too_much_are_refused(tmp_path, compression):
    if compression == 'lz4':
        from lz4.frame import compress
    else:
        from rosbags.rosbag2.storage_mcap import zstd

        compress = zstd.compress
    bomb = compress(bytes(64 << 20))
    assert len(bomb) < 1 << 20
    claims = {bag_reader.MAX_CHUNK + 1: 'at most', 1000: 'breaks off'}
    for claimed, said in claims.items():
        path = chunked(tmp_path / 'bomb.mcap', compression, claimed, bomb)
        with pytest.raises(ImageError, match=said):
            frames(open_source(str(path)))
    # The very file with honest numbers is read.
    rgb = RGBS[0]
    message = bytes(bag_files.STORE.serialize_cdr(image(rgb), 'sensor_msgs/msg/Image'))
    body = struct.pack('<HIQQ', 1, 0, 1, 1) + message
    records = struct.pack('<BQ', 5, len(body)) + body
    path = chunked(tmp_path / 'good.mcap', compression, len(records), compress(records))
    np.testing.assert_array_equal(frames(open_source(str(path)))[0].rgb, rgb)
