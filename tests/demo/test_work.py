"""What the tabs compute, without a server: families that need not ship, cancelling, deadlines."""

import itertools
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from demo_server import buzz, write_clip

import vocoders
from demo.library import Library, find_entries
from demo.work.apply import render_clip, resolve_knobs
from demo.work.compare import compare
from demo.work.deadline import with_deadline
from demo.work.features import OWN, look_at, play
from demo.work.generate import Draw, draw
from demo.work.vocode import Settings, vocode, vocode_live
from effects.engine import render
from effects.models.tcn import TCN, TCNConfig
from effects.processors import PROCESSORS
from vocoders.core.audio import read_audio
from vocoders.core.errors import ConfigError, DataError
from vocoders.frontends.convention_presets import MEL_CONVENTIONS
from vocoders.sashimi.diffwave import DiffwaveSashimi, DiffwaveSashimiConfig


@pytest.fixture(scope="module")
def library(tmp_path_factory, model_folder) -> Library:
    folder = tmp_path_factory.mktemp("more_models")
    torch.manual_seed(0)
    tiny = {
        "channels": 8,
        "num_layers": 1,
        "s4": {"d_state": 8, "bidirectional": True},
        "diffusion": {"num_steps": 6},
        "kernel_length": 1024,
    }
    free = DiffwaveSashimiConfig.from_dict(tiny | {"sample_rate": 8000, "mel": None})
    DiffwaveSashimi(free).save_pretrained(folder / "free-diffusion")
    mel = {"mel": {"preset": "hifigan_22k"}, "sample_rate": 22050}
    DiffwaveSashimi(DiffwaveSashimiConfig.from_dict(tiny | mel)).save_pretrained(folder / "mel-diffusion")
    knobs = PROCESSORS["denoise"].knobs
    TCN(TCNConfig(knobs=knobs, channels=4, num_blocks=1, kernel_size=3)).save_pretrained(folder / "denoise-tiny")
    return Library(find_entries([model_folder, folder]))


@pytest.fixture
def clip(tmp_path, monkeypatch) -> str:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return str(write_clip(tmp_path / "clip.wav", buzz(1.0)))


def test_diffusion_from_nothing_comes_at_the_end_and_equals_the_model(library) -> None:
    assert library.entry("free-diffusion").kind == "generator"
    pieces = list(draw(library, Draw("free-diffusion", 0.5, seed=3), lambda: False))
    audio = np.concatenate([piece.samples for piece in pieces])
    assert len(pieces) > 2
    assert [piece.drawn for piece in pieces] == sorted(piece.drawn for piece in pieces)
    wanted = library.load("free-diffusion").generate(4000, seed=3).audio.reshape(-1)
    assert np.array_equal(audio, wanted.numpy())


def test_diffusion_takes_no_prompt_and_ends_when_cancelled(library, clip) -> None:
    with pytest.raises(ConfigError, match="takes no prompt"):
        list(draw(library, Draw("free-diffusion", 0.5, prompt_path=clip), lambda: False))
    asked = itertools.count()
    pieces = list(draw(library, Draw("free-diffusion", 0.5), lambda: next(asked) >= 2))
    assert not any(piece.samples.size for piece in pieces)


def test_a_generation_ends_between_pieces(library) -> None:
    asked = itertools.count()
    pieces = list(draw(library, Draw("tiny-digits", 15.0), lambda: next(asked) >= 2))
    assert 0 < pieces[-1].drawn < 15 * 8000


def test_diffusion_from_a_mel_is_a_vocoder(library, clip) -> None:
    assert library.entry("mel-diffusion").kind == "vocoder"
    copy = vocode(library, Settings("mel-diffusion"), clip, lambda fraction: None)
    assert copy.sample_rate == 22050
    assert len(copy.result) == len(copy.reference) > 21000


def test_vocoders_and_generators_are_not_confused(library, clip) -> None:
    with pytest.raises(ConfigError, match="no vocoder"):
        vocode(library, Settings("tiny-digits"), clip, lambda fraction: None)
    with pytest.raises(ConfigError, match="from features"):
        draw(library, Draw("tiny-turbo", 1.0), lambda: False)


def test_world_copies_what_it_hears(library, clip) -> None:
    compared = compare(vocode(library, Settings("world"), clip, lambda fraction: None))
    assert float(compared.rows["Mel distance"].split()[0]) < 8
    higher = vocode(library, Settings("world", {"f0_scale": 1.5}), clip, lambda fraction: None)
    compared = compare(higher)
    assert compared.rows["M-STFT"].startswith("only at")
    assert float(compared.rows["F0 error"].split()[0]) < 60
    # What was measured in the result is there, beside what was measured in the clip.
    voiced = [contour.f0[contour.f0 > 0] for contour in (compared.clip, compared.result)]
    assert np.median(voiced[1]) / np.median(voiced[0]) == pytest.approx(1.5, rel=0.03)


def test_a_drawn_f0_is_sung(library, clip) -> None:
    own = vocode(library, Settings("wavehax-24k"), clip, lambda fraction: None)
    assert own.given is not None
    drawn = tuple(float(f) for f in np.where(own.given.f0 > 0, 200.0, 0.0))
    sung = vocode(library, Settings("wavehax-24k", f0=drawn), clip, lambda fraction: None)
    compared = compare(sung)
    assert np.median(compared.result.f0[compared.result.f0 > 0]) == pytest.approx(200, rel=0.02)
    for wrong in (drawn[:-1], tuple(9 * f for f in drawn), (float("nan"), *drawn[1:])):
        with pytest.raises(DataError, match="drawn F0"):
            vocode(library, Settings("wavehax-24k", f0=wrong), clip, lambda fraction: None)
    with pytest.raises(ConfigError, match="takes no F0"):
        vocode(library, Settings("griffin-lim", f0=drawn), clip, lambda fraction: None)


def test_a_stream_plays_what_comes_at_once_otherwise(library, clip) -> None:
    *pieces, copy = vocode_live(library, Settings("wavehax-24k", seed=3), clip, lambda fraction: None)
    whole = vocode(library, Settings("wavehax-24k", seed=3), clip, lambda fraction: None)
    assert len(pieces) > 3
    assert sum(len(samples) for _, _, samples in pieces) == len(copy.result) == len(whole.result)
    assert np.corrcoef(copy.result, whole.result)[0, 1] > 0.99
    with pytest.raises(ConfigError, match="stream"):
        list(vocode_live(library, Settings("world"), clip, lambda fraction: None))


def test_models_that_undo_an_effect_hear_what_it_made(library, clip) -> None:
    done = render_clip(library, clip, "denoise", "denoise-tiny", {"strength": 0.2}, None)
    assert (done.target, done.null_name) == ("clip", "Learned − dry")
    network = library.load("denoise-tiny")
    noisy = torch.from_numpy(done.wets["true"].audio)
    restored = render(network, noisy, done.sample_rate, {"strength": 0.2}, hop=4096).numpy()
    assert np.abs(done.audio["learned"] - restored).max() < 1e-5
    assert np.array_equal(done.audio["null"], done.audio["learned"] - done.dry)


def test_knobs_beyond_their_range_are_refused() -> None:
    knobs = PROCESSORS["comp_4c"].knobs
    assert resolve_knobs(knobs, {"attack": "5ms"})["attack"] == 0.005
    for wrong in ({"attack": 5}, {"ratio": 0.5}, {"atack": 0.01}, {"ratio": None}, {"ratio": float("nan")}):
        with pytest.raises(ConfigError):
            resolve_knobs(knobs, wrong)


def test_work_that_takes_too_long_ends() -> None:
    fractions = []
    report = with_deadline(fractions.append, 0.05)
    report(0.1)
    time.sleep(0.06)
    with pytest.raises(DataError, match="20 % were done"):
        report(0.2)
    report(1.0)
    assert fractions == [0.1, 1.0]


def test_feature_files_of_other_programs_are_looked_at_and_played(library, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    speech, _ = read_audio(Path(vocoders.__file__).parent / "examples" / "speech.flac", 22050)
    mel = MEL_CONVENTIONS["espnet_22k"].analyze(speech[:, :33000])[0].numpy()
    np.save(tmp_path / "x.npy", mel)
    _, names, first = look_at(str(tmp_path / "x.npy"))
    assert (set(names), first) == ({OWN, *MEL_CONVENTIONS}, names[0])
    assert names.index("espnet_22k") < names.index(OWN) < names.index("bigvgan_24k"), "shape and scale fit"
    played = play(library, str(tmp_path / "x.npy"), "wavehax-24k", "espnet_22k", 0)
    assert (played.sample_rate, len(played.samples)) == (24000, round(len(mel) * 256 * 24000 / 22050))
    with pytest.raises(DataError, match="80"):
        play(library, str(tmp_path / "x.npy"), "wavehax-24k", OWN, 0)
    with pytest.raises(ConfigError, match="unknown convention"):
        play(library, str(tmp_path / "x.npy"), "wavehax-24k", "/etc/passwd.yaml", 0)
    with pytest.raises(DataError, match="not uploaded"):
        look_at(__file__)
