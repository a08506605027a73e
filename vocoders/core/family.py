"""A family of models: one architecture with all its configurations, and the import paths of its code.

Import paths are written ``module:name`` and are imported on first use. They are part of code, ours or that of an
installed package; a file that is read never decides what is imported.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from vocoders.core.config import Config
from vocoders.core.errors import ConfigError
from vocoders.core.plugins import check_name, import_place

__all__ = ["Family", "check_family"]


@dataclass(frozen=True)
class Family:
    """One family of models.

    Attributes:
        name: name in model folders, configurations and on the command line: small letters, digits and underscores.
        title: name for people.
        model: import path of the model class, a :class:`~vocoders.core.pretrained.PretrainedModel` of the same
            ``family``.
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
        """The model class.

        Raises:
            ConfigError: if it cannot be imported, or is not of this family.
        """
        found = self.import_part(self.model)

        from vocoders.core.pretrained import PretrainedModel

        if not (isinstance(found, type) and issubclass(found, PretrainedModel)):
            raise ConfigError(f"family '{self.name}': {self.model} is no PretrainedModel; expected its model class")
        if found.family != self.name:
            raise ConfigError(f"family '{self.name}': {self.model} has family '{found.family}'; expected the same name")
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

        from vocoders.core.conversion import bounded_conversion

        return partial(bounded_conversion, self.import_part(self.converter))

    def import_part(self, place: str) -> Any:
        """Return a part of the family.

        Raises:
            ConfigError: if it cannot be imported.
        """
        return import_place(place, f"family '{self.name}': {place}")


def check_family(name: str, family: Family) -> None:
    """Raise a :class:`ConfigError` if the name of a family is not valid in model folders."""
    check_name(name, family)
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ConfigError("a family name consists of small letters, digits and underscores")
