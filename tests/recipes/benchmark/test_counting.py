"""Multiply-accumulates against closed forms."""

import pytest
import torch
from torch import nn

from recipes.benchmark.blocks import count_effect_macs
from recipes.benchmark.contender import Contender
from recipes.benchmark.counting import count_macs, counted
from recipes.benchmark.find import Request, create_system, find_effect
from recipes.benchmark.peers import create_peer


class Network(Contender):
    """One frame of 8 channels for each of 100 samples: a convolution, a weight-normalised product, an FFT."""

    name, kind, sample_rate = "network", "vocoder", 1000

    def __init__(self):
        self.network = nn.ModuleList(
            [nn.Conv1d(8, 16, 5, padding=2), nn.utils.parametrizations.weight_norm(nn.Linear(16, 100))]
        )

    def inputs(self, seconds):
        return torch.zeros(1, 8, round(seconds * 10))

    @torch.inference_mode()
    def run(self, inputs):
        frames = self.network[1](torch.relu(self.network[0](inputs)).transpose(1, 2))
        return torch.fft.irfft(torch.fft.rfft(frames)).reshape(1, 1, -1)


def test_products_and_convolutions_are_counted_and_nothing_else():
    system = Network()
    assert count_macs(system) == 10 * (8 * 16 * 5 + 16 * 100)
    assert all(parameter.requires_grad for parameter in system.network.parameters())
    assert system.num_parameters == 8 * 16 * 5 + 16 + 100 + 1600 + 100


def test_recurrent_layers_are_counted_although_a_library_computes_them():
    network = nn.LSTM(3, 32, batch_first=True)
    with torch.inference_mode():
        found = counted(network, lambda: network(torch.zeros(1, 50, 3)))
    assert found == 50 * 4 * 32 * (3 + 32)


def test_an_effect_by_its_closed_form():
    model = find_effect("recurrent:lstm_32")
    per_sample = 4 * 32 * (1 + len(model.knobs) + 32) + 32
    assert count_effect_macs(model) == pytest.approx(per_sample * model.sample_rate, rel=1e-6)


def test_vocos_by_its_closed_form():
    pytest.importorskip("vocos")
    system = create_peer("vocos", torch.device("cpu"))
    frames = round(24000 / 256)
    per_frame = 100 * 512 * 7 + 8 * (512 * 7 + 2 * 512 * 1536) + 512 * 1026
    assert count_macs(system) == pytest.approx(frames * per_frame, rel=1e-6)
    assert system.num_parameters == pytest.approx(13.53e6, rel=1e-3)


@pytest.mark.slow
def test_an_autoregressive_model_costs_the_same_for_each_sample():
    system = create_system(Request("sashimi:sc09"))
    # 0.6 million for each sample, by the shapes of its weights.
    assert count_macs(system) / system.sample_rate == pytest.approx(0.64e6, rel=0.1)
