"""`ondes train`: start or resume a training run."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recipes.cli.printing import say, say_text

if TYPE_CHECKING:
    from recipes.config import TrainConfig

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("train")(_train)


def _train(
    config: Annotated[
        Path | None, typer.Option("--config", help="Configuration of the run (YAML).", show_default=False)
    ] = None,
    exp: Annotated[Path | None, typer.Option("--exp", help="Folder of the run.", show_default=False)] = None,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Changes, such as trainer.max_steps=100; with --compare the runs."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the latest checkpoint in --exp.")] = False,
    initial: Annotated[
        str | None,
        typer.Option("--init", help="Start at step 0 from the weights of this checkpoint, run or model."),
    ] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="The same as trainer.num_threads=N.")] = None,
    gpus: Annotated[
        int | None,
        typer.Option("--gpus", min=0, help="GPUs that this machine must have; 0: the CPU.", show_default="one if any"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the configuration and build the parts.")] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Train nothing: compare the runs whose folders follow.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Page with the curves of --compare (HTML).")
    ] = None,
) -> None:
    """Train a model; use torchrun for several processes.

    Ctrl-C, SIGTERM, SIGUSR1 and SIGHUP end the run after the current step and
    write a checkpoint, from which --resume continues exactly. But for Ctrl-C
    the exit code is 75. EXP/report.html shows the run as far as it has come.

    Example: ondes train --config conf/train.yaml --exp exp/a trainer.max_steps=1000
    """
    from recipes.config import TrainConfig
    from vocoders.core.errors import ConfigError

    if compare:
        _compare(arguments or [], output)
        return
    if config is None or exp is None:
        raise ConfigError("--config and --exp are needed to train; --compare RUN... compares runs")
    if output is not None:
        raise ConfigError(f"--output {output} is the page of --compare; a run is written to --exp")
    own = [] if threads is None else [f"trainer.num_threads={threads}"]
    settings = TrainConfig.from_yaml(config, [*(arguments or ()), *own])
    settings.task.check_available()
    if dry_run:
        _check(settings, config, gpus)
    else:
        _run(settings, exp, resume, initial, gpus)


def _check(settings: "TrainConfig", path: Path, gpus: int | None) -> None:
    from recipes.build import build_generator, build_objective
    from recipes.machine import check_gpus
    from recipes.trackers import check_trackers

    check_gpus(gpus)
    check_trackers(settings.trainer.trackers)
    model = build_generator(settings)
    build_objective(settings, model)
    settings.task.check_segment()
    size = sum(parameter.numel() for parameter in model.parameters())
    say(f"{path}: {size:,} parameters, {settings.front_end.fingerprint}")


def _run(settings: "TrainConfig", exp: Path, resume: bool, initial: str | None, gpus: int | None) -> None:
    from recipes.launcher import read_launch
    from recipes.run_lock import run_lock
    from recipes.trainer import Trainer
    from vocoders.core.atomic import atomic_file

    launch = read_launch()
    is_main = launch is None or launch.rank == 0
    with run_lock(exp) if is_main else nullcontext():
        trainer = Trainer(settings, exp, resume, initial, gpus)
        if is_main:
            with atomic_file(exp / "config.yaml") as temporary:
                temporary.write_text(settings.to_yaml(), encoding="utf-8")
        trainer.run()


def _compare(folders: list[str], output: Path | None) -> None:
    from recipes.runs.comparison import compare_runs
    from vocoders.core.atomic import atomic_file
    from vocoders.core.errors import ConfigError

    if not folders:
        raise ConfigError("--compare without runs; expected their folders: ondes train --compare exp/one exp/two")
    found = compare_runs(folders)
    say_text(found.text())
    if output is not None:
        with atomic_file(output) as temporary:
            temporary.write_text(found.page(), encoding="utf-8")
        say(f"curves: {output}")
