"""The ``effect`` section of a training configuration."""

from typing import Literal

from pydantic import Field, model_validator

from vocoders.core.config import Config

__all__ = ["EffectDataConfig"]


class EffectDataConfig(Config):
    """Training pairs of an effect.

    Dry audio comes from the data directories of the ``data`` section, and from a synthetic bank. The wet audio is
    rendered by ``processor`` during training; without one it was recorded (``wet.scp`` and ``knobs.csv`` in the data
    directory, from ``ondes prepare pairs``).

    Attributes:
        processor: name of the processor, such as ``comp_4c``.
        device: name of a recorded device with known knobs, from :data:`effects.models.devices.DEVICES`.
        pre_roll: samples before each segment that model and processor receive, but losses ignore.
        synthetic: fraction of items with synthetic dry audio.
        bank: synthetic audio: ``ondes``, or ``signaltrain``, the signals that SignalTrain was trained with on the
            fly, see :mod:`recipes.data.effects.signaltrain_signals`.
        ends: fraction of knobs at one of their ends.
        knob_shape: positions on the dials have the distribution Beta(``knob_shape``, ``knob_shape``): 1 is uniform,
            less favours the ends (SignalTrain: 0.8).
        moving: fraction of items with moving knobs.
        level_db: range of the peak level of dry items in dBFS.
        valid_items: items of a validation; ``None``: every recorded pair as a whole, after its first ``pre_roll``
            samples.
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
    valid_items: int | None = Field(default=64, gt=0)

    @model_validator(mode="after")
    def _check(self) -> "EffectDataConfig":
        if self.level_db[0] > self.level_db[1]:
            raise ValueError(f"level_db {list(self.level_db)}; expected the lower level first")
        if self.processor is None and (self.synthetic or self.moving):
            raise ValueError("synthetic audio and moving knobs need a processor to render them; set both to 0")
        if self.processor is not None and self.valid_items is None:
            raise ValueError("valid_items null needs recorded pairs; set a number of rendered items")
        return self
