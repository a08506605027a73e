"""An objective: adversarial training with least squares, and any losses and discriminators by name."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from recipes.discriminators import DiscriminatorUnion
from recipes.losses import LossSum
from recipes.objectives.objective import Batch, Log, Objective, Update
from vocoders.core.config import Config


class LeastSquaresOptions(Config):
    """What the section ``objective`` of a recipe can say."""

    name: Literal["toy_gan"] = "toy_gan"
    losses: dict[str, Any] = {"toy_level": 1.0}
    discriminators: dict[str, dict[str, Any]] = {"toy_wave": {}}


class LeastSquares(Objective):
    """Fools discriminators whose scores should be 1 for recordings and 0 for generated audio."""

    Options = LeastSquaresOptions
    kinds = ("vocoder", "generator")
    validation_units: ClassVar[dict[str, float]] = {"valid/loss": 1.0}

    def __init__(self, options: LeastSquaresOptions, generator: Any) -> None:
        super().__init__(options, generator)
        self.losses = LossSum(generator.sample_rate, options.losses)
        self.discriminator = DiscriminatorUnion(options.discriminators, generator.sample_rate)
        self.draw_inputs = generator.draw_inputs

    def parts(self) -> dict[str, nn.Module]:
        """Return what is trained besides the generator."""
        return {"discriminator": self.discriminator}

    def training_step(self, parts: Mapping[str, nn.Module], batch: Batch, step: int, update: Update) -> Log:
        """Train the generator, then the discriminator."""
        real, fake = batch["audio"], parts["generator"](**self.draw_inputs(batch))
        loss, terms = self.losses(fake, real)
        total = loss + _error(self.discriminator(fake), 1.0)
        log = {f"loss/{name}": term for name, term in terms.items()} | {"loss/generator": total.detach()}
        log["gradient/generator"] = update("generator", total)
        judge = parts["discriminator"]
        error = _error(judge(real), 1.0) + _error(judge(fake.detach()), 0.0)
        return log | {"loss/discriminator": error.detach(), "gradient/discriminator": update("discriminator", error)}

    def validation_loss(self, generator: nn.Module, batch: Batch) -> tuple[float, int]:
        """Return the summed loss of a batch, and the number of its items."""
        loss, _ = self.losses(generator(**self.draw_inputs(batch)), batch["audio"])
        return len(batch["audio"]) * float(loss), len(batch["audio"])


def _error(judged: tuple[list[Tensor], list[Tensor]], wanted: float) -> Tensor:
    scores, _ = judged
    return sum((score - wanted).square().mean() for score in scores)
