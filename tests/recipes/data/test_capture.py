"""A capture: aligned, split, and refused or noted with its cause."""

import numpy as np
import pytest
import soundfile

from recipes.data.effects.capture import LEAD_IN_SECONDS, prepare_capture
from recipes.data.effects.reamping import ReampingLayout, reamping_signal
from vocoders.core.errors import DataError

RATE = 16000


@pytest.fixture(scope="module")
def signal():
    return reamping_signal(29.0, RATE)


def _prepare(folder, dry, wet, **options):
    for name, audio in (("dry", dry), ("wet", wet)):
        soundfile.write(folder / f"{name}.wav", audio, RATE, "FLOAT")
    return prepare_capture(folder / "dry.wav", folder / "wet.wav", folder / "data", **options)


def _aligned(folder):
    return [soundfile.read(folder / f"data/audio/capture.{side}.wav")[0] for side in ("dry", "wet")]


@pytest.mark.parametrize("delay", [-33, 250])
def test_the_reamping_signal_is_aligned_and_split_at_its_parts(tmp_path, signal, delay):
    wet = 0.5 * (np.pad(signal, (delay, 0)) if delay > 0 else signal[-delay:])
    found = _prepare(tmp_path, signal, wet)
    dry, wet = _aligned(tmp_path)
    # One sample of the delay remains.
    np.testing.assert_allclose(wet[1:], 0.5 * dry[: len(wet)][:-1], atol=1e-6)
    assert sum("aligned" in note for note in found.notes) == 1
    train, dev, test = (next(iter(directory)) for directory in found.directories)
    layout = ReampingLayout.of(signal, RATE)
    before = max(1 - delay, 0)
    assert train.start * RATE == pytest.approx(layout.first_trained - before)
    assert (dev.start + LEAD_IN_SECONDS) * RATE == pytest.approx(layout.passages[1].start - before)
    assert train.start + train.duration == pytest.approx(dev.start)
    assert (test.start, test.duration) == (dev.start, dev.duration)


def test_any_audio_will_do(tmp_path):
    dry = 0.3 * np.random.default_rng(0).uniform(-1, 1, 10 * RATE)
    found = _prepare(tmp_path, dry, 0.5 * dry[40:])
    assert any("40 samples early" in note for note in found.notes)
    train, dev, _ = (directory.duration for directory in found.directories)
    assert dev == pytest.approx(1.0 + LEAD_IN_SECONDS, abs=0.01)
    assert train + dev == pytest.approx(10.0, abs=0.01)


def test_a_given_delay_counts(tmp_path, signal):
    _prepare(tmp_path, signal, 0.5 * signal, delay=5)
    dry, wet = _aligned(tmp_path)
    np.testing.assert_allclose(wet, 0.5 * np.append(dry, signal[-5:])[5:], atol=1e-6)


def test_a_device_that_changed_is_noted(tmp_path, signal):
    assert _prepare(tmp_path, signal, 0.5 * signal).notes == []
    gain = np.linspace(0.3, 0.6, len(signal))
    (note,) = _prepare(tmp_path, signal, gain * signal).notes
    assert "same passage" in note


def test_what_cannot_be_used_is_refused(tmp_path, signal):
    for wet, match in ((np.zeros_like(signal), "silent"), (0.5 * signal[: 12 * RATE], "passage")):
        with pytest.raises(DataError, match=match):
            _prepare(tmp_path, signal, wet)
    with pytest.raises(DataError, match="5 s or more"):
        _prepare(tmp_path, signal[17 * RATE : 19 * RATE], 0.5 * signal[17 * RATE : 19 * RATE])
