"""UTMOS without its weights: what the predictor is given, and what is said when it cannot be fetched."""

import urllib.error

import numpy as np
import pytest
import torch

from recipes.metrics import utmos
from recipes.metrics.metric import Direction
from recipes.metrics.registry import create_metrics, find_metrics
from vocoders.core.errors import ConfigError


@pytest.fixture
def hub(monkeypatch):
    """Answer in place of torch.hub; gives the list of calls. The score is the RMS of what the predictor hears."""
    calls = []

    class Predictor(torch.nn.Module):
        def forward(self, wave, sample_rate):
            calls.append((tuple(wave.shape), wave.dtype, sample_rate))
            return wave.square().mean(1).sqrt()

    def load(*arguments, **options):
        calls.append(arguments)
        return Predictor()

    monkeypatch.setattr(torch.hub, "load", load)
    utmos._predictor.cache_clear()
    yield calls
    utmos._predictor.cache_clear()


def test_the_predictor_hears_the_generated_signal_at_16_khz(hub, make_pair):
    (metric,) = create_metrics(["utmos"])
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(24000) / 24000)
    assert metric(make_pair(0 * tone, tone)) == pytest.approx(0.5 / np.sqrt(2), rel=0.01)
    assert hub == [("tarepan/SpeechMOS:v1.2.0", "utmos22_strong"), ((1, 16000), torch.float32, 16000)]
    assert (metric.direction, metric.needs_reference) == (Direction.HIGHER, False)


def test_without_weights_one_line_says_that_it_was_not_run(monkeypatch):
    def refuse(*arguments, **options):
        raise urllib.error.URLError("no route\nto host")

    monkeypatch.setattr(torch.hub, "load", refuse)
    utmos._predictor.cache_clear()
    metrics, left_out = find_metrics(["dc_offset", "utmos"])
    assert [metric.name for metric in metrics] == ["dc_offset"]
    assert left_out["utmos"].startswith("UTMOS: its weights")
    assert "\n" not in left_out["utmos"]
    with pytest.raises(ConfigError, match="UTMOS.* weights"):
        find_metrics(["utmos"])
