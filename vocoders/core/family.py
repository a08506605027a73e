"""A family of models: one architecture in all its configurations, and where its code lives.

Places are written ``module:name`` and are imported when they are asked for. They stand in code, ours or that of an
installed package, so that nothing read from a file ever decides what is imported.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vocoders.core.config import Config
from vocoders.core.errors import ConfigError
from vocoders.core.plugins import check_name, import_place

__all__ = ["Family", "check_family"]


@dataclass(frozen=True)
class Family:
    """One family of models.

    Attributes:
        name: in model folders, configurations and on the command line: small letters, digits and underscores.
        title: as people write it.
        model: place of the model class, a :class:`~vocoders.core.pretrained.PretrainedModel` of the same ``family``.
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
        """The model class.

        Raises:
            ConfigError: if it cannot be imported, or is another class than the family says.
        """
        found = self.import_part(self.model)

        from vocoders.core.pretrained import PretrainedModel

        if not (isinstance(found, type) and issubclass(found, PretrainedModel)):
            raise ConfigError(f"family '{self.name}': {self.model} is no PretrainedModel; expected its model class")
        if found.family != self.name:
            raise ConfigError(f"family '{self.name}': {self.model} says family = '{found.family}'; expected one name")
        return found

    @property
    def variants(self) -> Mapping[str, Config]:
        """The configurations by name."""
        return {} if self.configs is None else self.import_part(self.configs)

    @property
    def convert(self) -> Callable[..., Any]:
        """The function that builds a model from a reference checkpoint.

        Raises:
            ConfigError: if no reference checkpoint of the family exists.
        """
        if self.converter is None:
            raise ConfigError(f"no reference checkpoint of {self.name} exists; train one with 'ondes train'")
        return self.import_part(self.converter)

    def import_part(self, place: str) -> Any:
        """Return a part of the family.

        Raises:
            ConfigError: if it cannot be imported.
        """
        return import_place(place, f"family '{self.name}': {place}")


def check_family(name: str, family: Family) -> None:
    """Raise a :class:`ConfigError` if a family cannot stand in model folders under its name."""
    check_name(name, family)
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ConfigError("a family is named by small letters, digits and underscores")
