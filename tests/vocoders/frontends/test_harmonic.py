"""The harmonic priors have the pitch, the power and the bandwidth that their definitions promise."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from vocoders.core.errors import ShapeError
from vocoders.frontends.harmonic import (
    PriorConfig,
    draw_prior_noise,
    draw_prior_phase,
    harmonic_sum,
    hold_frames,
    make_prior,
)

RATE, HOP = 24000, 240
PCPH = PriorConfig(name="pcph")
DECAY = PriorConfig(name="pcph_linear_decay")
HARMONIC = ["pcph", "pcph_linear_decay", "sine", "sawtooth"]
NAMES = [*HARMONIC, "noise"]


def constant(f0: float, frames: int = 100) -> Tensor:
    """Return one second (100 frames) of constant F0."""
    return torch.full((1, 1, frames), f0)


def spectrum(signal: Tensor) -> np.ndarray:
    """Return the amplitudes of the sines in one second, one per Hz."""
    values = signal[0, 0].double().numpy()
    assert len(values) == RATE
    return np.abs(np.fft.rfft(values)) / (RATE / 2)


@given(st.floats(-1e6, 1e6), st.integers(0, 300))
def test_closed_form_is_the_direct_sum(cycles: float, count: int) -> None:
    cycles = cycles - np.floor(cycles)
    direct = np.sin(2 * np.pi * np.arange(1, count + 1) * cycles).sum()
    total = harmonic_sum(torch.tensor(cycles, dtype=torch.float64), torch.tensor(count))
    assert total.item() == pytest.approx(direct, abs=3e-8)


@given(st.integers(-1000, 1000), st.floats(-1e-9, 1e-9), st.integers(1, 300))
def test_closed_form_has_no_pole_at_whole_cycles(whole: int, offset: float, count: int) -> None:
    total = harmonic_sum(torch.tensor(whole + offset, dtype=torch.float64), torch.tensor(count))
    assert abs(total.item()) < 1e-2


@given(st.integers(20, 11999))
@settings(max_examples=30)
def test_pcph_is_the_sum_of_all_harmonics_below_nyquist(f0: int) -> None:
    amplitudes = spectrum(make_prior(constant(f0), HOP, RATE, PCPH))
    count = int(RATE / 2 // f0)
    harmonics = f0 * np.arange(1, count + 1)
    audible = harmonics[harmonics < RATE / 2]  # a sine at the Nyquist frequency itself is sampled as zero
    expected = np.zeros(RATE // 2 + 1)
    expected[audible] = 0.1 * np.sqrt(4 * f0 / RATE)
    # One second holds whole periods, so a folded (aliased) harmonic would stand in a bin between the harmonics.
    np.testing.assert_allclose(amplitudes, expected, rtol=0, atol=1e-5)


@given(st.floats(60.0, 4000.0), st.floats(0.01, 1.0))
@settings(max_examples=30)
def test_power_of_pcph_does_not_depend_on_f0(f0: float, factor: float) -> None:
    above = (RATE / 2) % f0
    assume(20 < above < f0 - 20)  # a harmonic at the Nyquist frequency beats with its own image
    prior = make_prior(constant(f0), HOP, RATE, PriorConfig(power_factor=factor))
    count = np.floor(RATE / 2 / np.float32(f0))
    rms = prior.double().square().mean().sqrt().item()
    # Q harmonics carry Q * f0 / Nyquist of the nominal power: all of it, but for the gap below the Nyquist frequency.
    assert rms == pytest.approx(factor * np.sqrt(count * f0 / (RATE / 2)), rel=0.02)
    assert factor * np.sqrt(count / (count + 1)) * 0.98 < rms < factor * 1.02


@given(st.integers(40, 500))
@settings(max_examples=20)
def test_linear_decay_falls_to_zero_at_the_top_with_constant_power_and_no_aliases(f0: int) -> None:
    prior = make_prior(constant(f0), HOP, RATE, DECAY)
    # As published, the power counts Nyquist / F0 harmonics where there are only floor(Nyquist / F0).
    ratio = f0 / (RATE / 2)
    power = np.square(1 - ratio * np.arange(1, RATE // 2 // f0 + 1)).sum()
    counted = power + 1 / ratio - RATE // 2 // f0
    assert prior.double().square().mean().sqrt().item() == pytest.approx(0.1 * np.sqrt(power / counted), rel=1e-4)
    assert prior.double().square().mean().sqrt().item() == pytest.approx(0.1, rel=0.07)
    amplitudes = spectrum(prior)
    harmonics = f0 * np.arange(1, (RATE // 2 - 1) // f0 + 1)
    slope = 1 - harmonics / (RATE / 2)
    np.testing.assert_allclose(amplitudes[harmonics], amplitudes[f0] * slope / slope[0], rtol=0, atol=1e-5)
    between = np.ones(RATE // 2 + 1, dtype=bool)
    between[harmonics] = False
    assert amplitudes[between].max() < 1e-5


def test_top_frequency_limits_the_harmonics() -> None:
    for config in (PriorConfig(name="pcph", max_frequency=5000.0), PriorConfig(name=DECAY.name, max_frequency=5000.0)):
        amplitudes = spectrum(make_prior(constant(300.0), HOP, RATE, config))
        assert amplitudes[5001:].max() < 1e-5
        assert amplitudes[4500] > 1e-3


def test_sine_is_one_line_of_unit_amplitude() -> None:
    amplitudes = spectrum(make_prior(constant(440.0), HOP, RATE, PriorConfig(name="sine")))
    assert amplitudes[440] == pytest.approx(1.0, abs=1e-4)
    amplitudes[440] = 0
    assert amplitudes.max() < 1e-4


def test_sawtooth_has_amplitudes_one_over_k_and_oversampling_keeps_aliases_low() -> None:
    f0 = 700
    harmonics = f0 * np.arange(1, 15)

    def aliases(oversampling: int) -> float:
        config = PriorConfig(name="sawtooth", oversampling=oversampling)
        signal = make_prior(constant(f0, 300), HOP, RATE, config)[..., RATE : 2 * RATE]
        amplitudes = spectrum(signal)
        if oversampling > 1:
            np.testing.assert_allclose(amplitudes[harmonics], 2 / (np.pi * np.arange(1, 15)), rtol=0.02)
        between = np.ones(RATE // 2 + 1, dtype=bool)
        between[np.arange(0, RATE // 2 + 1, f0)] = False
        return amplitudes[between].max()

    assert aliases(8) < aliases(1) / 4


@pytest.mark.parametrize("name", NAMES)
def test_unvoiced_is_noise_alone(name: str) -> None:
    config = PriorConfig(name=name)
    f0 = torch.zeros(2, 1, 10)
    noise = draw_prior_noise(f0, HOP)
    assert torch.equal(make_prior(f0, HOP, RATE, config, noise, torch.full((1, 1), 0.3)), config.noise_level * noise)
    assert torch.equal(make_prior(f0, HOP, RATE, config), torch.zeros(2, 1, 10 * HOP))


@pytest.mark.parametrize("name", ["pcph", "pcph_linear_decay", "sine"])
def test_unvoiced_frames_are_noise_alone_between_voiced_ones(name: str) -> None:
    config = PriorConfig(name=name)
    f0 = constant(150.0, 12)
    f0[..., 4:8] = 0.0
    noise = draw_prior_noise(f0, HOP, torch.Generator().manual_seed(0))
    prior = make_prior(f0, HOP, RATE, config, noise)
    middle = slice(4 * HOP, 8 * HOP)
    assert torch.equal(prior[..., middle], (config.noise_level * noise)[..., middle])
    harmonic = prior - make_prior(f0, HOP, RATE, config)
    torch.testing.assert_close(harmonic, config.noise_level * noise, rtol=0, atol=1e-6)
    assert (prior - config.noise_level * noise)[..., : 4 * HOP].abs().max() > 0.05


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_gives_the_same_prior_and_another_seed_another(name: str) -> None:
    f0 = constant(220.0, 10)

    def draw(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        noise, phase = draw_prior_noise(f0, HOP, generator), draw_prior_phase(f0, generator)
        assert 0 <= phase.item() < 1
        return make_prior(f0, HOP, RATE, PriorConfig(name=name), noise, phase)

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


@given(st.lists(st.floats(50.0, 1000.0), min_size=2, max_size=20), st.floats(0, 1, exclude_max=True))
def test_phase_is_continuous_across_frames(pitches: list[float], start: float) -> None:
    f0 = torch.tensor(pitches)[None, None]
    sine = make_prior(f0, 16, RATE, PriorConfig(name="sine"), phase=torch.tensor([[start]]))[0, 0].double().numpy()
    cycles = np.float32(start) + np.cumsum(np.repeat(np.float32(pitches).astype(float), 16)) / RATE
    np.testing.assert_allclose(sine, np.sin(2 * np.pi * cycles), rtol=0, atol=1e-6)
    # No step is larger than the steepest slope of a continuous phase allows.
    assert np.abs(np.diff(sine)).max() <= 2 * np.pi * max(pitches) / RATE + 1e-6


def test_phase_runs_on_for_a_long_time_without_drift() -> None:
    f0, frames = 123.0, 20_000
    sine = make_prior(constant(f0, frames), 100, RATE, PriorConfig(name="sine"))[0, 0, -100:].double().numpy()
    sample = np.arange(frames * 100 - 99, frames * 100 + 1)
    np.testing.assert_allclose(sine, np.sin(2 * np.pi * (sample * int(f0) % RATE) / RATE), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", HARMONIC)
def test_start_phase_shifts_the_whole_batch_in_time(name: str) -> None:
    f0, config = torch.full((2, 1, 10), 100.0), PriorConfig(name=name)
    shift = 60  # a quarter of the period of 240 samples
    plain = make_prior(f0, HOP, RATE, config)
    shifted = make_prior(f0, HOP, RATE, config, phase=torch.full((1, 1), 0.25))
    inner = slice(300, 2000)  # away from the borders of the sawtooth's resampling filter
    later = plain[..., inner.start + shift : inner.stop + shift]
    torch.testing.assert_close(shifted[..., inner], later, rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", HARMONIC)
def test_items_of_a_batch_do_not_mix(name: str) -> None:
    f0 = torch.stack([constant(90.0, 8)[0], constant(310.5, 8)[0], torch.zeros(1, 8)])
    together = make_prior(f0, HOP, RATE, PriorConfig(name=name))
    for index in range(3):
        alone = make_prior(f0[index : index + 1], HOP, RATE, PriorConfig(name=name))
        torch.testing.assert_close(together[index : index + 1], alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_f0_above_nyquist_stays_finite(name: str) -> None:
    prior = make_prior(constant(13000.0, 4), HOP, RATE, PriorConfig(name=name))
    assert torch.isfinite(prior).all()
    if name.startswith("pcph"):
        assert prior.abs().max() == 0


def test_shapes_are_checked_and_kept() -> None:
    for shape in [(10,), (1, 10), (1, 2, 10)]:
        with pytest.raises(ShapeError, match=r"expected \(B, 1, F\)"):
            make_prior(torch.zeros(shape), HOP, RATE, PCPH)
    for shape in [(1, 1, 10 * HOP - 1), (1, 10 * HOP), (2, 1, 10 * HOP)]:
        with pytest.raises(ShapeError, match="noise of shape"):
            make_prior(constant(100.0, 10), HOP, RATE, PCPH, torch.zeros(shape))
    for name in NAMES:
        prior = make_prior(torch.full((2, 1, 7), 100.0), 37, RATE, PriorConfig(name=name))
        assert prior.shape == (2, 1, 7 * 37)
        assert prior.dtype == torch.float32


def test_hold_repeats_each_value() -> None:
    assert hold_frames(torch.tensor([[1.0, 2.0]]), 3).tolist() == [[1, 1, 1, 2, 2, 2]]
