"""PyTorch's settings of TF32, which a CPU has too, though they mean nothing to it."""

import threading

import pytest
import torch

from handmesh_model.backends.exact_float32 import exact_float32

CUDA, CUDNN = torch.device('cuda'), torch.backends.cudnn
BY_OPERATION = pytest.mark.skipif(
    not hasattr(CUDNN, 'conv'), reason='this PyTorch has no precision by operation'
)


@pytest.fixture(autouse=True)
def _settings_as_before():
    before = CUDNN.allow_tf32
    yield
    if hasattr(CUDNN, 'conv'):
        torch.backends.fp32_precision = 'none'
    CUDNN.allow_tf32 = before


@pytest.mark.parametrize('allowed', [True, False])
def test_tf32_is_off_in_the_block_and_as_before_behind_it(allowed):
    CUDNN.allow_tf32 = allowed
    others = CUDNN.enabled, CUDNN.benchmark, CUDNN.deterministic
    for _ in range(2):
        with exact_float32(CUDA):
            assert CUDNN.allow_tf32 is False
            assert (CUDNN.enabled, CUDNN.benchmark, CUDNN.deterministic) == others
        assert CUDNN.allow_tf32 is allowed
        with pytest.raises(KeyError), exact_float32(CUDA):
            raise KeyError
        assert CUDNN.allow_tf32 is allowed


def test_on_a_cpu_nothing_is_changed():
    CUDNN.allow_tf32 = True
    with exact_float32(torch.device('cpu')):
        assert CUDNN.allow_tf32 is True


def test_the_last_of_several_threads_brings_the_settings_back():
    CUDNN.allow_tf32 = True
    entered, leave = threading.Event(), threading.Event()

    def work():
        with exact_float32(CUDA):
            entered.set()
            assert leave.wait(60)

    thread = threading.Thread(target=work)
    with exact_float32(CUDA):
        thread.start()
        assert entered.wait(60)
    assert CUDNN.allow_tf32 is False
    leave.set()
    thread.join()
    assert CUDNN.allow_tf32 is True


@BY_OPERATION
def test_settings_that_follow_general_ones_are_off_too():
    torch.backends.fp32_precision = 'tf32'
    assert CUDNN.conv.fp32_precision == 'tf32'
    with exact_float32(CUDA):
        assert CUDNN.conv.fp32_precision == 'ieee'
    assert CUDNN.conv.fp32_precision == 'tf32'


@BY_OPERATION
@pytest.mark.parametrize('precision', ['ieee', 'tf32'])
def test_what_the_older_setting_cannot_say_is_no_error(precision):
    CUDNN.conv.fp32_precision = precision
    CUDNN.rnn.fp32_precision = {'ieee': 'tf32', 'tf32': 'ieee'}[precision]
    with pytest.raises(RuntimeError, match='allow_tf32'):
        _ = CUDNN.allow_tf32
    with exact_float32(CUDA):
        assert CUDNN.conv.fp32_precision == 'ieee'
    assert CUDNN.conv.fp32_precision == precision
