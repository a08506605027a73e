"""Additions of installed packages: all open registries, and the entries of each package."""

from importlib.metadata import entry_points

import effects.processors
import effects.registry
import vocoders.registry
from recipes.data.corpora import CORPORA
from recipes.discriminators import DISCRIMINATORS
from recipes.losses import LOSSES
from recipes.losses.effect import EFFECT_LOSSES
from recipes.metrics.registry import METRICS
from recipes.objectives import OBJECTIVES
from vocoders.core.plugins import Plugin, Registry, unknown_name

__all__ = ["REGISTRIES", "list_plugins"]

REGISTRIES: tuple[Registry, ...] = (
    vocoders.registry.FAMILIES,
    vocoders.registry.BASELINES,
    effects.registry.FAMILIES,
    effects.processors.PROCESSORS,
    METRICS,
    LOSSES,
    EFFECT_LOSSES,
    DISCRIMINATORS,
    OBJECTIVES,
    CORPORA,
)


def list_plugins() -> list[Plugin]:
    """Import all additions of installed packages; return them with their errors.

    An entry point of a group that ondes does not read, such as ``ondes.vocoder``, is listed as a problem.
    """
    found = [plugin for registry in REGISTRIES for plugin in registry.plugins()]
    groups = [registry.group for registry in REGISTRIES]
    strange = [group for group in entry_points().groups if group.startswith("ondes.") and group not in groups]
    for group in sorted(strange):
        problem = unknown_name("group", group, groups)
        found += [Plugin.of(point, problem) for point in entry_points(group=group)]
    return found
