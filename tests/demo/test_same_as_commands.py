"""What the page plays is what the commands write, for everything that ships, with its own options and with others."""

import numpy as np
import pytest
from demo_server import buzz, write_clip

from demo.library import Entry, Library, find_entries
from demo.work.generate import Draw, draw
from demo.work.vocode import Settings, vocode
from recipes.cli.main import main
from vocoders.core.audio import read_audio

_ENTRIES = find_entries()
# The command writes 16 bits.
_ROUNDING = 1.01 * 0.5 / 32768


def of_kind(kind: str) -> list[Entry]:
    return [entry for entry in _ENTRIES if entry.kind == kind]


@pytest.fixture(scope="module")
def library() -> Library:
    return Library(_ENTRIES)


@pytest.fixture
def clip(tmp_path, monkeypatch) -> str:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    # No whole number of frames, and quiet enough for what the vocoders make of it.
    return str(write_clip(tmp_path / "clip.wav", 0.7 * buzz(0.613)))


def other_values(entry: Entry) -> dict[str, float]:
    """Return another value for each number that the system lets choose."""
    own = entry.options.to_dict()
    values = {}
    for option in entry.declared:
        if option.dial is not None:
            low, high = option.dial
            middle = low + (high - low) / 16
            value = round(middle) if option.kind == "integer" else round(middle, 3)
            values[option.name] = value if value != own[option.name] else option.dial[1]
    return values


def command(*arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) == 0


def flags(values: dict[str, float]) -> list[str]:
    return [part for name, value in values.items() for part in (f"--{name.replace('_', '-')}", str(value))]


@pytest.mark.parametrize("changed", [False, True], ids=["own options", "other options"])
@pytest.mark.parametrize("entry", of_kind("vocoder"), ids=lambda entry: entry.name)
def test_the_vocoder_tab_plays_what_synth_writes(library, clip, tmp_path, entry, changed) -> None:
    options = other_values(entry) if changed else {}
    command("synth", clip, "-o", tmp_path / "out.wav", "-m", entry.name, "--seed", 3, "--resample", *flags(options))
    written = read_audio(tmp_path / "out.wav")[0][0].numpy().astype(np.float64)
    played = vocode(library, Settings(entry.name, options, 3), clip, lambda fraction: None).result
    assert played.shape == written.shape
    # The page brings both sides to one loudness.
    gain = float(np.dot(played, written) / np.dot(written, written))
    assert np.abs(played / gain - written).max() < 2 * _ROUNDING


@pytest.mark.parametrize("changed", [False, True], ids=["own options", "other options"])
@pytest.mark.parametrize("entry", of_kind("generator"), ids=lambda entry: entry.name)
def test_the_generate_tab_plays_what_generate_writes(library, tmp_path, entry, changed) -> None:
    options = other_values(entry) if changed else {}
    command("generate", "-o", tmp_path / "out.wav", "-m", entry.name, "--seconds", 0.5, "--seed", 3, *flags(options))
    written = read_audio(tmp_path / "out.wav")[0][0].numpy()
    pieces = draw(library, Draw(entry.name, 0.5, options, 3), lambda: False)
    assert np.abs(np.concatenate([piece.samples for piece in pieces]) - written).max() < _ROUNDING


def test_options_change_what_is_played(library, clip) -> None:
    for entry in of_kind("vocoder"):
        for option, value in other_values(entry).items():
            if option == "chunk_seconds":  # of longer clips
                continue
            # Sway bends a grid of times, which one step has not.
            base = {"steps": 2} if option == "sway" else {}
            own, other = (
                vocode(library, Settings(entry.name, values), clip, lambda fraction: None).result
                for values in (base, base | {option: value})
            )
            assert not np.allclose(own, other, atol=1e-4), f"{entry.name}: {option} {value}"
