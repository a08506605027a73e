"""The option --metrics, and the names of all metrics in the help."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
import typer.core

if TYPE_CHECKING:
    from typer._click import Context

__all__ = ["MetricsOption", "chosen_names", "metric_command"]

MetricsOption = Annotated[
    str | None,
    typer.Option("--metrics", help="Names separated by commas, or all; see below.", show_default=False),
]


def chosen_names(given: str | None, default: Sequence[str]) -> Sequence[str]:
    """Return the names on the command line, or ``default`` if there are none."""
    return default if given is None else given.replace(",", " ").split()


def metric_command(base: type[typer.core.TyperCommand], for_effects: bool = False) -> type[typer.core.TyperCommand]:
    """Return a command class whose help ends with the names of all metrics, also those of installed packages.

    Args:
        base: command class to extend.
        for_effects: whether the command measures effects, which have other default metrics.
    """

    class _MetricCommand(base):
        def get_help(self, ctx: "Context") -> str:
            self.epilog = _list_metrics(for_effects)
            return super().get_help(ctx)

    return _MetricCommand


def _list_metrics(for_effects: bool) -> str:
    from recipes.metrics.registry import DEFAULT_METRICS, EFFECT_METRICS, TRACKED_METRICS, metric_groups

    groups = [f"{title}: {', '.join(names)}" for title, names in metric_groups().items()]
    default = f"Default: {', '.join(EFFECT_METRICS if for_effects else DEFAULT_METRICS)}"
    trackers = f"A pitch tracker may follow {', '.join(TRACKED_METRICS)}, such as {TRACKED_METRICS[0]}:swift"
    return "\b\n" + "\n".join(["Metrics", *groups, "", default, trackers])
