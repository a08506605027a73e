"""Chunked processing equals processing the whole, for any length."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vocoders.core.chunking import ChunkSpan, chunk_spans, join_crossfade, join_exact
from vocoders.core.errors import ConfigError, ShapeError

lengths = st.integers(1, 400)
chunks = st.integers(1, 90)
halos = st.integers(0, 40)


def noise(length: int) -> Tensor:
    return torch.randn(2, 1, length, dtype=torch.float64, generator=torch.Generator().manual_seed(length))


@settings(deadline=None)
@given(lengths, chunks, halos)
def test_valid_parts_tile_the_sequence(length: int, chunk: int, halo: int) -> None:
    spans = chunk_spans(length, chunk, halo)
    covered = [frame for span in spans for frame in range(span.valid_start, span.valid_stop)]
    assert covered == list(range(length))
    sizes = [span.valid_stop - span.valid_start for span in spans]
    assert max(sizes) <= chunk
    assert max(sizes) - min(sizes) <= 1
    for span in spans:
        assert span.start == max(0, span.valid_start - halo)
        assert span.stop == min(length, span.valid_stop + halo)


@pytest.mark.parametrize("join", [join_exact, join_crossfade])
@settings(deadline=None)
@given(lengths, chunks, halos, st.integers(1, 5))
def test_identity_stays_the_identity(join, length: int, chunk: int, halo: int, hop: int) -> None:
    signal = noise(length * hop)
    spans = chunk_spans(length, chunk, halo)
    joined = join((signal[..., span.start * hop : span.stop * hop] for span in spans), spans, hop)
    assert torch.equal(joined, signal)


@settings(deadline=None)
@given(lengths, chunks, st.integers(0, 20), st.integers(0, 5))
def test_fir_within_the_halo_is_exact(length: int, chunk: int, reach: int, spare: int) -> None:
    taps = torch.randn(1, 1, 2 * reach + 1, dtype=torch.float64, generator=torch.Generator().manual_seed(reach))

    def filter_signal(signal: Tensor) -> Tensor:
        return F.conv1d(signal, taps, padding=reach)

    signal = noise(length)
    spans = chunk_spans(length, chunk, reach + spare)
    joined = join_exact((filter_signal(signal[..., span.start : span.stop]) for span in spans), spans)
    torch.testing.assert_close(joined, filter_signal(signal), rtol=0, atol=1e-12)


def test_fir_beyond_the_halo_is_not_exact() -> None:
    taps = torch.ones(1, 1, 21, dtype=torch.float64)
    signal = noise(100)
    spans = chunk_spans(100, 30, 9)
    joined = join_exact((F.conv1d(signal[..., s.start : s.stop], taps, padding=10) for s in spans), spans)
    assert (joined - F.conv1d(signal, taps, padding=10)).abs().max() > 0.1


@settings(deadline=None)
@given(lengths, chunks, halos)
def test_crossfade_stays_between_the_chunks(length: int, chunk: int, halo: int) -> None:
    """Chunk i is constant i: the result climbs without a fall, and no step is larger than the fade allows."""
    spans = chunk_spans(length, chunk, halo)
    outputs = [torch.full((s.stop - s.start,), float(index), dtype=torch.float64) for index, s in enumerate(spans)]
    joined = join_crossfade(outputs, spans)
    assert (joined.diff() >= 0).all()
    assert joined[0] == 0 if len(spans) == 1 or spans[0].valid_stop > halo else joined[0] < 1
    assert joined[-1] > len(spans) - 2


def test_crossfade_is_a_raised_cosine_around_the_seam() -> None:
    spans = chunk_spans(200, 100, 8)
    joined = join_crossfade([torch.zeros(108, dtype=torch.float64), torch.ones(108, dtype=torch.float64)], spans)
    assert torch.equal(joined[:92], torch.zeros(92, dtype=torch.float64))
    assert torch.equal(joined[108:], torch.ones(92, dtype=torch.float64))
    torch.testing.assert_close(joined[92:108] + joined[92:108].flip(0), torch.ones(16, dtype=torch.float64))
    expected = torch.sin(torch.pi / 2 * (torch.arange(16, dtype=torch.float64) + 0.5) / 16).square()
    torch.testing.assert_close(joined[92:108], expected)


def test_one_chunk_at_a_time_is_asked_for() -> None:
    spans = chunk_spans(100, 10, 2)
    asked = []

    def outputs():
        for span in spans:
            asked.append(span)
            yield torch.zeros(span.stop - span.start)

    stream = outputs()
    join_exact(stream, spans)
    assert asked == spans


def test_edges() -> None:
    assert chunk_spans(0, 5, 1) == []
    assert chunk_spans(3, 5, 9) == [ChunkSpan(0, 3, 0, 3)]
    for arguments in [(-1, 5, 1), (5, 0, 1), (5, 5, -1)]:
        with pytest.raises(ConfigError):
            chunk_spans(*arguments)


@pytest.mark.parametrize("outputs", [[], [torch.zeros(7)], [torch.zeros(7)] * 3, [torch.zeros(7), torch.zeros(6)]])
def test_outputs_that_do_not_fit_are_refused(outputs: list[Tensor]) -> None:
    with pytest.raises(ShapeError):
        join_exact(outputs, chunk_spans(10, 5, 2))
