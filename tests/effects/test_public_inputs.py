"""Every public entry of the effects takes what it can and refuses the rest in the same words."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from effect_cases import make_model

from effects.engine import Engine, render
from effects.processor_stream import ProcessorStream
from effects.processors import find_processor
from effects.rendering import render_blocks
from effects.runtimes.onnx import export_onnx
from effects.runtimes.onnx.stream import OnnxStream
from vocoders.core.errors import DataError, ShapeError

COMP = find_processor("comp_4c")
MODEL = make_model("lstm", torch.float32)
NOISE = (0.1 * np.random.default_rng(0).standard_normal((2, 4800))).astype(np.float32)

ENTRIES = {
    "Engine": lambda audio: Engine(MODEL).process(audio),
    "render": lambda audio: render(MODEL, audio),
    "ProcessorStream": lambda audio: ProcessorStream(COMP, 44100).process(audio),
    "Processor": lambda audio: COMP.process(audio[None] if hasattr(audio, "ndim") else audio, None, 44100)[0][0],
    "render_blocks": lambda audio: torch.cat(list(render_blocks(Engine(MODEL), [audio], mix=0.5)), dim=-1),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_tensors_and_arrays_of_any_float_give_the_same(name: str) -> None:
    expected = ENTRIES[name](torch.from_numpy(NOISE))
    for audio in (NOISE, NOISE.astype(">f4"), NOISE.astype(np.float64), NOISE[:, ::-1][:, ::-1]):
        found = ENTRIES[name](audio)
        assert isinstance(found, torch.Tensor)
        torch.testing.assert_close(found.to(expected), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize(
    ("audio", "error", "words"),
    [
        (NOISE.T, ShapeError, "transposed.*4800 channels of 2 samples"),
        (torch.from_numpy(NOISE.T[:64].copy()), ShapeError, "transposed.*64 channels of 2 samples"),
        (NOISE[:1].T, ShapeError, "transposed"),
        ((NOISE * 32767).astype(np.int16), ShapeError, "int16.*divide by 32768"),
        (torch.zeros(2, 100, dtype=torch.int64), ShapeError, "int64"),
        (NOISE + 0j, ShapeError, "complex64"),
        (NOISE.tolist(), ShapeError, "list"),
        (np.where(np.arange(9600).reshape(2, 4800) == 4877, np.nan, NOISE), DataError, "sample 77 of channel 1"),
        (np.where(np.arange(9600).reshape(2, 4800) == 4877, -np.inf, NOISE), DataError, "sample 77 of channel 1"),
    ],
)
def test_what_is_no_audio_is_refused_everywhere(name: str, audio: object, error: type, words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        ENTRIES[name](audio)
    assert "\n" not in str(caught.value)


def test_a_refused_block_leaves_no_trace_in_a_stream() -> None:
    whole = ProcessorStream(COMP, 44100).process(NOISE)
    stream, parts = ProcessorStream(COMP, 44100), []
    for first, last in pairwise(range(0, 4801, 480)):
        for bad in (NOISE[:, first:last] * np.nan, NOISE[:, first:last].T, (NOISE * 9).astype(np.int32)):
            with pytest.raises((DataError, ShapeError)):
                stream.process(bad)
        parts.append(stream.process(NOISE[:, first:last]))
    assert torch.equal(torch.cat(parts, dim=-1), whole)


def test_an_exported_graph_refuses_what_the_engine_refuses(tmp_path) -> None:
    export_onnx(MODEL, tmp_path / "x")
    stream, audio = OnnxStream(tmp_path / "x"), NOISE[:1]
    first = stream.process(audio)
    stream.reset()
    assert torch.equal(stream.process(torch.from_numpy(audio)), first)
    for bad, error in ((audio.T, ShapeError), ((audio * 9).astype(np.int16), ShapeError), (audio * np.nan, DataError)):
        with pytest.raises(error):
            stream.process(bad)
