"""`ondes train`: start or resume a training run."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("train")(_train)


def _train(
    config: Annotated[Path, typer.Option("--config", help="Configuration of the run (YAML).", show_default=False)],
    exp: Annotated[Path, typer.Option("--exp", help="Folder of the run.", show_default=False)],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Changes, such as trainer.max_steps=100.")
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
) -> None:
    """Train a model; use torchrun for several processes.

    Ctrl-C, SIGTERM and SIGUSR1 end the run after the current step and write a
    checkpoint, from which --resume continues exactly. After the latter two the
    exit code is 75.

    Example: ondes train --config conf/train.yaml --exp exp/a trainer.max_steps=1000
    """
    from contextlib import nullcontext

    from recipes.config import TrainConfig

    own = [] if threads is None else [f"trainer.num_threads={threads}"]
    settings = TrainConfig.from_yaml(config, [*(overrides or ()), *own])
    settings.task.check_available()
    if dry_run:
        from recipes.build import build_generator, build_objective

        model = build_generator(settings)
        build_objective(settings, model)
        settings.task.check_segment()
        size = sum(parameter.numel() for parameter in model.parameters())
        typer.echo(f"{config}: {size:,} parameters, {settings.front_end.fingerprint}")
        return
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
