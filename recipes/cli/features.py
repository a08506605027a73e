"""`ondes features`: F0 and feature statistics of a data directory."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recipes.cli.renamed import renamed_command

if TYPE_CHECKING:
    from recipes.data.config import DataConfig
    from vocoders.frontends.f0 import F0Config
    from vocoders.frontends.mel import MelConfig

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("features", cls=renamed_command({"--out": "--output"}))(_features)


def _features(
    data: Annotated[Path, typer.Option("--data", help="Kaldi data directory.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Feature folder to fill.", show_default=False)],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Changes of --config, as for 'ondes train'."),
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="Training configuration (YAML).")] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Model whose front end counts.")] = None,
    nj: Annotated[int, typer.Option("--nj", min=1, help="Number of processes.")] = 1,
    statistics: Annotated[
        bool, typer.Option("--statistics/--no-statistics", help="Compute statistics; of the training set alone.")
    ] = True,
    resample: Annotated[bool, typer.Option("--resample", help="Convert other rates, average channels.")] = False,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Replace results of another front end or another data set.")
    ] = False,
) -> None:
    """Extract F0 and mel statistics; what is there already is kept."""
    from recipes.data.features import extract_features
    from vocoders.core.errors import ConfigError

    if (config is None) == (model is None):
        raise ConfigError("features needs the front end of either a --config or a --model; give exactly one of them")
    if config is None and overrides:
        raise ConfigError(f"'{overrides[0]}' changes a --config, and none is given")
    mel, f0, section = _from_config(config, overrides or ()) if config is not None else _from_model(str(model))
    found = extract_features(
        data,
        output,
        mel,
        f0,
        nj,
        statistics=statistics,
        resample=resample or (section is not None and section.resample),
        peak=section.peak if section is not None else None,
        force=force,
    )
    typer.echo(
        f"{output}: {'F0' if f0 is not None else 'no F0'}, {'statistics' if found else 'no statistics'} of {data}"
    )


def _from_config(path: Path, overrides: Sequence[str]) -> "tuple[MelConfig, F0Config | None, DataConfig | None]":
    from recipes.config import TrainConfig

    config = TrainConfig.from_yaml(path, overrides)
    return config.mel, config.f0, getattr(config, "data", None)


def _from_model(source: str) -> "tuple[MelConfig, F0Config | None, None]":
    from vocoders.core.errors import ConfigError
    from vocoders.registry import load

    config = load(source).config
    mel = getattr(config, "mel", None)
    if mel is None:
        raise ConfigError(f"{source}: this model has no mel front end; give the --config of a training run")
    return mel, getattr(config, "f0", None), None
