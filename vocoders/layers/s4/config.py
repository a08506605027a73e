"""Configuration of a state-space layer."""

from typing import Literal

from pydantic import Field, model_validator

from vocoders.core.config import Config

__all__ = ["S4Config"]


class S4Config(Config):
    """One S4 or S4D layer; the defaults are those of SaShiMi's published models.

    Attributes:
        structure: ``dplr`` (diagonal minus rank one), ``dplr_free`` (the same with independent factors P and Q and
            unconstrained real parts, as in the first release; it can become unstable) or ``diagonal`` (S4D).
        d_state: N, number of complex states per feature, conjugates included.
        num_systems: number of distinct (A, B, P), which the features use cyclically; ``None``: one per feature.
        initialisation: ``legs`` (HiPPO-LegS), or for ``diagonal`` also ``lin``, ``inv``, ``inv_lin`` (first half of
            the systems inv, second half lin) and ``real``.
        discretisation: ``bilinear``, or ``zoh`` (zero-order hold, ``diagonal`` alone).
        dt_min: smallest initial step size.
        dt_max: largest initial step size.
        dt_transform: function from the parameter to the step size, ``exp`` or ``softplus``.
        bidirectional: add a second kernel over the future; such a layer has no recurrence.
        output: ``glu`` (linear to twice the width, gated) or ``linear`` after the convolution's GELU.
        precision: ``double`` computes kernels in float64 (on CPUs as fast as float32); ``single`` computes all but the
            powers in float32 (relative error of a kernel some 1e-5).
    """

    structure: Literal["dplr", "dplr_free", "diagonal"] = "dplr"
    d_state: int = Field(default=64, gt=0, le=1024)
    num_systems: int | None = Field(default=1, gt=0)
    initialisation: Literal["legs", "lin", "inv", "inv_lin", "real"] = "legs"
    discretisation: Literal["bilinear", "zoh"] = "bilinear"
    dt_min: float = Field(default=0.001, gt=0)
    dt_max: float = Field(default=0.1, gt=0)
    dt_transform: Literal["exp", "softplus"] = "exp"
    bidirectional: bool = False
    output: Literal["glu", "linear"] = "glu"
    precision: Literal["double", "single"] = "double"

    @model_validator(mode="after")
    def _check(self) -> "S4Config":
        if self.d_state % 2:
            raise ValueError(f"d_state {self.d_state} must be even: states come in conjugate pairs")
        if self.dt_min > self.dt_max:
            raise ValueError(f"dt_min {self.dt_min} exceeds dt_max {self.dt_max}")
        if self.structure != "diagonal" and self.discretisation != "bilinear":
            raise ValueError(f"structure '{self.structure}' needs discretisation 'bilinear'")
        if self.structure != "diagonal" and self.initialisation != "legs":
            raise ValueError(f"structure '{self.structure}' needs initialisation 'legs'")
        return self
