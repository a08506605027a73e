"""Options of synthesis of DiffWave-SaShiMi."""

from pydantic import field_validator

from vocoders.core.options import SynthesisOptions, option

__all__ = ["DiffusionOptions"]


class DiffusionOptions(SynthesisOptions):
    """Options of DiffWave-SaShiMi."""

    betas: tuple[float, ...] | None = option(None, title="Noise variances")
    """Variances of a shorter noise schedule, all between 0 and 1; none: the training schedule."""

    @field_validator("betas")
    @classmethod
    def _check_betas(cls, betas: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if betas is not None and not (betas and all(0 < beta < 1 for beta in betas)):
            raise ValueError(f"betas {list(betas)}; expected at least one, all between 0 and 1")
        return betas
