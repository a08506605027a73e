"""`ondes features`: F0 and feature statistics of a data directory."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recipes.cli.batch_options import ShardOption, ShareOptions
from recipes.cli.printing import say
from recipes.cli.renamed import renamed_command
from recipes.cli.threads_option import ThreadsOption

if TYPE_CHECKING:
    from recipes.data.config import DataConfig
    from vocoders.frontends.front_end import FrontEnd

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("features", cls=renamed_command({"--out": "--output"}))(_features)


def _features(
    data: Annotated[Path, typer.Option("--data", help="Kaldi data directory.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Feature folder to write.", show_default=False)],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Changes of --config, as for 'ondes train'."),
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="Training configuration (YAML).")] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Model with the front end to use.")] = None,
    nj: Annotated[int, typer.Option("--nj", min=1, help="Number of processes.")] = 1,
    threads: ThreadsOption = None,
    statistics: Annotated[
        bool, typer.Option("--statistics/--no-statistics", help="Compute statistics; for the training set only.")
    ] = True,
    resample: Annotated[bool, typer.Option("--resample", help="Convert other sample rates; average channels.")] = False,
    mels: Annotated[
        Path | None,
        typer.Option("--write-mels", help="Folder for UTTERANCE.npy (bands, frames), to train an acoustic model on."),
    ] = None,
    shard: ShardOption = None,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Replace results of another front end or data set.")
    ] = False,
) -> None:
    """Extract F0 and mel statistics; keep existing results.

    Jobs share the work with --shard; the same command without it then computes
    the statistics, which need all utterances.

    Example: ondes features --data data/train --output dump --config conf/train.yaml
    """
    from dataclasses import replace

    from recipes.data.features import extract_features
    from recipes.data.kaldi import KaldiDirectory
    from recipes.data.mels import check_mel_folder, write_mels
    from recipes.data.predicted import PredictedFeatures
    from vocoders.core.errors import ConfigError

    if (config is None) == (model is None):
        raise ConfigError("features needs the front end of either a --config or a --model; give exactly one of them")
    if config is None and overrides:
        raise ConfigError(f"'{overrides[0]}' changes a --config, and none is given")
    front_end, section = _from_config(config, overrides or ()) if config is not None else _from_model(str(model))
    if front_end.mel is None:
        raise ConfigError(f"{config or model}: this model takes audio itself and has no features to extract")
    directory = KaldiDirectory.read(data)
    if mels is not None:
        # Before the F0 of a corpus, which takes hours.
        check_mel_folder(mels, front_end.mel)
    if section is not None and section.features == "predicted" and mels is None:
        PredictedFeatures(data, front_end.mel, embedding=front_end.embedding).check_all(directory)
    if shard is not None:
        directory = replace(directory, utterances=tuple(ShareOptions(shard=shard).undone(directory.utterances, [])))
    resample = resample or (section is not None and section.resample)
    peak = section.peak if section is not None else None
    found = extract_features(
        directory,
        output,
        front_end.mel,
        front_end.f0,
        nj,
        statistics=statistics and shard is None,
        resample=resample,
        peak=peak,
        force=force,
    )
    if mels is not None:
        write_mels(directory, mels, front_end.mel, nj, resample, peak)
    parts = ("F0" if front_end.f0 is not None else "no F0", "statistics" if found else "no statistics")
    say(f"{output}: {', '.join(parts)} of {data}")


def _from_config(path: Path, overrides: Sequence[str]) -> "tuple[FrontEnd, DataConfig]":
    from recipes.config import TrainConfig

    config = TrainConfig.from_yaml(path, overrides)
    return config.front_end, config.data


def _from_model(source: str) -> "tuple[FrontEnd, None]":
    from recipes.families import read_config

    return read_config(source).front_end, None
