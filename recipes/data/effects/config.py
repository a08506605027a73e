"""The ``effect`` section of a training configuration."""

from typing import Literal

from pydantic import Field, model_validator

from vocoders.core.config import Config

__all__ = ["EffectDataConfig"]


class EffectDataConfig(Config):
    """What an effect learns from.

    Dry audio comes from the data directories of the ``data`` section, and from a synthetic bank. The wet audio is
    rendered while training runs, or, where ``processor`` is not set, was recorded (``wet.scp`` and ``knobs.csv`` in the
    data directory, as ``ondes prepare pairs`` writes them).

    Attributes:
        processor: name of the ground-truth effect, such as ``comp_4c``.
        device: name of a recorded device whose knobs are known, as in :data:`effects.models.devices.DEVICES`.
        pre_roll: samples before each segment that model and effect hear without being compared.
        synthetic: part of the items whose dry audio is synthetic.
        bank: which synthetic audio: ``ondes``, or ``signaltrain``, the signals that SignalTrain was trained with on the
            fly, see :mod:`recipes.data.effects.signaltrain_signals`.
        ends: part of the knobs that stand at one of their ends.
        knob_shape: places on the dials follow the distribution Beta(``knob_shape``, ``knob_shape``): 1 is uniform, less
            favours the ends (SignalTrain: 0.8).
        moving: part of the items whose knobs move.
        level_db: range of the peak level of dry items in dBFS.
        valid_items: items of a validation.
    """

    processor: str | None = None
    device: str | None = None
    pre_roll: int = Field(default=4096, ge=0)
    synthetic: float = Field(default=0.2, ge=0, le=1)
    bank: Literal["ondes", "signaltrain"] = "ondes"
    ends: float = Field(default=0.2, ge=0, le=1)
    knob_shape: float = Field(default=1.0, gt=0)
    moving: float = Field(default=0.0, ge=0, le=1)
    level_db: tuple[float, float] = (-30.0, 0.0)
    valid_items: int = Field(default=64, gt=0)

    @model_validator(mode="after")
    def _check(self) -> "EffectDataConfig":
        if self.level_db[0] > self.level_db[1]:
            raise ValueError(f"level_db {list(self.level_db)}; expected the lower level first")
        if self.processor is None and (self.synthetic or self.moving):
            raise ValueError("synthetic audio and moving knobs need a processor to render them; set both to 0")
        return self
