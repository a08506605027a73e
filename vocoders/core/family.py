"""A family of models: one architecture with all its configurations, and the import paths of its code.

Import paths are written ``module:name`` and are imported on first use. They are part of code, ours or that of an
installed package; a file that is read never decides what is imported.
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
        name: name in model folders, configurations and on the command line.
        title: name for people.
        model: import path of the model class.
        configs: import path of the configurations by name; ``None``: there are none.
        converter: import path of the function that builds a model from a reference checkpoint; ``None``: there are no
            reference checkpoints.
        needs_statistics: whether reference checkpoints need the statistics of their normalised features, which they do
            not contain.
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
