"""`ondes decode`: synthesis of a data directory with a trained run, next to references and baselines."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recipes.cli.checkpoint_option import CheckpointOption
from recipes.cli.renamed import renamed_command
from recipes.cli.threads_option import ThreadsOption

if TYPE_CHECKING:
    from torch import Tensor

    from vocoders.interface import Vocoder

__all__ = ["register"]

_logger = logging.getLogger(__name__)


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("decode", cls=renamed_command({"--out": "--output"}))(_decode)


def _decode(
    exp: Annotated[Path, typer.Option("--exp", help="Folder of a training run.", show_default=False)],
    data: Annotated[Path, typer.Option("--data", help="Kaldi data directory.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.", show_default=False)],
    checkpoint: CheckpointOption = "last",
    feature_dir: Annotated[
        Path | None, typer.Option("--features", help="Folder of features; default: that of the run.")
    ] = None,
    baselines: Annotated[
        str,
        typer.Option("--baselines", help="Baselines to add, separated by commas: griffin-lim, mel-inversion, world."),
    ] = "",
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, ... or auto.")] = "auto",
    threads: ThreadsOption = None,
    seed: Annotated[int, typer.Option("--seed", help="Equal seeds give equal audio.")] = 0,
) -> None:
    """Synthesise a data directory from its features, with the model of a run.

    The output has the folders reference, model, and one for each baseline. With
    data.peak, references have this peak, and louder output is scaled to it.
    Processes of torchrun share the utterances.

    Example: ondes decode --exp exp/a --data data/test --output decoded/
    """
    import torch

    from recipes.build import restore_generator
    from recipes.launcher import read_launch
    from recipes.progress import track
    from recipes.tasks import FeaturesTask
    from vocoders.core.device import resolve_device
    from vocoders.core.errors import ConfigError
    from vocoders.interface import Vocoder

    trained = restore_generator(exp, checkpoint)
    task = trained.config.task
    if not isinstance(task, FeaturesTask):
        raise ConfigError(f"{exp}: a {trained.config.family} model takes no features; expected the run of a vocoder")
    dataset = task.utterances(data, feature_dir)
    assert isinstance(trained.model, Vocoder)
    systems = _baselines(baselines, trained.model)
    launch = read_launch()
    rank, count = (0, 1) if launch is None else (launch.rank, launch.world_size)
    if launch is not None and device == "auto" and torch.cuda.is_available():
        device = f"cuda:{launch.local_rank}"
    model = trained.model.to(resolve_device(device))
    _logger.info("%s at step %d, %d utterances", exp, trained.step, len(dataset))
    own = range(rank, len(dataset), count)
    for item in track((dataset[index] for index in own), "decoding", len(own)):
        inputs = {key: item[key][None] for key in ("features", "f0") if key in item}
        audio: dict[str, Tensor] = {"reference": item["audio"]}
        audio["model"] = _limit(model.synthesize(**inputs, seed=seed)[0].cpu(), task.data.peak)
        for name, system in systems.items():
            audio[name] = _limit(system.copy_synthesis(item["audio"][None], seed=seed)[0], task.data.peak)
        _write(output, item["utt_id"], audio, model.sample_rate)


def _limit(audio: "Tensor", peak: float | None) -> "Tensor":
    """Scale audio down to a peak, as published for models that were trained on recordings of this peak."""
    return audio if peak is None else audio * min(1.0, peak / max(float(audio.abs().max()), 1e-9))


def _write(out: Path, name: str, audio: "dict[str, Tensor]", sample_rate: int) -> None:
    from vocoders.core.audio import write_audio

    for system, signal in audio.items():
        write_audio(out / system / f"{name}.wav", signal, sample_rate)


def _baselines(names: str, model: "Vocoder") -> "dict[str, Vocoder]":
    """Return baselines by name, with the mel or the sample rate of the model."""
    from vocoders.registry import BASELINES

    found = {}
    for name in names.replace(",", " ").split():
        with BASELINES.running(name):
            found[name] = BASELINES.find(name).system_class.matching(model)
    return found
