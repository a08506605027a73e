"""`ondes evaluate effect`: comparison of models with the processor that they learned."""

from pathlib import Path
from typing import Annotated

import typer

from recipes.cli.evaluate.metrics import MetricsOption, chosen_names, metric_command
from recipes.cli.evaluate.outputs import Outputs, SeedOption
from recipes.cli.evaluate.systems import name_systems
from recipes.cli.lists import ListKind, list_command
from recipes.cli.option_group import with_option_groups
from recipes.cli.threads_option import ThreadsOption

__all__ = ["ItemsOption", "ModelsArgument", "register"]

ModelsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL", help="Effect: shipped name, folder or hub id; NAME=MODEL names its row.", show_default=False
    ),
]
ItemsOption = Annotated[int, typer.Option("--items", min=1, help="Excerpts of 3 s to compare in each cell.")]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    lists = list_command({"--metrics": ListKind.NAMES})
    app.command("effect", cls=metric_command(lists, for_effects=True))(with_option_groups(_effect))


def _effect(
    models: ModelsArgument,
    true: Annotated[str, typer.Option("--true", help="Processor, such as comp_4c.", show_default=False)],
    train: Annotated[
        Path, typer.Option("--train", help="Data directory of audio heard in training.", show_default=False)
    ],
    data: Annotated[
        Path, typer.Option("--data", help="Data directory of audio not heard in training.", show_default=False)
    ],
    items: ItemsOption = 24,
    metrics: MetricsOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    *,
    outputs: Outputs,
) -> None:
    """Compare models of an effect with the processor that they learned.

    There are four cells: dry audio from --train (seen) and from --data
    (unseen), each at settings from the range of training and at held-out
    settings. Two more rows show the dry audio, and the dry audio at the best
    constant gain.

    Example: ondes evaluate effect comp4c-tcn --true comp_4c --train data/train --data data/test
    """
    from recipes.effect_evaluation import evaluate_effects
    from recipes.metrics.registry import EFFECT_METRICS

    named = name_systems("MODEL", models)
    chosen = chosen_names(metrics, EFFECT_METRICS)
    outputs.present(evaluate_effects(named, true, train, data, items, chosen, seed))
