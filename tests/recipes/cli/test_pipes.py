"""`-` as standard input and output of `ondes synth`, `effect` and `generate`: audio alone, as it comes."""

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from effects.models.tcn import TCN, TCNConfig
from recipes.cli.main import main
from vocoders.core.audio import read_audio, write_audio
from vocoders.core.audio_pipes import PipeFormat, PipeWriter, read_pipe
from vocoders.frontends.f0 import F0Config
from vocoders.wavehax.config import WavehaxConfig
from vocoders.wavehax.model import Wavehax

Run = Callable[..., tuple[int, bytes]]


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Gives a function that runs a command with bytes in standard input, and returns its code and output."""

    def run(*words: object, given: bytes = b"", terminal: bool = False) -> tuple[int, bytes]:
        output = io.BytesIO()
        flush = SimpleNamespace(flush=lambda: None, isatty=lambda: terminal, fileno=lambda: 1, write=lambda text: None)
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(given), isatty=lambda: terminal))
        monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=output, **vars(flush)))
        code = main([str(word) for word in words])
        return code, output.getvalue()

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gives a folder with a causal vocoder, an effect and audio."""
    folder = tmp_path_factory.mktemp("pipes")
    torch.manual_seed(0)
    sizes = {"channels": 4, "kernel_size": (3, 3), "num_blocks": 1, "norm": "frame", "look_ahead": 1}
    Wavehax(WavehaxConfig(**sizes, f0=F0Config(alignment="frame_center"))).save_pretrained(folder / "vocoder")
    TCN(TCNConfig(channels=4, num_blocks=2, kernel_size=3, condition_channels=(4,))).save_pretrained(folder / "effect")
    write_audio(folder / "speech.wav", 0.3 * torch.sin(torch.arange(12_345) * 0.05)[None], 24000)
    write_audio(folder / "stereo.wav", torch.rand(2, 5000) - 0.5, 44100)
    return folder


def wav(format: PipeFormat, audio: torch.Tensor) -> bytes:
    stream = io.BytesIO()
    PipeWriter(stream, format).write(audio)
    return stream.getvalue()


def decode(data: bytes, raw: PipeFormat | None = None) -> tuple[PipeFormat, torch.Tensor]:
    format, blocks = read_pipe(io.BytesIO(data), raw)
    return format, torch.cat(list(blocks), dim=-1)


def test_an_effect_in_a_pipe_is_the_effect_on_a_file(folder: Path, piped: Run, tmp_path: Path) -> None:
    model, source = folder / "effect", folder / "stereo.wav"
    assert main(["effect", str(source), "-m", str(model), "-o", str(tmp_path / "wet.wav")]) == 0
    expected, _ = read_audio(tmp_path / "wet.wav")
    code, output = piped("effect", "-", "-m", model, "-o", "-", given=source.read_bytes())
    assert (code, decode(output)[0]) == (0, PipeFormat("s16le", 44100, 2))
    assert torch.equal(decode(output)[1], expected)
    raw = PipeFormat("f32le", 44100, 2)
    code, output = piped("effect", source, "-m", model, "-o", "-", "--raw", "f32le,44100,2")
    assert code == 0
    assert (decode(output, raw)[1] - expected).abs().max() < 1e-4
    code, output = piped("effect", "-", "-m", model, "-o", tmp_path / "again.wav", given=source.read_bytes())
    assert (code, output) == (0, b"")
    assert torch.equal(read_audio(tmp_path / "again.wav")[0], expected)


def test_synthesis_in_a_pipe_streams(folder: Path, piped: Run, tmp_path: Path) -> None:
    model, source = folder / "vocoder", folder / "speech.wav"
    audio, _ = read_audio(source)
    assert main(["synth", str(source), "-m", str(model), "-o", str(tmp_path / "file.wav"), "--stream"]) == 0
    code, output = piped("synth", "-", "-m", model, "-o", "-", "--stream", given=source.read_bytes())
    assert (code, decode(output)[0]) == (0, PipeFormat("s16le", 24000, 1))
    assert torch.equal(decode(output)[1], read_audio(tmp_path / "file.wav")[0])
    assert decode(output)[1].shape == audio.shape
    code, output = piped("synth", "-", "-m", model, "-o", "-", given=source.read_bytes())
    assert main(["synth", str(source), "-m", str(model), "-o", str(tmp_path / "whole.wav")]) == 0
    assert torch.equal(decode(output)[1], read_audio(tmp_path / "whole.wav")[0])


def test_features_stream_as_they_are_synthesised_at_once(folder: Path, piped: Run, tmp_path: Path) -> None:
    import numpy as np

    model = Wavehax.from_pretrained(folder / "vocoder")
    inputs = model.analyze(read_audio(folder / "speech.wav")[0])
    np.savez(tmp_path / "x.npz", features=inputs["features"][0].numpy(), f0=inputs["f0"][0, 0].numpy())
    code, output = piped("synth", tmp_path / "x.npz", "-m", folder / "vocoder", "-o", "-", "--stream")
    assert code == 0
    assert (decode(output)[1] - model.synthesize(**inputs)[0].clamp(-1, 1)).abs().max() < 1e-4


def test_channels_and_rates_of_a_pipe(folder: Path, piped: Run) -> None:
    stereo, model = folder / "stereo.wav", folder / "vocoder"
    assert piped("synth", "-", "-m", model, "-o", "-", "--stream", given=stereo.read_bytes()) == (2, b"")
    code, output = piped("synth", "-", "-m", model, "-o", "-", "--stream", "--resample", given=stereo.read_bytes())
    format, audio = decode(output)
    assert (code, format) == (0, PipeFormat("s16le", 24000, 2))
    assert abs(audio.shape[-1] - 5000 * 24000 / 44100) < 2


def test_generation_writes_while_it_draws(piped: Run, tmp_path: Path) -> None:
    from vocoders.sashimi.config import SashimiConfig
    from vocoders.sashimi.model import Sashimi

    torch.manual_seed(0)
    Sashimi(SashimiConfig(channels=8, num_layers=1, kernel_length=256)).save_pretrained(tmp_path / "generator")
    words = ["generate", "-m", str(tmp_path / "generator"), "--seconds", "0.01"]
    assert main([*words, "-o", str(tmp_path / "x.wav")]) == 0
    code, output = piped(*words, "-o", "-")
    assert code == 0
    assert torch.equal(decode(output)[1], read_audio(tmp_path / "x.wav")[0])
    assert piped(*words, "-o", "-", "--num", 2) == (2, b"")


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (["effect", "-", "{folder}/stereo.wav", "-m", "{folder}/effect", "-o", "-"], b""),
        (["effect", "{folder}/stereo.wav", "{folder}/speech.wav", "-m", "{folder}/effect", "-o", "-"], b""),
        (["effect", "-", "-m", "{folder}/effect", "-o", "-", "--json"], b""),
        (["effect", "-", "-m", "{folder}/effect", "-o", "-"], b"no audio"),
        (["effect", "-", "-m", "{folder}/effect", "-o", "folder"], b""),
        (["effect", "-", "-m", "{folder}/effect", "-o", "-", "--raw", "mp3"], b""),
        (["synth", "-", "-m", "{folder}/vocoder", "-o", "-"], b""),
        (["synth", "-", "-m", "griffin-lim", "-o", "-", "--stream"], "speech"),
        (["synth", "{folder}", "-m", "{folder}/vocoder", "-o", "out.wav", "--stream"], b""),
    ],
)
def test_what_a_pipe_cannot_do_is_refused(
    folder: Path, piped: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], given: bytes | str
) -> None:
    monkeypatch.chdir(tmp_path)
    data = (folder / f"{given}.wav").read_bytes() if isinstance(given, str) else given
    assert piped(*(word.format(folder=folder) for word in words), given=data) == (2, b"")
    assert not list(tmp_path.iterdir())


def test_terminals_hold_no_audio(folder: Path, piped: Run) -> None:
    model, source = folder / "effect", folder / "stereo.wav"
    assert piped("effect", "-", "-m", model, "-o", "-", terminal=True) == (2, b"")
    assert piped("effect", source, "-m", model, "-o", "-", terminal=True) == (2, b"")


def test_a_reader_that_leaves_ends_the_command_quietly(folder: Path) -> None:
    length = PipeFormat("s16le", 44100, 1)
    command = f"{sys.executable} -m recipes.cli.main -q effect - -m {folder / 'effect'} -o - | head -c 100 | wc -c"
    data = wav(length, torch.zeros(1, 200_000))
    run = subprocess.run(["bash", "-c", command], input=data, capture_output=True, timeout=120, check=False)
    assert (run.stdout.strip(), run.stderr) == (b"100", b"")
