"""Objectives: one training idea each, independent of steps, devices and files."""

from recipes.objectives.diffusion import DiffusionObjective, DiffusionOptions
from recipes.objectives.effect import EffectObjective, EffectOptions
from recipes.objectives.flow_matching import FlowMatchingObjective, FlowMatchingOptions
from recipes.objectives.gan import GanObjective, GanOptions
from recipes.objectives.likelihood import LikelihoodObjective, LikelihoodOptions
from recipes.objectives.objective import Objective
from recipes.objectives.pitch import PitchObjective, PitchOptions
from recipes.objectives.turbo import TurboObjective, TurboOptions
from vocoders.core.plugins import Registry

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
    "Objective",
    "PitchObjective",
    "PitchOptions",
    "TurboObjective",
    "TurboOptions",
]

#: Classes of objectives: built with their ``Options`` and the generator that they train.
OBJECTIVES: Registry[type[Objective]] = Registry(
    "objective",
    "ondes.objectives",
    {
        "diffusion": DiffusionObjective,
        "effect": EffectObjective,
        "flow_matching": FlowMatchingObjective,
        "gan": GanObjective,
        "likelihood": LikelihoodObjective,
        "pitch": PitchObjective,
        "turbo": TurboObjective,
    },
    Objective,
    is_class=True,
)
