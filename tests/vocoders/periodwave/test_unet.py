"""Convolutions along rows are torch's own, in another layout."""

import pytest
import torch
from torch import nn

from vocoders.periodwave.unet import RowConv, RowConvTranspose


@pytest.mark.parametrize("stride", [1, 4])
def test_a_row_convolution_is_a_convolution(stride: int) -> None:
    torch.manual_seed(0)
    ours, theirs = RowConv(3, 5, 9, stride, padding=4), nn.Conv1d(3, 5, 9, stride, padding=4)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, 64)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("output_size", [None, [256], [258]])
def test_a_transposed_one_gives_the_length_that_is_asked_for(output_size: list[int] | None) -> None:
    torch.manual_seed(0)
    ours, theirs = RowConvTranspose(3, 5, 8, 4, padding=2), nn.ConvTranspose1d(3, 5, 8, 4, padding=2)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, 64)
    expected = theirs(x, output_size)
    assert expected.shape[-1] == (256 if output_size is None else output_size[0])
    torch.testing.assert_close(ours(x, output_size), expected)
