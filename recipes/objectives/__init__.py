"""Objectives: each holds the science of one training idea, and nothing of steps, devices or files."""

from recipes.objectives.flow_matching import FlowMatchingObjective, FlowMatchingOptions
from recipes.objectives.gan import GanObjective, GanOptions
from recipes.objectives.turbo import TurboObjective, TurboOptions

__all__ = [
    "OBJECTIVES",
    "FlowMatchingObjective",
    "FlowMatchingOptions",
    "GanObjective",
    "GanOptions",
    "TurboObjective",
    "TurboOptions",
]

OBJECTIVES = {"flow_matching": FlowMatchingObjective, "gan": GanObjective, "turbo": TurboObjective}
