"""Harmonics of a mel move, and its envelope stays: stated on vowels of known F0 and formants."""

import math

import pytest
import torch
from torch import Tensor

from vocoders.frontends.f0 import F0Config, extract_f0
from vocoders.frontends.mel import MEL_PRESETS, LogMel, MelConfig
from vocoders.frontends.moved_harmonics import MovedHarmonics
from vocoders.wavehax import Wavehax, WavehaxConfig

MEL = MelConfig(fmax=12000.0)
FRAMES = 60
# Frequency and bandwidth in Hz of the formants of an open vowel.
FORMANTS = ((700, 130), (1200, 140), (2600, 200), (3600, 300), (5500, 500), (8000, 700))


def response(frequency: Tensor) -> Tensor:
    """Return the magnitude of the vocal tract: resonances, and 6 dB per octave downwards."""
    gain = 0.1 / (1 + frequency / 300)
    for centre, width in FORMANTS:
        gain = (
            gain * centre**2 / torch.sqrt((centre**2 - frequency**2) ** 2 + (width * frequency) ** 2 + 1e4 * centre**2)
        )
    return gain


def vowel(f0: Tensor, mel: MelConfig = MEL) -> Tensor:
    """Return a vowel (1, T) with the F0 (T,) in Hz; its level does not depend on F0."""
    phase = 2 * math.pi * torch.cumsum(f0.double() / mel.sample_rate, 0)
    audio = torch.zeros_like(phase)
    for k in range(1, int(mel.sample_rate / 2 / f0.min())):
        inside = k * f0 < mel.sample_rate / 2
        audio += torch.where(inside, f0 / 100 * response(k * f0), 0.0) * torch.sin(k * phase)
    return audio.float()[None]


def track(low: float, high: float) -> tuple[Tensor, Tensor]:
    """Return a glide in samples and in frames."""
    samples = torch.linspace(low, high, FRAMES * MEL.hop_length)
    return samples, samples[MEL.hop_length // 2 :: MEL.hop_length][None, None]


def ripple(log_mel: Tensor) -> float:
    """Return by how much bands differ from the mean of their neighbours, in nepers."""
    inner = log_mel[0, 5:60, 10:-10]
    return float((inner[1:-1] - (inner[2:] + inner[:-2]) / 2).abs().mean())


@pytest.mark.parametrize("pitch", [100.0, 180.0, 300.0])
def test_a_smoothed_mel_has_the_envelope_and_no_harmonics(pitch: float) -> None:
    log_mel, (samples, f0) = LogMel(MEL), track(pitch, 1.1 * pitch)
    mover, features = MovedHarmonics(log_mel), log_mel(vowel(samples))
    smooth = mover.smooth(features, f0)
    assert ripple(smooth) < 0.25 * ripple(features) + 0.02
    # The envelope of a vowel does not depend on its pitch.
    other_samples, other_f0 = track(1.37 * pitch, 1.5 * pitch)
    other = mover.smooth(log_mel(vowel(other_samples)), other_f0)
    difference = (smooth - other)[..., 10:-10]
    assert difference.mean().abs() < 0.15
    assert difference.abs().mean() < 0.35


MELS = {"shipped": MEL, "published": MEL_PRESETS["wavehax_24k"], "power": MelConfig(log="log10", power=2)}


@pytest.mark.parametrize("scale", [0.6, 0.8, 1.25, 1.5, 1.9])
@pytest.mark.parametrize(
    ("pitch", "mel"), [(110.0, "shipped"), (210.0, "shipped"), (180.0, "published"), (180.0, "power")]
)
def test_a_moved_mel_is_that_of_the_vowel_at_the_other_pitch(pitch: float, mel: str, scale: float) -> None:
    log_mel, (samples, f0) = LogMel(MELS[mel]), track(pitch, 1.15 * pitch)
    features, wanted = log_mel(vowel(samples)), log_mel(vowel(scale * samples))
    moved = MovedHarmonics(log_mel)(features, f0, scale * f0)
    peaks, error = [], []
    for found in (moved, wanted, features):
        inside = found[0, 2:45, 10:-10]
        # Bands above their neighbours lie at harmonics.
        peaks.append((inside[1:-1] > inside[2:]) & (inside[1:-1] > inside[:-2]))
        error.append((found - wanted)[0, 2:60, 10:-10].exp().clamp(0.3, 3).log().abs().mean())
    agreement = [(found & peaks[1]).sum() / peaks[1].sum() for found in peaks]
    assert agreement[0] > agreement[2] + 0.1
    assert agreement[0] > 0.6
    assert error[0] < 0.75 * error[2]


def test_the_same_f0_changes_nothing_and_silence_has_no_pitch() -> None:
    log_mel, (samples, f0) = LogMel(MEL), track(150, 200)
    features, mover = log_mel(vowel(samples)), MovedHarmonics(log_mel)
    assert torch.equal(mover(features, f0, f0.clone()), features)
    nothing = torch.zeros_like(f0)
    assert torch.equal(mover(features, nothing, 2 * nothing), features)
    # Where only a part is edited, the rest stays.
    edited = f0.clone()
    edited[..., 30:40] *= 1.5
    different = (mover(features, f0, edited) != features).any(1)[0].nonzero().flatten()
    assert (int(different[0]), int(different[-1])) == (30, 39)
    # A voice that shall whisper has no harmonics.
    assert ripple(mover(features, f0, nothing)) < 0.5 * ripple(features)


@pytest.mark.parametrize("pitch", [120.0, 220.0])
def test_a_remade_mel_is_nearly_itself(pitch: float) -> None:
    log_mel, (samples, f0) = LogMel(MEL), track(pitch, 1.2 * pitch)
    features = log_mel(vowel(samples) + 1e-3 * torch.randn(len(samples), generator=torch.Generator().manual_seed(0)))
    mover = MovedHarmonics(log_mel)
    mels = (mover.remade(features, f0), mover.smooth(features, f0))
    error = [(mel - features)[0, 2:, 10:-10].abs().mean() for mel in mels]
    assert error[0] < 0.5
    assert error[0] < 0.6 * error[1]
    assert torch.equal(mover.remade(features, torch.zeros_like(f0)), features)


def test_chunks_of_any_length_give_the_same() -> None:
    samples, f0 = track(150, 200)
    features, mover = LogMel(MEL)(vowel(samples)), MovedHarmonics(LogMel(MEL))
    torch.testing.assert_close(mover(features, f0, 1.3 * f0, chunk_frames=7), mover(features, f0, 1.3 * f0))


@pytest.mark.parametrize("scale", [0.8, 1.25, 1.5, 1.9])
@pytest.mark.parametrize("pitch", [120.0, 210.0])
def test_a_vowel_sounds_at_the_wanted_pitch(pitch: float, scale: float) -> None:
    """At step 0 the network in the envelope domain is a source-filter vocoder; harmonics of the mel would decide."""
    torch.manual_seed(0)
    model = Wavehax(WavehaxConfig(mel=MEL, prior_shaping="envelope", channels=4, num_blocks=1, mel_refinement=4)).eval()
    samples, f0 = track(pitch, 1.2 * pitch)
    features = model.log_mel(vowel(samples))
    output = model.synthesize(features, scale * f0, mel_f0=f0, refinement=4)
    assert torch.equal(output, model.synthesize(features, f0, f0_scale=scale, refinement=4))
    found = extract_f0(output[0, 0], 24000, MEL.hop_length, F0Config(f0_min=50, alignment="frame_center"))
    error = torch.log2(torch.from_numpy(found).clamp(min=1) / (scale * f0[0, 0]))[8:-8].abs()
    assert (error < 0.1).float().mean() > 0.95
    # The vowel stays the same vowel.
    mover = MovedHarmonics(model.log_mel)
    envelope = mover.smooth(features, f0), mover.smooth(model.log_mel(output), scale * f0)
    assert (envelope[0] - envelope[1])[0, 5:, 10:-10].abs().mean() < 0.5
