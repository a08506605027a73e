"""One process of a distributed turbo update: ``turbo_process.py FOLDER RANK WORLD_SIZE`` writes its gradients."""

import sys
from pathlib import Path

import torch
from torch import Tensor, distributed, nn

from recipes.objectives import TurboObjective, TurboOptions
from vocoders.periodwave import FlowSampling, PeriodWave, PeriodWaveConfig

BATCH = 4
MODEL = {
    "hidden_channels": 16,
    "periods": (1, 3),
    "drop_prob": 0.0,
    "sampling": FlowSampling(solver="euler", steps=2, temperature=1.0),
}
DISCRIMINATORS = {
    "mpd": {"channels": 2, "max_channels": 4, "periods": [2, 3], "score_is_feature": True},
    "ms_sb_cqt": {"channels": 2, "hop_lengths": [512], "bins_per_octave": [12]},
}


def make_parts() -> tuple[TurboObjective, dict[str, nn.Module]]:
    """Return the objective and what it trains in double precision, the same on every call."""
    torch.manual_seed(0)
    generator = PeriodWave(PeriodWaveConfig(**MODEL))
    objective = TurboObjective(TurboOptions(discriminators=DISCRIMINATORS), generator.double()).double()
    return objective, {"generator": generator.train(), **objective.parts()}


def make_batch(items: slice = slice(None)) -> dict[str, Tensor]:
    """Return the given items of a fixed batch."""
    generator = torch.Generator().manual_seed(1)
    audio = 0.3 * torch.randn(BATCH, 1, 4096, generator=generator, dtype=torch.float64).cumsum(-1).sin()
    features = torch.randn(BATCH, 100, 16, generator=generator, dtype=torch.float64) - 2
    batch = {"audio": audio, "features": features, "seed": torch.arange(BATCH)}
    return {name: value[items] for name, value in batch.items()}


def run(
    objective: TurboObjective, parts: dict[str, nn.Module], batch: dict[str, Tensor], num_steps: int = 2
) -> dict[str, Tensor]:
    """Train with plain gradient descent; return every parameter and its last gradient."""

    def update(name: str, loss: Tensor) -> float:
        parts[name].zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in parts[name].parameters():
                parameter -= 1e-3 * parameter.grad
        return 0.0

    for step in range(num_steps):
        objective.training_step(parts, batch, step, update)
    found = {}
    for part, module in parts.items():
        for name, parameter in module.named_parameters():
            name = f"{part}.{name.removeprefix('module.')}"
            found |= {name: parameter.detach().clone(), f"{name}.grad": parameter.grad.clone()}
    return found


def main() -> None:
    """Train on this process's share of the batch, through the wrappers of distributed training."""
    folder, rank, world_size = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"file://{folder / 'rendezvous'}", rank=rank, world_size=world_size)
    objective, parts = make_parts()
    wrapped = {name: nn.parallel.DistributedDataParallel(part, broadcast_buffers=False) for name, part in parts.items()}
    share = BATCH // world_size
    torch.save(run(objective, wrapped, make_batch(slice(rank * share, (rank + 1) * share))), folder / f"rank{rank}.pt")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
