"""Kinds of training: features to waveform, audio without features, effects. Each is one object."""

from recipes.families import Kind
from recipes.tasks.effects import EffectsTask
from recipes.tasks.features import FeaturesTask
from recipes.tasks.task import Task, Validator
from recipes.tasks.waveforms import WaveformsTask

__all__ = ["TASKS", "EffectsTask", "FeaturesTask", "Task", "Validator", "WaveformsTask"]

#: The task of a run, by the kind of its model.
TASKS: dict[Kind, type[Task]] = {"vocoder": FeaturesTask, "generator": WaveformsTask, "effect": EffectsTask}
