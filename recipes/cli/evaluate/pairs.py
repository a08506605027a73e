"""`ondes evaluate pairs`: comparison of models with recordings of the device that they learned."""

from pathlib import Path
from typing import Annotated

import typer

from recipes.cli.evaluate.effect import ItemsOption, ModelsArgument
from recipes.cli.evaluate.metrics import MetricsOption, chosen_names, metric_command
from recipes.cli.evaluate.outputs import Outputs, SeedOption
from recipes.cli.evaluate.systems import name_systems
from recipes.cli.lists import ListKind, list_command
from recipes.cli.option_group import with_option_groups
from recipes.cli.threads_option import ThreadsOption

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    lists = list_command({"--metrics": ListKind.NAMES})
    app.command("pairs", cls=metric_command(lists, for_effects=True))(with_option_groups(_pairs))


def _pairs(
    models: ModelsArgument,
    data: Annotated[
        Path,
        typer.Option("--data", help="Data directory of recorded pairs (ondes prepare pairs).", show_default=False),
    ],
    items: ItemsOption = 24,
    metrics: MetricsOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    *,
    outputs: Outputs,
) -> None:
    """Compare models of a device with recordings of it.

    Models play at the settings of the recordings. Two more rows show the dry
    audio, and the dry audio at the best constant gain.
    """
    from recipes.effect_evaluation import evaluate_recorded
    from recipes.metrics.registry import EFFECT_METRICS

    named = name_systems("MODEL", models)
    outputs.present(evaluate_recorded(named, data, items, chosen_names(metrics, EFFECT_METRICS), seed))
