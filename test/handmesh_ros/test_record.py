import json

import numpy as np

from handmesh_ros.record import HandRow, Record, Tally, frames_by_stamp, read_frames_file

SENT = [{'frame': i, 'name': f'{i}.png', 'stamp': 1000 + i} for i in range(4)]


def row(stamp, x=0.0):
    return HandRow(
        stamp=stamp,
        side=1,
        track_id=3,
        state=2,
        score=0.9,
        box=np.array([1.0, 2, 3, 4]),
        joints_image=np.full(42, x),
        joints_camera=np.zeros(63),
    )


def test_tally_rate():
    tally = Tally()
    assert tally.rate == 0
    for now in (5.0, 5.5, 6.0):
        tally.add(now)
    assert (tally.count, tally.rate) == (3, 2.0)


def test_report_counts_dropped_images_and_hands():
    record = Record(
        topics={'hands': Tally(3, 0.0, 1.0)},
        latencies=[0.010, 0.020, 0.030],
        answers={1000: 1, 1001: 0, 1003: 2},
    )
    report = record.report(SENT)
    assert report['frames'] == {
        'sent': 4,
        'answered': 3,
        'dropped': 1,
        'with_hands': 2,
        'hands_found_share': 0.5,
    }
    assert report['topics'] == {'hands': {'count': 3, 'rate_hz': 2.0}}
    assert report['latency_ms'] == {'median': 20.0, 'p95': 29.0, 'max': 30.0}
    json.dumps(report)


def test_image_sent_twice_counts_once():
    record = Record(answers={1005: 1})
    sent = [*SENT, {'frame': 2, 'name': '2.png', 'stamp': 1005}]
    frames = record.report(sent)['frames']
    assert (frames['sent'], frames['answered'], frames['with_hands']) == (4, 1, 1)


def test_report_of_nothing_is_no_error():
    report = Record().report([])
    assert report['frames']['hands_found_share'] == 0
    assert report['latency_ms'] == {}


def test_arrays_name_the_frame_of_each_hand():
    record = Record(hands=[row(1002, 5.0), row(1000), row(77)])
    arrays = record.arrays(SENT)
    np.testing.assert_array_equal(arrays['frame'], [2, 0, -1])
    assert arrays['joints_image'].shape == (3, 21, 2)
    assert arrays['joints_image'][0, 0, 0] == 5.0
    np.testing.assert_array_equal(arrays['frames_sent'], [0, 1, 2, 3])
    assert Record().arrays([])['joints_camera'].shape == (0, 21, 3)


def test_frames_file(tmp_path):
    file = tmp_path / 'frames.jsonl'
    assert read_frames_file(file) == []
    file.write_text('\n'.join(map(json.dumps, SENT)) + '\n')
    assert frames_by_stamp(read_frames_file(file))[1003] == 3
