"""Kinds of training: features to a waveform, audio alone, effects. Each is one object that nothing else looks into."""

from recipes.families import Kind
from recipes.tasks.effects import EffectsTask
from recipes.tasks.features import FeaturesTask
from recipes.tasks.task import Task, Validator
from recipes.tasks.waveforms import WaveformsTask

__all__ = ["TASKS", "EffectsTask", "FeaturesTask", "Task", "Validator", "WaveformsTask"]

#: The task of a run by what its model does.
TASKS: dict[Kind, type[Task]] = {"vocoder": FeaturesTask, "generator": WaveformsTask, "effect": EffectsTask}
