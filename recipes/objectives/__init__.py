"""Objectives: each holds the science of one training idea, and nothing of steps, devices or files."""

from recipes.objectives.gan import GanObjective, GanOptions

__all__ = ["OBJECTIVES", "GanObjective", "GanOptions"]

OBJECTIVES = {"gan": GanObjective}
