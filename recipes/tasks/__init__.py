"""Kinds of training: features to waveform, audio without features, effects, F0 from a mel. Each is one object."""

from recipes.families import Kind
from recipes.tasks.effects import EffectsTask
from recipes.tasks.features import FeaturesTask
from recipes.tasks.pitch import PitchTask
from recipes.tasks.task import Task, Validator
from recipes.tasks.waveforms import WaveformsTask

__all__ = ["TASKS", "EffectsTask", "FeaturesTask", "PitchTask", "Task", "Validator", "WaveformsTask"]

#: The task of a run, by the kind of its model.
TASKS: dict[Kind, type[Task]] = {
    "vocoder": FeaturesTask,
    "generator": WaveformsTask,
    "effect": EffectsTask,
    "pitch": PitchTask,
}
