"""Neural effects: one file for each family, with a common interface."""

from effects.models.model import EffectConfig, EffectModel, State

__all__ = ["EffectConfig", "EffectModel", "State"]
