import pytest
import torch

from vocoders.core.errors import ShapeError
from vocoders.frontends.mel import MEL_PRESETS, LogMel, MelConfig
from vocoders.frontends.mel_consistency import MelConsistency
from vocoders.frontends.refinement_steps import CLOSING_STEPS

PRESETS = ["wavehax_24k", "bigvgan_24k", "vocos_24k", "espnet_24k"]


def _audio(frames: int, hop: int, seed: int = 0, batch: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(frames * hop) / 24000
    tone = sum(torch.sin(2 * torch.pi * 180 * k * time) / k for k in range(1, 12))
    noise = torch.randn(batch, 1, frames * hop, generator=generator)
    return 0.1 * (tone + 0.2 * noise)


def _distance(log_mel: LogMel, audio: torch.Tensor, features: torch.Tensor) -> float:
    return float((log_mel(audio) - features).abs().mean())


@pytest.mark.parametrize("preset", PRESETS)
def test_what_has_the_mel_already_stays(preset):
    log_mel = LogMel(MEL_PRESETS[preset])
    audio = _audio(40, log_mel.config.hop_length)
    kept = MelConsistency(log_mel)(audio, log_mel(audio), 4)
    # The last frame's far end is weighted by almost nothing where frames lie at n hops.
    inside = slice(None, -2 * log_mel.config.n_fft)
    assert torch.allclose(kept[..., inside], audio[..., inside], atol=1e-4)


@pytest.mark.parametrize("preset", PRESETS)
def test_each_iteration_comes_nearer_to_the_mel(preset):
    log_mel = LogMel(MEL_PRESETS[preset])
    wanted, audio = (_audio(40, log_mel.config.hop_length, seed) for seed in (1, 2))
    features = log_mel(wanted * torch.linspace(0.2, 1.0, wanted.shape[-1]))
    consistency = MelConsistency(log_mel)
    distances = [_distance(log_mel, consistency(audio, features, n), features) for n in (0, 1, 4, 16)]
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 0.35 * distances[0]


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("iterations", [8, 16])
def test_closing_steps_come_nearer_from_a_start_that_is_near(preset, iterations):
    log_mel = LogMel(MEL_PRESETS[preset])
    wanted = _audio(60, log_mel.config.hop_length, 1)
    features = log_mel(wanted)
    # Other noise between the same harmonics, as a vocoder makes it.
    audio = _audio(60, log_mel.config.hop_length, 2)
    ordinary, closing = (
        MelConsistency(log_mel, closing=steps)(audio, features, iterations) for steps in ((), CLOSING_STEPS)
    )
    assert _distance(log_mel, closing, features) < _distance(log_mel, ordinary, features)


def test_closing_steps_are_the_last():
    consistency = MelConsistency(LogMel(MEL_PRESETS["wavehax_24k"]), closing=CLOSING_STEPS)
    assert consistency.steps(0) == []
    assert consistency.steps(3) == [*CLOSING_STEPS[-3:]]
    assert consistency.steps(10) == [consistency.ordinary, consistency.ordinary, *CLOSING_STEPS]


def test_a_power_mel_is_reached_too():
    log_mel = LogMel(MEL_PRESETS["wavehax_24k"].model_copy(update={"power": 2, "log": "log10"}))
    audio = _audio(40, 240)
    features = log_mel(0.5 * audio)
    changed = MelConsistency(log_mel)(audio, features, 8)
    assert _distance(log_mel, changed, features) < 0.2 * _distance(log_mel, audio, features)


def test_items_of_a_batch_do_not_touch_each_other():
    log_mel = LogMel(MEL_PRESETS["wavehax_24k"])
    audio, features = _audio(30, 240, batch=3), log_mel(_audio(30, 240, seed=5, batch=3))
    together = MelConsistency(log_mel)(audio, features, 3)
    alone = MelConsistency(log_mel)(audio[1:2], features[1:2], 3)
    assert torch.allclose(together[1:2], alone, atol=1e-6)


@pytest.mark.parametrize("closing", [(), CLOSING_STEPS], ids=["ordinary", "closing"])
def test_an_iteration_reaches_no_further_than_it_says(closing):
    log_mel = LogMel(MEL_PRESETS["wavehax_24k"])
    consistency = MelConsistency(log_mel, closing=closing)
    audio, features = _audio(60, 240), log_mel(_audio(60, 240, seed=3))
    other = features.clone()
    other[..., 40:] += 1.0
    first = (40 - 2 * consistency.context_frames) * 240
    a, b = consistency(audio, features, 2), consistency(audio, other, 2)
    assert torch.equal(a[..., :first], b[..., :first])
    assert not torch.equal(a, b)


def test_silence_stays_finite():
    log_mel = LogMel(MEL_PRESETS["wavehax_24k"])
    silence = torch.zeros(1, 1, 2400)
    assert torch.isfinite(MelConsistency(log_mel)(silence, log_mel(_audio(10, 240)), 3)).all()
    assert MelConsistency(log_mel)(_audio(10, 240), log_mel(silence), 8).abs().max() < 0.1


def test_shapes_that_do_not_belong_together_are_refused():
    log_mel = LogMel(MEL_PRESETS["wavehax_24k"])
    with pytest.raises(ShapeError, match="expected"):
        MelConsistency(log_mel)(torch.zeros(1, 1, 2400), torch.zeros(1, 100, 11), 1)


@pytest.mark.parametrize("changes", [{"preset": name} for name in MEL_PRESETS] + [{"power": 2}, {"log": "log10"}])
@pytest.mark.parametrize("frames", [5, 16, 150])
@pytest.mark.parametrize("closing", [(), CLOSING_STEPS[-4:]], ids=["ordinary", "closing"])
def test_compiled_loops_give_the_numbers_of_torch(changes, frames, closing):
    log_mel = LogMel(MelConfig.from_dict(changes))
    hop = log_mel.config.hop_length
    audio, features = _audio(frames, hop, batch=2), log_mel(_audio(frames, hop, seed=1, batch=2))
    consistency = MelConsistency(log_mel, closing=closing)
    with torch.no_grad():
        compiled = consistency(audio, features, 5)
    plain = consistency(audio.requires_grad_(), features, 5)
    assert plain.requires_grad
    assert not compiled.requires_grad
    assert torch.allclose(compiled, plain, atol=2e-5)


@pytest.mark.parametrize("frames", [40, 333])
def test_compiled_loops_give_the_same_bits_on_any_number_of_threads(frames):
    log_mel = LogMel(MEL_PRESETS["wavehax_24k"])
    audio, features = _audio(frames, 240), log_mel(_audio(frames, 240, seed=1))
    consistency, found = MelConsistency(log_mel, closing=CLOSING_STEPS[-4:]), []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(consistency(audio, features, 6))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_an_odd_transform_is_computed_too():
    log_mel = LogMel(MelConfig(sample_rate=16000, n_fft=401, hop_length=100, n_mels=40))
    audio, features = _audio(50, 100), log_mel(_audio(50, 100, seed=1))
    refined = MelConsistency(log_mel)(audio, features, 16)
    assert (log_mel(refined[:, 0]) - features).abs().mean() < 0.3 * (log_mel(audio[:, 0]) - features).abs().mean()


def test_reflected_edges_need_audio_on_every_path():
    log_mel = LogMel(MEL_PRESETS["hifigan_22k"])
    with pytest.raises(ShapeError, match="reflection"):
        MelConsistency(log_mel)(torch.zeros(1, 1, 256), torch.zeros(1, 80, 1), 1)


def test_double_precision_stays_double():
    log_mel = LogMel(MEL_PRESETS["wavehax_24k"]).double()
    audio = _audio(20, 240).double()
    assert MelConsistency(log_mel)(audio, log_mel(audio), 1).dtype == torch.float64
