"""A loss that hears whether the pulses of a voice are pulses, wherever they lie."""

from torch import Tensor

from recipes.losses.loss import Loss
from vocoders.core.config import Config
from vocoders.frontends.modulation import ModulationSpectrum

__all__ = ["ModulationLoss"]

# Added to the modulation of each bin: that of white noise is some 0.03.
_NOISE = 0.02


class ModulationLoss(Loss):
    """Distance of the modulations of bands at the rate of the pitch, and of their energy.

    A network that is trained to the nearest spectrum alone makes soft pulses, since it does not know where the pulses
    of the recording lie. The strength of the beats does not depend on their position. (Compare the modulation spectrum
    as a criterion of training: Takamichi et al., ICASSP 2015.) Loud windows count for more, by the level to the power
    of 0.3.

    Shape:
        prediction (B, 1, T), target (B, 1, T) -> scalar; T at least 68 ms.
    """

    class Options(Config):
        """Options in a recipe: none."""

    def __init__(self, sample_rate: int, options: "ModulationLoss.Options | None" = None) -> None:
        super().__init__(sample_rate, options)
        self.spectrum = ModulationSpectrum(sample_rate)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        (generated, _), (wanted, level) = self.spectrum(prediction[:, 0]), self.spectrum(target[:, 0])
        weight = level.pow(0.3)
        rates = ((generated + _NOISE).log() - (wanted + _NOISE).log()).abs().mean(-1)
        depth = 0.5 * (self.spectrum.energy(generated) / self.spectrum.energy(wanted)).log().abs()
        return (weight * (rates + depth)).sum() / weight.sum()
