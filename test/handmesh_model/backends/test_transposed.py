import pytest
import torch
from torch import nn

from handmesh_model.backends.transposed import WIDE, SplitTransposed, split_wide_transposed


@torch.no_grad()
@pytest.mark.parametrize('bias', [True, False])
def test_split_is_the_same_function(bias):
    torch.manual_seed(0)
    layer = nn.ConvTranspose2d(5, 3, 4, stride=2, padding=1, bias=bias)
    x = torch.randn(2, 5, 6, 7)
    split = SplitTransposed(layer)(x)
    assert split.shape == (2, 3, 12, 14)
    torch.testing.assert_close(split, layer(x), rtol=0, atol=1e-5)


def test_only_wide_layers_of_the_usual_kind_are_split():
    wide = nn.ConvTranspose2d(WIDE, 1, 4, stride=2, padding=1)
    narrow = nn.ConvTranspose2d(WIDE - 1, 1, 4, stride=2, padding=1)
    other = nn.ConvTranspose2d(WIDE, 1, 2, stride=2)
    net = nn.Sequential(nn.Sequential(wide), narrow, other)
    split_wide_transposed(net)
    assert isinstance(net[0][0], SplitTransposed)
    assert list(net)[1:] == [narrow, other]
