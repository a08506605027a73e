"""Neural effects: one file for each family, one interface for all."""

from effects.models.model import EffectConfig, EffectModel, State

__all__ = ["EffectConfig", "EffectModel", "State"]
