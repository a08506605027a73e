"""Knobs of the devices that published models imitate, normalised as in those models."""

from effects.knobs import Knob, KnobSet

__all__ = ["DEVICES", "LA2A_KNOBS"]

LA2A_KNOBS = KnobSet(
    knobs=(
        Knob.switch("mode", ("compress", "limit"), label="Compress / Limit"),
        Knob(name="peak_reduction", label="Peak reduction", min=0, max=100, default=50),
    ),
    norm=(0.0, 1.0),
)
"""The Teletronix LA-2A as recorded for SignalTrain (Zenodo 3824876), normalised as micro-TCN does."""

DEVICES: dict[str, KnobSet] = {"la2a": LA2A_KNOBS}
"""Devices by their names in recipes."""
