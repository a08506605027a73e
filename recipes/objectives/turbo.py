"""PeriodWave-Turbo: adversarial tuning of a flow matching vocoder through the few steps of its solver.

Source: PeriodWave-Turbo (arXiv 2408.08019).
"""

from typing import Any, Literal

from pydantic import Field

from recipes.objectives.gan import AdversarialOptions, GanObjective

__all__ = ["TurboObjective", "TurboOptions"]


class TurboOptions(AdversarialOptions):
    """Options of the adversarial objective with the published values of PeriodWave-Turbo.

    The variant for audio codecs adds ``ms_stft: {}`` to the discriminators.

    Attributes:
        name: ``turbo``.
        reconstruction: as in :class:`AdversarialOptions`, like all that follow.
    """

    name: Literal["turbo"] = "turbo"
    reconstruction: dict[str, Any] = {"turbo_mel": 45.0}
    adversarial: Literal["hinge", "mse"] = "mse"
    discriminators: dict[str, dict[str, Any]] = {"mpd": {"score_is_feature": True}, "ms_sb_cqt": {}}
    adversarial_start: int = Field(default=0, ge=0)
    discriminators_first: bool = True


class TurboObjective(GanObjective):
    """Adversarial tuning of a trained flow matching vocoder.

    Called without a time, the vocoder's ``forward`` integrates noise to a waveform in a fixed number of steps, and the
    gradient of every loss passes through all of them. No flow matching loss is kept.

    Also published: AdamW with a constant learning rate of 2e-5, betas (0.9, 0.999), weight decay
    0.01, and gradients clipped only at a norm of 1000, which is never.
    """

    Options = TurboOptions
    needs_initial = True
