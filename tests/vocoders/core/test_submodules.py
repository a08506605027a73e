"""The parts of a network, walked through without their names."""

import torch
from torch import nn

from vocoders.core.submodules import parameters_of, submodules


def test_parts_and_parameters_are_those_of_torch() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.ModuleList([nn.Conv1d(1, 1, 1, bias=False), nn.LSTM(2, 2)]))
    network.register_parameter("none", None)
    network.add_module("absent", None)
    assert set(submodules(network)) == set(network.modules())
    assert {id(value) for value in parameters_of(network)} == {id(value) for value in network.parameters()}


def test_a_replaced_parameter_is_seen() -> None:
    network = nn.Sequential(nn.Linear(2, 2))
    network[0].weight = nn.Parameter(torch.ones(2, 2))
    assert any(value is network[0].weight for value in parameters_of(network))
