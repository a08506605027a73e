"""What single effects do, against formulas and independent implementations."""

import math

import numpy as np
import pytest
import torch
import torchaudio.functional as AF
from torch import Tensor

from effects.processors import find_processor

RATE = 44100


def run(name: str, audio: Tensor, **knobs: float) -> Tensor:
    output, _ = find_processor(name).process(audio.double().reshape(1, 1, -1), knobs, RATE)
    return output.flatten()


def impulse(length: int) -> Tensor:
    return torch.nn.functional.one_hot(torch.tensor(0), length).double()


def noise(length: int) -> Tensor:
    return torch.rand(length, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 0.5


def test_a_steady_level_above_the_threshold_is_reduced_by_the_ratio() -> None:
    level = -6.0
    output = run("comp_4c", torch.full((RATE,), 10 ** (level / 20)), threshold=-20, ratio=4, attack=0.005)
    assert 20 * math.log10(output[-1]) == pytest.approx(-20 + (level + 20) / 4, abs=1e-6)
    output = run("comp", torch.full((RATE,), 10 ** (level / 20)), threshold=-20, ratio=4)
    assert 20 * math.log10(output[-1]) == pytest.approx(-20 + (level + 20) / 4, abs=1e-4)


@pytest.mark.parametrize(("attack", "release"), [(0.002, 0.03), (0.02, 0.005)])
def test_attack_and_release_are_rise_times_from_10_to_90_percent(attack: float, release: float) -> None:
    step = torch.cat([torch.full((4410,), 0.01), torch.full((8820,), 1.0), torch.full((8820,), 0.01)])
    gain = 20 * torch.log10(run("comp_4c", step, threshold=-20, ratio=2, attack=attack, release=release) / step)
    assert gain[13229].item() == pytest.approx(-10, abs=1e-3)
    falling, rising = gain[4410:13230], gain[13230:]
    attack_samples = (falling > -9).sum() - (falling > -1).sum()
    release_samples = (rising < -1).sum() - (rising < -9).sum()
    assert attack_samples.item() == pytest.approx(attack * RATE, abs=2)
    assert release_samples.item() == pytest.approx(release * RATE, abs=2)


def test_the_first_sample_of_a_stream_is_never_compressed() -> None:
    output = run("comp_large", torch.ones(10), threshold=-50, ratio=10, attack=0.001)
    assert output[0] == 1
    assert output[1] < 1


def test_echoes_repeat_an_impulse() -> None:
    output = run("echo", impulse(2000), delay=300, ratio=0.5, echoes=3)
    expected = torch.zeros(2000, dtype=torch.float64)
    expected[[0, 300, 600, 900]] = torch.tensor([1, 0.5, 0.25, 0.125], dtype=torch.float64)
    assert torch.equal(output, expected)
    halfway = run("echo", impulse(100), delay=10.25, ratio=1, echoes=1)
    assert halfway[10:12].tolist() == [0.75, 0.25]


def test_a_delay_line_repeats_with_its_feedback() -> None:
    output = run("delay", impulse(5000), time=441 / RATE, feedback=0.5, mix=0.25)
    peaks = torch.nonzero(output.abs() > 1e-9).flatten()
    assert peaks.tolist() == [441 * repeat for repeat in range(12)]
    assert output[peaks[:4]].tolist() == pytest.approx([0.75, 0.25, 0.125, 0.0625])


@pytest.mark.parametrize("cutoff", [50.0, 500.0, 2000.0])
def test_the_low_pass_filter_has_the_butterworth_response(cutoff: float) -> None:
    response = torch.fft.rfft(run("lowpass", impulse(RATE), cutoff=cutoff)).abs()
    warped = torch.tan(torch.pi * torch.arange(20000).double() / RATE) / math.tan(math.pi * cutoff / RATE)
    torch.testing.assert_close(response[:20000], 1 / torch.sqrt(1 + warped**6), rtol=0, atol=1e-6)


@pytest.mark.parametrize("frequency", [100.0, 1234.0, 9000.0])
@pytest.mark.parametrize("q", [0.3, 0.7071, 4.0])
def test_biquads_are_those_of_torchaudio(frequency: float, q: float) -> None:
    x, gain = 0.01 * noise(4000), -7.5
    references = {
        "lowpass": AF.lowpass_biquad(x, RATE, frequency, q),
        "highpass": AF.highpass_biquad(x, RATE, frequency, q),
        "bandpass": AF.bandpass_biquad(x, RATE, frequency, q),
        "notch": AF.bandreject_biquad(x, RATE, frequency, q),
        "allpass": AF.allpass_biquad(x, RATE, frequency, q),
        "peak": AF.equalizer_biquad(x, RATE, frequency, gain, q),
        "low_shelf": AF.bass_biquad(x, RATE, gain, frequency, q),
        "high_shelf": AF.treble_biquad(x, RATE, gain, frequency, q),
    }
    for kind, reference in references.items():
        knobs = {"frequency": frequency, "q": q} | ({"gain": gain} if kind[-4:] in ("peak", "helf") else {})
        torch.testing.assert_close(run(f"biquad_{kind}", x, **knobs), reference, rtol=0, atol=1e-10)


def test_shelves_reach_their_gain_at_one_end_and_nothing_at_the_other() -> None:
    for kind, end, other in (("low_shelf", 0, -1), ("high_shelf", -1, 0)):
        response = torch.fft.rfft(run(f"biquad_{kind}", impulse(RATE), gain=9)).abs()
        assert 20 * math.log10(response[end]) == pytest.approx(9, abs=0.01)
        assert 20 * math.log10(response[other]) == pytest.approx(0, abs=0.01)


def harmonics(name: str, **knobs: float) -> Tensor:
    time = torch.arange(RATE, dtype=torch.float64) / RATE
    spectrum = torch.fft.rfft(run(name, 0.5 * torch.sin(2 * torch.pi * 1000 * time), **knobs)).abs() / (RATE / 2)
    return spectrum[1000:6000:1000]


@pytest.mark.parametrize(("name", "knob"), [("overdrive", "drive"), ("distortion", "drive"), ("waveshaper", "amount")])
def test_drives_are_odd_and_add_harmonics_as_they_are_turned_up(name: str, knob: str) -> None:
    dial = find_processor(name).knobs[knob]
    levels = [harmonics(name, **{knob: dial.min + part * (dial.max - dial.min)}) for part in (0.25, 0.5, 1.0)]
    distortions = [float(level[2:].norm() / level[0]) for level in levels]
    assert distortions == sorted(distortions)
    assert distortions[-1] > 0.2
    assert max(float(level[1]) for level in levels) < 1e-3 * float(levels[0][0])


def test_an_asymmetric_curve_makes_even_harmonics_and_keeps_silence() -> None:
    assert harmonics("waveshaper", amount=0.6, asymmetry=0.3)[1] > 0.02
    assert run("waveshaper", torch.zeros(5), amount=0.9, asymmetry=0.4).abs().max() == 0


def test_distortion_never_exceeds_its_level() -> None:
    assert run("distortion", noise(1000), drive=40, level=-6).abs().max().item() == pytest.approx(10 ** (-6 / 20))


def test_noise_is_uniform_white_and_belongs_to_seed_channel_and_position() -> None:
    processor = find_processor("denoise")
    silence = torch.zeros(2, 2, 50_000, dtype=torch.float64)
    state = processor.initial_state(2, 2, RATE, torch.tensor([3, 4]))
    output, _ = processor.process(silence, {"strength": 0.5}, RATE, state)
    rows = output.reshape(4, -1)
    assert rows.abs().max() <= 0.5
    # Mean and power within five standard deviations.
    torch.testing.assert_close(rows.mean(1), torch.zeros(4, dtype=torch.float64), rtol=0, atol=5 * 0.289 / 50_000**0.5)
    torch.testing.assert_close(rows.square().mean(1), torch.full((4,), 1 / 12).double(), rtol=0, atol=5 * 0.075 / 224)
    assert np.abs(np.corrcoef(rows.numpy()) - np.eye(4)).max() < 0.03
    assert abs(np.corrcoef(rows[0, 1:], rows[0, :-1])[0, 1]) < 0.03
    state = processor.initial_state(1, 2, RATE, torch.tensor([4]))
    again, _ = processor.process(silence[:1], {"strength": 0.5}, RATE, state)
    assert torch.equal(again[0], output[1])


@pytest.mark.parametrize(("drive", "colour"), [(0.0, 0.0), (20.0, 20.0), (37.0, 90.0)])
def test_the_cubic_overdrive_is_that_of_torchaudio(drive: float, colour: float) -> None:
    x = noise(5000)
    reference = AF.overdrive(x.clone(), drive, colour)
    torch.testing.assert_close(run("cubic_overdrive", x, drive=drive, colour=colour), reference, rtol=0, atol=1e-12)


def test_colour_makes_even_harmonics() -> None:
    plain, coloured = (harmonics("cubic_overdrive", drive=20, colour=colour) for colour in (0, 100))
    assert plain[1] < 1e-3 * plain[0]
    assert coloured[1] > 0.02 * coloured[0]


def test_curves_are_those_of_torchaudio() -> None:
    x = 2 * noise(1000)
    for amount in (0.0, 40.0, 100.0):
        torch.testing.assert_close(run("contrast", x, amount=amount), AF.contrast(x, amount), rtol=0, atol=1e-14)
    for shift in (-0.7, 0.3):
        torch.testing.assert_close(run("offset", x, shift=shift), AF.dcshift(x, shift), rtol=0, atol=0)
    torch.testing.assert_close(run("gain", x, gain=-7.5), AF.gain(x, -7.5), rtol=0, atol=1e-15)


def test_contrast_raises_what_is_soft_and_keeps_full_scale() -> None:
    assert run("contrast", torch.tensor([1.0, 0.0, -1.0]), amount=100).tolist() == pytest.approx([1, 0, -1], abs=1e-12)
    gains = [float(run("contrast", torch.tensor([1e-4]), amount=amount) / 1e-4) for amount in (0, 75, 100)]
    # The slope at 0 is pi / 2 (1 + 4 amount / 750).
    assert gains == pytest.approx([math.pi / 2 * (1 + 4 * amount / 750) for amount in (0, 75, 100)], rel=1e-6)


@pytest.mark.parametrize("frequency", [100.0, 1234.0, 9000.0])
@pytest.mark.parametrize("q", [0.7071, 4.0])
def test_the_band_is_that_of_torchaudio(frequency: float, q: float) -> None:
    x = 0.01 * noise(4000)
    for mode in (0, 1):
        reference = AF.band_biquad(x, RATE, frequency, q, noise=bool(mode))
        output = run("band", x, frequency=frequency, q=q, mode=mode)
        torch.testing.assert_close(output, reference, rtol=0, atol=1e-10)


@pytest.mark.parametrize("frequency", [300.0, 2000.0, 8000.0])
def test_a_band_has_gain_1_at_its_centre_or_keeps_the_power_of_noise(frequency: float) -> None:
    tone, power = (run("band", impulse(RATE), frequency=frequency, q=8, mode=mode) for mode in (0, 1))
    assert torch.fft.rfft(tone).abs()[round(frequency)].item() == pytest.approx(1, abs=1e-9)
    assert power.square().sum().item() == pytest.approx(1, abs=1e-9)


def test_a_peak_has_its_gain_at_its_centre_and_a_notch_none() -> None:
    for gain in (-18.0, 7.0):
        response = torch.fft.rfft(run("biquad_peak", impulse(RATE), frequency=1000, q=4, gain=gain)).abs()
        assert 20 * math.log10(response[1000]) == pytest.approx(gain, abs=1e-6)
    response = torch.fft.rfft(run("biquad_notch", impulse(RATE), frequency=1000, q=4)).abs()
    assert response[1000] < 1e-9


@pytest.mark.parametrize("modulation", ["sinusoidal", "triangular"])
@pytest.mark.parametrize(("delay", "decay", "speed"), [(0.003, 0.4, 0.5), (0.001, 0.9, 2.0), (0.005, 0.7, 1.7)])
def test_the_phaser_is_that_of_torchaudio(modulation: str, delay: float, decay: float, speed: float) -> None:
    rate, x = 8000, noise(9000)
    gains, swing = {"gain_in": 0.6, "gain_out": 0.5}, modulation == "sinusoidal"
    reference = AF.phaser(x[None], rate, **gains, delay_ms=1000 * delay, decay=decay, mod_speed=speed, sinusoidal=swing)
    knobs = {"gain": 0.3, "delay": delay, "decay": decay, "speed": speed, "modulation": modulation}
    output, _ = find_processor("phaser").process(x[None, None], knobs, rate)
    torch.testing.assert_close(output[0], reference, rtol=0, atol=1e-12)


@pytest.mark.parametrize("modulation", ["sinusoidal", "triangular"])
@pytest.mark.parametrize(("delay", "depth", "feedback"), [(0.0, 0.002, 0.0), (0.0123, 0.0071, -0.8), (0.03, 0.01, 0.9)])
def test_the_flanger_is_that_of_torchaudio(modulation: str, delay: float, depth: float, feedback: float) -> None:
    rate, x = 8000, noise(9000)
    percent = {"regen": 100 * feedback, "width": 71.0, "phase": 0.0}
    times = {"delay": 1000 * delay, "depth": 1000 * depth, "speed": 1.3}
    reference = AF.flanger(x[None, None], rate, **times, **percent, modulation=modulation)
    knobs = {"delay": delay, "depth": depth, "feedback": feedback, "width": 0.71, "speed": 1.3}
    output, _ = find_processor("flanger").process(x[None, None], knobs | {"modulation": modulation}, rate)
    torch.testing.assert_close(output, reference, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["phaser", "flanger"])
def test_swings_begin_with_the_stream_and_go_on_over_blocks(name: str) -> None:
    processor, knobs, x = find_processor(name), {"speed": 2}, noise(RATE)[None, None]
    whole, _ = processor.process(x, knobs, RATE)
    _, state = processor.process(x[..., :10_000], knobs, RATE)
    later, _ = processor.process(x[..., 10_000:], knobs, RATE, state)
    assert torch.equal(later, whole[..., 10_000:])
    # What swings is the effect itself: another phase is another output, a whole period later is the same one.
    pulse = impulse(RATE // 2)[None, None]
    for start, same in ((RATE // 2, True), (RATE // 4, False)):
        _, state = processor.process(torch.zeros(1, 1, start, dtype=torch.float64), knobs, RATE)
        output, _ = processor.process(pulse, knobs, RATE, state)
        assert torch.equal(output, processor.process(pulse, knobs, RATE)[0]) == same


def test_a_turned_speed_keeps_the_phase_of_the_swing() -> None:
    processor, silence = find_processor("flanger"), torch.zeros(1, 1, RATE // 4, dtype=torch.float64)
    _, state = processor.process(silence, {"speed": 1}, RATE)
    assert state["phase"].item() == pytest.approx(0.25, abs=1e-4)
    _, state = processor.process(silence[..., :1], {"speed": 7.3}, RATE, state)
    assert state["phase"].item() == pytest.approx(0.25, abs=1e-3)
