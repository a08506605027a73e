"""The cost of a training step that no CPU shows: operations to launch, and waits of the host for the device.

Both are counted on the CPU; on a GPU torch itself raises an error for each wait. Limits are a little above what is
there: a test that fails here has found a loop over items or layers, or a number that the host reads.
"""

from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from recipes.config import TrainConfig
from recipes.trainer import Trainer

EGS = Path(__file__).parents[2] / "egs"
FRAMES = 32


class Counter(TorchDispatchMode):
    """Counts operations, and numbers that the host reads."""

    def __init__(self):
        super().__init__()
        self.operations = self.waits = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.operations += 1
        self.waits += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


@pytest.fixture
def counter(monkeypatch):
    """A counter that also counts the lists that the host reads."""
    count, read = Counter(), torch.Tensor.tolist

    def tolist(tensor):
        count.waits += 1
        return read(tensor)

    monkeypatch.setattr(torch.Tensor, "tolist", tolist)
    return count


def make_trainer(conf: str, folder: Path, *changes: str) -> Trainer:
    own = ["data.num_workers=0", "data.valid=null", "data.feature_dir=null", "trainer.num_threads=1"]
    return Trainer(TrainConfig.from_yaml(EGS / conf, [*own, *changes]), folder)


def batch_of(items: int, hop: int, bands: int = 100) -> dict:
    torch.manual_seed(0)
    return {
        "features": torch.randn(items, bands, FRAMES) - 4,
        "f0": torch.rand(items, 1, FRAMES) * 200 + 80,
        "audio": 0.1 * torch.randn(items, 1, FRAMES * hop),
        "seed": torch.arange(items),
    }


SMALL = "{mpd: {periods: [2, 3], channels: 4, max_channels: 16}, mrd: {channels: 4}}"
CASES = {
    # A whole adversarial step of Wavehax v1, narrow, with fewer and narrower discriminators.
    "libritts/wavehax/conf/v1.yaml": (240, 2200, ["model.channels=4", f"objective.discriminators={SMALL}"]),
    "libritts/periodwave/conf/small.yaml": (256, 5600, ["model.hidden_channels=32"]),
}


@pytest.mark.parametrize("conf", CASES)
def test_a_step_launches_few_operations_and_waits_for_nothing(conf, tmp_path, counter):
    hop, limit, changes = CASES[conf]
    trainer = make_trainer(conf, tmp_path, *changes)
    counts = []
    for items in (2, 3):
        batch = batch_of(items, hop)
        trainer._train_step(batch)  # the optimisers make their averages
        with counter:
            counter.operations = counter.waits = 0
            values = trainer._train_step(batch)
            # Recorded audio on the CPU is checked in the mel of the loss; on a GPU it is not.
            assert counter.waits <= 1
            counts.append(counter.operations)
    assert counts[0] == counts[1], "operations depend on the number of items"
    assert counts[0] < limit
    with counter:
        counter.waits = 0
        numbers = trainer.updates.report(trainer.step, values)
    assert counter.waits == 1
    assert numbers.keys() == values.keys()


def test_priors_of_a_batch_take_one_pass(tmp_path, counter):
    model = make_trainer("libritts/wavehax/conf/v1.yaml", tmp_path, "model.channels=4").generator
    batch = batch_of(16, 240)
    with counter:
        inputs = model.draw_inputs(batch)
    assert counter.operations <= 76
    assert counter.waits == 0
    alone = model.draw_inputs({key: value[5:6] for key, value in batch.items()})
    torch.testing.assert_close(alone["prior"], inputs["prior"][5:6], atol=1e-6, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("conf", CASES)
def test_a_gpu_is_not_waited_for(conf, tmp_path):
    hop, _, changes = CASES[conf]
    trainer = make_trainer(conf, tmp_path, *changes)
    batch = {key: value.cuda() for key, value in batch_of(3, hop).items()}
    trainer._train_step(batch)
    torch.cuda.set_sync_debug_mode("error")
    try:
        trainer._train_step(batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_parts_of_a_batch_give_the_gradient_of_the_whole(tmp_path):
    """Of a mean over items; the time of a part counts, memory is that of a part."""
    changes = ["model.hidden_channels=32", "objective.weighting=none", "scheduler.warmup_steps=0"]
    norms = {}
    for parts in (1, 2):
        trainer = make_trainer(
            "libritts/periodwave/conf/small.yaml", tmp_path / str(parts), *changes, f"trainer.accumulate={parts}"
        )
        batch = batch_of(4, 256)
        norms[parts] = float(trainer._train_step(batch)["gradient/generator"])
        assert trainer.step == 1
    assert norms[1] == pytest.approx(norms[2], rel=2e-3)  # drop path draws for each part


def test_what_is_not_finite_is_left_out_without_a_wait(tmp_path, counter):
    trainer = make_trainer("libritts/periodwave/conf/small.yaml", tmp_path, "model.hidden_channels=32")
    good = batch_of(2, 256)
    trainer._train_step(good)
    before = [value.clone() for value in trainer.generator.parameters()]
    with counter:
        trainer._train_step(good | {"audio": good["audio"] * float("nan")})
    assert counter.waits == 0
    assert all(torch.equal(*pair) for pair in zip(before, trainer.generator.parameters(), strict=True))
    trainer._train_step(good)
    trainer.updates.report(trainer.step, {})
    assert trainer.skipped_steps == 1
    assert not all(torch.equal(*pair) for pair in zip(before, trainer.generator.parameters(), strict=True))
