"""What a run computes on: device and threads, checked before any work, and said at the beginning of the log."""

import logging
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn

from recipes.config import TrainConfig
from recipes.data.workers import BatchLoader
from recipes.launcher import Launch
from recipes.sections import TrainerConfig
from vocoders.core.errors import ConfigError
from vocoders.core.threads import usable_cores
from vocoders.version import __version__

__all__ = ["check_gpus", "choose_threads", "describe_run", "set_backends"]

logger = logging.getLogger(__name__)


def check_gpus(wanted: int | None) -> None:
    """Check that this machine has the GPUs that a run was promised; ``None`` and 0 promise nothing.

    Raises:
        ConfigError: if there are fewer.
    """
    count = torch.accelerator.device_count() if torch.accelerator.is_available() else 0
    if wanted is not None and count < wanted:
        found = f"{wanted} GPUs wanted, and torch {torch.__version__} finds {count} on {platform.node()}"
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        hint = f" with CUDA_VISIBLE_DEVICES='{hidden}'" if hidden is not None else ""
        raise ConfigError(f"{found}{hint}; pass --n_gpus {count} (ondes train: --gpus {count}){_cpu_word(count)}")


def _cpu_word(count: int) -> str:
    return " to train on the CPU" if count == 0 else ""


def choose_threads(wanted: int | None, launch: Launch | None, on_gpu: bool) -> None:
    """Set torch's threads of this process: ``wanted``, the user's ``OMP_NUM_THREADS``, or a share of the cores.

    torchrun sets ``OMP_NUM_THREADS`` to 1 by itself; that is nobody's wish. With a GPU, a few threads are enough.
    """
    if wanted is None:
        if os.environ.get("OMP_NUM_THREADS") and not (launch is not None and launch.has_agent):
            return
        local = 1 if launch is None else int(os.environ.get("LOCAL_WORLD_SIZE", launch.world_size))
        wanted = max(1, usable_cores() // local)
        wanted = min(wanted, 4) if on_gpu else wanted
    torch.set_num_threads(wanted)


def set_backends(options: TrainerConfig) -> None:
    """Set how torch computes products and convolutions on a GPU."""
    torch.set_float32_matmul_precision(options.matmul_precision)
    torch.backends.cudnn.allow_tf32 = options.cudnn_tf32
    torch.backends.cudnn.benchmark = options.cudnn_benchmark


def describe_run(
    config: TrainConfig, accelerator: Accelerator, parts: Mapping[str, nn.Module], loader: BatchLoader
) -> list[str]:
    """Return lines about a run: device, size, data, memory, versions."""
    trainer, count = config.trainer, accelerator.num_processes
    sizes = {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    utterances = loader.dataset.reader.utterances
    hours = sum(utterance.duration for utterance in utterances) / 3600
    total = config.data.items_per_process(count) * count
    seconds = config.data.segment_length / config.front_end.sample_rate
    # Weights, gradients and two averages of AdamW, in float32.
    memory = sum(4 * 4 * size for size in sizes.values()) + (4 * sizes["generator"] if trainer.ema_decay else 0)
    versions = f"ondes {__version__}{_revision()}, torch {torch.__version__}, Python {platform.python_version()}"
    return [
        f"{config.family} on {_device(accelerator.device)}, {count} process{'es' if count > 1 else ''}, precision "
        f"{'float32' if trainer.precision == 'no' else trainer.precision}, {torch.get_num_threads()} CPU threads and "
        f"{config.data.num_workers} loaders each",
        "parameters: " + ", ".join(f"{name} {size:,}" for name, size in sizes.items()),
        f"data: {config.data.train}, {len(utterances):,} utterances, {hours:.2f} h; batch of {total} x {seconds:.2f} s "
        f"over all processes, {loader.sampler.steps_per_epoch:.1f} steps in an epoch",
        f"memory: {memory / 2**20:,.0f} MiB for weights, gradients and optimisers in each process, activations besides",
        versions,
    ]


def _device(device: torch.device) -> str:
    if device.type != "cuda":
        return f"the {device.type.upper()} of {platform.node()}"
    properties = torch.cuda.get_device_properties(device)
    return f"{properties.name} ({properties.total_memory / 2**30:.0f} GiB) of {platform.node()}"


def _revision() -> str:
    """Return the git revision of the code, if it is a checkout."""
    folder = Path(__file__).resolve().parent
    try:
        words = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--exclude", "*"]
        found = subprocess.run(words, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return f" (git {found.stdout.strip()})" if found.returncode == 0 else ""
