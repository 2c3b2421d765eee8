import pytest

from handmesh_ros.soak_report import LATENCY_LIMIT, WARM_UP, Soak


def run(count=3000, memory=lambda i: 500e6, latency=lambda i: 0.02, files=lambda i: 30):
    soak = Soak()
    for i in range(count):
        soak.note(latency(i), 1)
        if i % 50 == 0:
            soak.look(i, int(memory(i)), files(i))
    return soak


def test_nothing_to_complain_of():
    soak = run(memory=lambda i: 500e6 + (i % 7) * 1e5)
    assert soak.complaints() == []
    report = soak.report()
    assert report['good images answered'] == report['with hands'] == 3000
    assert report['latency ms']['median'] == pytest.approx(20)
    assert report['median latency ms of each tenth'] == [20.0] * 10
    assert report['memory MB']['growth in 1000 images'] == pytest.approx(0, abs=0.1)


def test_warming_up_does_not_count():
    soak = run(memory=lambda i: 500e6 if i >= WARM_UP else 1e6 * i)
    assert soak.growth() == pytest.approx(0, abs=1e-6)
    assert soak.complaints() == []


def test_a_leak_is_found():
    soak = run(memory=lambda i: 500e6 + 12e3 * i)
    assert soak.growth() == pytest.approx(12, rel=1e-3)
    assert soak.complaints() == ['memory grows by 12.0 MB in 1000 images']


def test_growing_latency_lost_answers_and_open_files_are_found():
    soak = run(
        latency=lambda i: None if i == 10 else 0.02 * (1 + LATENCY_LIMIT * i / 3000),
        files=lambda i: 30 + i // 100,
    )
    lost, slow, files = soak.complaints()
    assert lost == '1 good images were not answered'
    assert slow.startswith('latency grew from 2')
    assert files == 'open files grew from 35 to 59'


def test_a_short_soak_says_what_it_has_not_judged():
    report = run(count=WARM_UP + 9).report()
    assert report['complaints'] == []
    memory, latency = report['not judged']
    assert memory.startswith('memory and open files: 1 looks from image 500 on')
    assert latency == 'latency over time: 509 images answered, expected 510 at least'
    assert run().report()['not judged'] == []
