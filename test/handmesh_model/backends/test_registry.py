import pytest
import torch

from handmesh_model import backends
from handmesh_model.backends import (
    BACKENDS,
    available_backends,
    choose_device,
    create_backend,
    devices,
    missing_backends,
)
from handmesh_model.backends.registry import choose_backends
from handmesh_model.errors import BackendError

CPU, CUDA = torch.device('cpu'), torch.device('cuda')


def test_a_cpu_has_eager_and_openvino():
    assert available_backends(CPU) == [
        ('eager', 'float32'),
        ('openvino', 'float32'),
        ('openvino', 'int8'),
    ]
    missing = missing_backends(CPU)
    assert set(missing) == {'cudagraph', 'tensorrt'}
    assert 'runs on CUDA' in missing['cudagraph']


def test_auto_takes_openvino_on_a_cpu_and_says_so_if_it_is_missing(monkeypatch, caplog):
    created = []
    monkeypatch.setattr(backends, '_create', lambda kind, *_: created.append(kind.name))
    create_backend('auto', None, CPU)
    assert not caplog.records  # of CUDA's backends nothing is expected here
    monkeypatch.setattr('handmesh_model.extras.find_spec', lambda name: None)
    create_backend('auto', None, CPU)
    assert created == ['openvino', 'eager']
    assert [record.levelname for record in caplog.records] == ['WARNING']
    assert "backend 'openvino' needs the package openvino" in caplog.text
    create_backend('eager', None, CPU)
    assert len(caplog.records) == 1


def test_looking_up_what_auto_is_says_nothing(monkeypatch, caplog):
    names = [kind.name for kind, _ in choose_backends('auto', CPU, 'auto')]
    assert names == ['openvino', 'eager']
    monkeypatch.setattr('handmesh_model.extras.find_spec', lambda name: None)
    names = [kind.name for kind, _ in choose_backends('auto', CPU, 'auto')]
    assert names == ['eager']
    assert not caplog.records


def test_auto_takes_captured_graphs_in_half_precision_on_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    chosen = [(kind.name, p) for kind, p in choose_backends('auto', CUDA, 'auto')]
    assert chosen == [('cudagraph', 'float16'), ('eager', 'float32')]


@pytest.mark.parametrize('there', [True, False])
@pytest.mark.parametrize(
    ('backend', 'with_cuda'),
    [('auto', 'cuda'), ('eager', 'cuda'), ('cudagraph', 'cuda'), ('openvino', 'cpu')],
)
def test_device_that_is_chosen_runs_the_backend(monkeypatch, there, backend, with_cuda):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: there)
    monkeypatch.setattr(devices, '_cuda', lambda: True)
    chosen = choose_device('auto', backend)
    assert chosen.type == (with_cuda if there else 'cpu')
    if backend != 'cudagraph' or there:
        assert choose_backends(backend, chosen, 'auto')


NO_KERNEL = 'CUDA error: no kernel image is available for execution on the device'


@pytest.fixture
def broken(monkeypatch):
    """A function that lets computing on a device fail, where PyTorch sees CUDA."""
    for function in (devices.device_problem, devices._cuda):
        function.cache_clear()
    asked = []

    def fail_with(error):
        def fail(*_, device):
            asked.append(device)
            raise error

        monkeypatch.setattr(torch, 'ones', fail)
        monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
        return asked

    yield fail_with
    for function in (devices.device_problem, devices._cuda):
        function.cache_clear()


@pytest.mark.parametrize(
    ('error', 'said'),
    [
        (RuntimeError('no driver\nat line 7'), 'no driver'),
        (RuntimeError(), 'RuntimeError'),
        (torch.OutOfMemoryError('CUDA out of memory.'), r'CUDA out of memory\.'),
        (RuntimeError(NO_KERNEL), NO_KERNEL),
    ],
)
def test_a_device_that_cannot_be_used_is_told_in_a_line(broken, error, said):
    broken(error)
    with pytest.raises(BackendError, match=f"^device 'cuda' cannot be used here: {said}$"):
        choose_device('cuda')


@pytest.mark.parametrize('name', ['magic', 'cuda:-5'])
def test_a_device_that_does_not_exist_is_told(name):
    with pytest.raises(BackendError, match=f"^device '{name}' cannot be used here: "):
        choose_device(name)


def test_a_device_that_gives_no_numbers_back_is_refused():
    with pytest.raises(BackendError, match=r"^device 'meta' cannot be used here: "):
        choose_device('meta')


def test_auto_takes_the_cpu_where_cuda_does_not_compute_and_says_so_once(broken, caplog):
    asked = broken(RuntimeError(NO_KERNEL))
    for backend in ('auto', 'eager', 'cudagraph'):
        assert choose_device('auto', backend) == CPU
    assert [record.levelname for record in caplog.records] == ['WARNING']
    said = f"device 'cuda' cannot be used here: {NO_KERNEL}; the CPU is taken"
    assert caplog.records[0].getMessage() == said
    with pytest.raises(BackendError, match='no kernel image'):
        choose_device('cuda')
    assert asked == [CUDA]


def test_auto_for_a_backend_of_the_cpu_does_not_try_cuda(broken, caplog):
    asked = broken(RuntimeError(NO_KERNEL))
    assert choose_device('auto', 'openvino') == CPU
    assert not asked
    assert not caplog.records


def test_a_device_that_miscounts_is_refused(broken, monkeypatch):
    monkeypatch.setattr(torch, 'ones', lambda *_, device: torch.zeros(2))
    with pytest.raises(BackendError, match=r'cannot be used here: 1 \+ 1 is 0\.0 there'):
        choose_device('cuda')


def test_auto_without_the_precision_on_a_gpu_names_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    said = r"no backend on 'cuda.*' has precision 'int8', expected .* or the device 'cpu'"
    with pytest.raises(BackendError, match=said):
        choose_backends('auto', CUDA, 'int8')


def test_auto_with_a_precision_takes_what_has_it():
    chosen = [(kind.name, p) for kind, p in choose_backends('auto', CPU, 'int8')]
    assert chosen == [('openvino', 'int8')]


@pytest.mark.parametrize(
    ('name', 'precision', 'said'),
    [
        ('magic', 'auto', "backend is 'magic', expected one of auto, eager, openvino"),
        ('eager', 'float8', "precision is 'float8', expected one of auto, float32"),
        ('eager', 'int8', "backend 'eager' has no precision 'int8', expected one of float32"),
        (
            'auto',
            'float16',
            "no backend on 'cpu' has precision 'float16', expected one of float32, int8 there",
        ),
        ('cudagraph', 'auto', "'cudagraph' runs on CUDA, not on 'cpu'"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(name, precision, said):
    with pytest.raises(BackendError) as caught:
        choose_backends(name, CPU, precision)
    assert said in str(caught.value)


def test_a_device_that_no_backend_fits_is_refused_with_the_reasons(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    for device, said in (
        ('meta', "'eager' runs on the CPU or CUDA, not on 'meta'"),
        ('cuda', "'cudagraph' needs CUDA, which PyTorch does not see here"),
    ):
        with pytest.raises(BackendError) as caught:
            choose_backends('auto', torch.device(device), 'auto')
        assert str(caught.value).startswith(f"no backend can run on '{device}' here: ")
        assert said in str(caught.value)


def test_missing_packages_are_named_with_the_extra_that_has_them(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr('handmesh_model.extras.find_spec', lambda name: None)
    problem = BACKENDS['tensorrt'].problem(CUDA)
    assert problem == (
        "backend 'tensorrt' needs the packages torch-tensorrt and tensorrt: "
        "pip install '.[tensorrt]' in a checkout of handmesh_ros"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason='CUDA is there')
def test_cuda_backends_say_that_cuda_is_missing():
    assert 'needs CUDA' in missing_backends(CUDA)['cudagraph']
