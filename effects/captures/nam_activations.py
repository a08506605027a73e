"""Names and parameters of activations in `.nam` files."""

from typing import Any

from effects.captures.fields import Fields
from effects.models.activations import Activation, ActivationName

__all__ = ["read_activation", "write_activation"]

_NAMES: dict[str, ActivationName] = {
    "Tanh": "tanh",
    "Fasttanh": "fast_tanh",
    "Hardtanh": "hard_tanh",
    "ReLU": "relu",
    "LeakyReLU": "leaky_relu",
    "PReLU": "leaky_relu",
    "Sigmoid": "sigmoid",
    "SiLU": "silu",
    "Hardswish": "hard_swish",
    "LeakyHardtanh": "leaky_hard_tanh",
    "LeakyHardTanh": "leaky_hard_tanh",
    "Softsign": "softsign",
}


def read_activation(fields: Fields, value: Any, channels: int) -> Activation:
    """Return the activation that a name or an object describes, for layers of this many channels.

    Args:
        fields: the object that contains it, for messages.
        value: a name, or an object with ``type`` and parameters.
        channels: channels after the activation, for slopes per channel.
    """
    own = Fields(value, f"{fields.place}.activation") if isinstance(value, dict) else None
    kind = own.text("type") if own else value
    if not isinstance(kind, str) or kind not in _NAMES:
        shown = kind[:40] if isinstance(kind, str) else type(kind).__name__
        fields.fail(f"activation '{shown}' is not known; players know {', '.join(_NAMES)}")
    if own is None:
        return Activation(name=_NAMES[kind])
    if kind == "PReLU" and own.has("negative_slopes"):
        slopes = own.floats("negative_slopes", own.each("negative_slopes", channels))
        if len(slopes) not in (1, channels):
            own.fail(f"{len(slopes)} negative_slopes for {channels} channels")
        return Activation(name="leaky_relu", slopes=tuple(slopes.tolist()))
    if kind in ("LeakyReLU", "PReLU"):
        return Activation(name="leaky_relu", slopes=(own.number("negative_slope", default=0.01),))
    if _NAMES[kind] != "leaky_hard_tanh":
        return Activation(name=_NAMES[kind])
    low, high = own.number("min_val", default=-1.0), own.number("max_val", default=1.0)
    if low > high:
        own.fail(f"min_val {low:g} is above max_val {high:g}")
    outer = own.number("min_slope", default=0.01), own.number("max_slope", default=0.01)
    return Activation(name="leaky_hard_tanh", bounds=(low, high), outer_slopes=outer)


def write_activation(activation: Activation) -> dict[str, Any]:
    """Return the object that describes an activation."""
    kind = next(name for name, ours in _NAMES.items() if ours == activation.name)
    if activation.name == "leaky_relu":
        slope, *others = activation.slopes
        if others:
            return {"type": "PReLU", "negative_slopes": [slope, *others]}
        return {"type": kind, "negative_slope": slope}
    if activation.name != "leaky_hard_tanh":
        return {"type": kind}
    (low, high), (below, above) = activation.bounds, activation.outer_slopes
    return {"type": kind, "min_val": low, "max_val": high, "min_slope": below, "max_slope": above}
