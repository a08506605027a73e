"""A family of models: one architecture in all its configurations, and where its code lives.

Places are written ``module:name`` and are imported when they are asked for. They stand in code, ours or that of an
installed package, so that nothing read from a file ever decides what is imported.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

from vocoders.core.config import Config
from vocoders.core.errors import ConfigError

__all__ = ["Family"]


@dataclass(frozen=True)
class Family:
    """One family of models.

    Attributes:
        name: in model folders, configurations and on the command line.
        title: as people write it.
        model: place of the model class.
        configs: place of the configurations by name; ``None``: there are none.
        converter: place of the function that builds a model from a reference checkpoint; ``None``: no reference
            checkpoints exist.
        needs_statistics: whether these were trained on normalised features, whose statistics they lack.
    """

    name: str
    title: str
    model: str
    configs: str | None = None
    converter: str | None = None
    needs_statistics: bool = False

    @property
    def model_class(self) -> Any:
        """The model class."""
        return resolve_name(self.model)

    @property
    def variants(self) -> Mapping[str, Config]:
        """The configurations by name."""
        return {} if self.configs is None else resolve_name(self.configs)

    @property
    def convert(self) -> Callable[..., Any]:
        """The function that builds a model from a reference checkpoint.

        Raises:
            ConfigError: if no reference checkpoint of the family exists.
        """
        if self.converter is None:
            raise ConfigError(f"no reference checkpoint of {self.name} exists; train one with 'ondes train'")
        return resolve_name(self.converter)
