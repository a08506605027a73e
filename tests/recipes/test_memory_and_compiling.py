"""Activations that are computed twice, and compiled networks: the same training by other means."""

from pathlib import Path

import pytest
import torch
from torch import nn

from recipes.activation_checkpoints import checkpoint_blocks
from recipes.compiled_parts import compile_part
from recipes.config import TrainConfig
from recipes.trainer import Trainer
from vocoders.frontends.stft import STFT

EGS = Path(__file__).parents[2] / "egs"


def flow_trainer(folder: Path, *changes: str) -> Trainer:
    own = ["data.num_workers=0", "data.valid=null", "data.feature_dir=null", "trainer.num_threads=1"]
    own += ["model.hidden_channels=16", "trainer.precision='no'", "trainer.seed=3"]
    return Trainer(TrainConfig.from_yaml(EGS / "libritts/periodwave/conf/small.yaml", [*own, *changes]), folder)


def flow_batch() -> dict:
    torch.manual_seed(0)
    return {
        "features": torch.randn(2, 100, 16) - 4,
        "audio": 0.1 * torch.randn(2, 1, 16 * 256),
        "seed": torch.arange(2),
    }


def kept_bytes(trainer: Trainer, batch: dict) -> int:
    """Return the bytes that the forward pass keeps for the backward pass."""
    kept: dict[int, int] = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    sample = trainer.objective.flow_sample(batch, torch.tensor([0.3, 0.6]))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        trainer.parts["generator"](**sample.inputs)
    return sum(kept.values())


def test_activations_computed_twice_give_the_same_training_in_less_memory(tmp_path):
    weights, memory = [], []
    for number, change in enumerate(("false", "true")):
        trainer = flow_trainer(tmp_path / str(number), f"trainer.checkpoint_activations={change}")
        memory.append(kept_bytes(trainer, flow_batch()))
        torch.manual_seed(1)  # of the drop paths
        for _ in range(2):
            trainer._train_step(flow_batch())
        weights.append(trainer.generator.state_dict())
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, msg=name)
    assert memory[1] < 0.6 * memory[0]


def test_blocks_are_those_of_the_outermost_lists():
    inner = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
    block = nn.Module()
    block.parts = inner
    network = nn.Module()
    network.blocks, network.last = nn.ModuleList([block, nn.Linear(3, 3), nn.ReLU()]), nn.Linear(3, 3)
    assert checkpoint_blocks(network) == 2


class Fails(nn.Linear):
    """A layer that a compiler may not change."""

    def forward(self, x):
        """Return another value where it is compiled."""
        return super().forward(x) + (1 if torch.compiler.is_compiling() else 0)


@pytest.mark.slow
def test_a_network_that_the_compiler_changes_is_left_as_it_is(caplog):
    torch.manual_seed(0)
    layer, x = Fails(3, 3), torch.randn(4, 3)
    expected = layer(x)
    compile_part("layer", layer)
    assert torch.equal(layer(x), expected)
    assert "the layer is not compiled" in caplog.text
    assert layer.state_dict().keys() == {"weight", "bias"}


def test_a_compiler_that_fails_is_one_line(caplog, monkeypatch):
    def fail(forward, **_):
        def run(*args):
            raise RuntimeError("no program\nto compile with")

        return run

    monkeypatch.setattr(torch, "compile", fail)
    layer, x = nn.Linear(3, 3), torch.randn(4, 3)
    expected = layer(x)
    compile_part("layer", layer)
    for _ in range(2):
        assert torch.equal(layer(x), expected)
    lines = [record.getMessage() for record in caplog.records if "compiled" in record.getMessage()]
    assert len(lines) == 1
    assert "\n" not in lines[0]


@pytest.mark.slow
def test_a_compiled_network_trains_as_before(caplog):
    losses = []
    for is_compiled in (False, True):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv1d(1, 4, 5, padding=2), nn.Tanh(), nn.Conv1d(4, 1, 5, padding=2))
        optimizer, x = torch.optim.SGD(network.parameters(), 0.1), torch.randn(2, 1, 64)
        if is_compiled:
            compile_part("network", network)
        for _ in range(3):
            loss = (network(x) - x.roll(1, -1)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(float(loss))
        network.eval()
        assert network(x[..., :13]).shape == (2, 1, 13)
    assert "not compiled" not in caplog.text
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


class Resynthesis(nn.Module):
    """A filter on a spectrogram, and its signal."""

    def __init__(self) -> None:
        super().__init__()
        self.stft, self.filter = STFT(64, 16), nn.Conv1d(33, 33, 1)

    def forward(self, x):
        """Return the filtered signal."""
        real, imag = self.stft(x)
        return self.stft.inverse(self.filter(real), self.filter(imag))


@pytest.mark.slow
def test_training_through_an_inverse_transform_compiles(caplog):
    torch.manual_seed(0)
    network, x = Resynthesis(), torch.randn(2, 1, 256)
    expected = torch.autograd.grad(network(x).square().mean(), network.filter.weight)[0]
    compile_part("network", network)
    found = torch.autograd.grad(network(x).square().mean(), network.filter.weight)[0]
    assert "not compiled" not in caplog.text
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
