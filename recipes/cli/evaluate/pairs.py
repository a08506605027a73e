"""`ondes evaluate pairs`: comparison of models with recordings of the device that they learned."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recipes.cli.evaluate.effect import ItemsOption, ModelsArgument
from recipes.cli.evaluate.metrics import MetricsOption, chosen_names, metric_command
from recipes.cli.evaluate.outputs import Outputs, SeedOption
from recipes.cli.evaluate.systems import name_systems
from recipes.cli.lists import ListKind, list_command
from recipes.cli.option_group import with_option_groups
from recipes.cli.threads_option import ThreadsOption

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recipes.metrics.evaluation import EvaluationResult

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
    whole: Annotated[
        bool, typer.Option("--whole", help="Compare each recording as a whole, after its first 0.5 s.")
    ] = False,
    metrics: MetricsOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    *,
    outputs: Outputs,
) -> None:
    """Compare models of a device with recordings of it.

    Models play at the settings of the recordings. Two more rows show the dry
    audio, and the dry audio at the best constant gain. A line for each model
    reads its error-to-signal ratio as players of captures do, and gives the
    constant that remains of silence.

    Example: ondes evaluate pairs my-pedal/ --data data/test
    """
    from recipes.effect_evaluation import evaluate_recorded
    from recipes.metrics.registry import EFFECT_METRICS

    named = name_systems("MODEL", models)
    chosen = chosen_names(metrics, EFFECT_METRICS)
    result = evaluate_recorded(named, data, None if whole else items, chosen, seed)
    outputs.present(result, _readings(result, named))


def _readings(result: "EvaluationResult", models: "Mapping[str, str | Path]") -> list[str]:
    """Return a line for each model whose error-to-signal ratio was measured."""
    from recipes.effect_evaluation import RECORDED, constant_output
    from recipes.metrics.reading import read_esr

    if not any(metric.name == "esr" for metric in result.metrics):
        return []
    lines = []
    for name, source in models.items():
        mean = result.summary(f"{name}: {RECORDED}", "esr").mean
        if mean is not None:
            silence = f"after silence {constant_output(source):.0f} dBFS"
            lines.append(f"{name}: ESR {mean:.4f}, {read_esr(mean)}; {silence}")
    return lines
