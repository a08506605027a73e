"""Objectives: each holds the science of one training idea, and nothing of steps, devices or files."""

from recipes.objectives.diffusion import DiffusionObjective, DiffusionOptions
from recipes.objectives.effect import EffectObjective, EffectOptions
from recipes.objectives.flow_matching import FlowMatchingObjective, FlowMatchingOptions
from recipes.objectives.gan import GanObjective, GanOptions
from recipes.objectives.likelihood import LikelihoodObjective, LikelihoodOptions
from recipes.objectives.turbo import TurboObjective, TurboOptions

__all__ = [
    "OBJECTIVES",
    "DiffusionObjective",
    "DiffusionOptions",
    "EffectObjective",
    "EffectOptions",
    "FlowMatchingObjective",
    "FlowMatchingOptions",
    "GanObjective",
    "GanOptions",
    "LikelihoodObjective",
    "LikelihoodOptions",
    "TurboObjective",
    "TurboOptions",
]

OBJECTIVES = {
    "diffusion": DiffusionObjective,
    "effect": EffectObjective,
    "flow_matching": FlowMatchingObjective,
    "gan": GanObjective,
    "likelihood": LikelihoodObjective,
    "turbo": TurboObjective,
}
