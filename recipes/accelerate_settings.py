"""What `accelerate launch` and its configuration file say about a training, next to the configuration of the recipe.

Processes and machines come with the launcher. Precision and compilation count where the recipe leaves them at their
defaults. What would change the training silently is refused.
"""

import logging
import os
from collections.abc import Mapping

from recipes.sections import TrainerConfig
from vocoders.core.errors import ConfigError

__all__ = ["with_accelerate_settings"]

logger = logging.getLogger(__name__)

# Ways to divide a model over devices: checkpoints and averages of a run are those of whole models.
_REFUSED = {
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_FSDP": "FSDP",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "a parallelism configuration",
}


def with_accelerate_settings(options: TrainerConfig, environment: Mapping[str, str] = os.environ) -> TrainerConfig:
    """Return the options of the trainer, with what accelerate's launcher has put into the environment.

    Raises:
        ConfigError: for settings that ondes does not have, or says in another place.
    """
    for variable, name in _REFUSED.items():
        if environment.get(variable, "false").lower() in ("true", "1", "yes"):
            raise ConfigError(f"accelerate's configuration asks for {name}; expected plain MULTI_GPU, MULTI_CPU or NO")
    steps = environment.get("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "1")
    if steps != "1":
        raise ConfigError(
            f"accelerate's configuration has gradient_accumulation_steps {steps}; leave it out, and set "
            "trainer.accumulate, the number of parts of a batch"
        )
    changes = {}
    precision = environment.get("ACCELERATE_MIXED_PRECISION", "no")
    if precision != "no" and options.precision == "no":
        changes["precision"] = precision
    elif precision not in ("no", options.precision):
        logger.warning("trainer.precision %s counts, not accelerate's %s", options.precision, precision)
    if environment.get("ACCELERATE_DYNAMO_BACKEND", "no").lower() == "inductor" and not options.compile:
        changes["compile"] = True
    if not changes:
        return options
    words = ", ".join(f"trainer.{name} = {value}" for name, value in changes.items())
    logger.info("from accelerate's configuration: %s", words)
    return TrainerConfig.from_dict(options.to_dict() | changes, "accelerate's configuration")
