"""What vocoders and generators have in common: kind, front end, options, device, and the code that computes them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import Tensor, nn

from vocoders.core.errors import ConfigError
from vocoders.core.options import SynthesisOptions
from vocoders.core.pretrained import PretrainedModel
from vocoders.frontends.front_end import FrontEnd, ModelConfig

__all__ = ["Kind", "Progress", "System", "ignore_progress"]

Kind = Literal["vocoder", "generator"]
Progress = Callable[[float], None]


class Runtime(Protocol):
    """Other code that computes networks, see :mod:`vocoders.runtimes`."""

    def __call__(self, model: Any, part: nn.Module, arguments: Sequence[Tensor]) -> Tensor:
        """Return what a part of a model computes from its arguments."""
        ...

    def open_stream(self, model: Any, batch: int) -> Callable[..., Tensor] | None:
        """Return what computes frames of ``batch`` streams; ``None``: PyTorch does."""
        ...


class System(ABC):
    """Something that makes audio.

    Attributes:
        options_class: class that declares the options of synthesis.
        runtime: computes parts of a model on the CPU by other code, see :func:`vocoders.load`; ``None``: PyTorch does.
    """

    options_class: ClassVar[type[SynthesisOptions]] = SynthesisOptions
    runtime: "Runtime | None" = None

    @property
    @abstractmethod
    def kind(self) -> Kind:
        """Whether the system, in its configuration, is a vocoder or a generator."""

    @property
    def front_end(self) -> FrontEnd:
        """Features that the system takes; the configuration of a model defines them."""
        if isinstance(self, PretrainedModel) and isinstance(self.config, ModelConfig):
            return self.config.front_end
        raise NotImplementedError(f"{type(self).__name__} does not define its front_end")

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""
        return self.front_end.sample_rate

    @property
    def fingerprint(self) -> str:
        """Front end in one line: systems with equal lines take the same features, or the same codes."""
        return self.front_end.fingerprint

    @property
    def default_options(self) -> SynthesisOptions:
        """The default options: those of the declaration, with what the model's configuration changes."""
        return self.options_class.of_config(self.config.to_dict() if isinstance(self, PretrainedModel) else {})

    @property
    def device(self) -> torch.device:
        """Device of the system."""
        return next(self.parameters()).device if isinstance(self, nn.Module) else torch.device("cpu")

    def compute(self, part: nn.Module, *arguments: Tensor) -> Tensor:
        """Return what a part of a model (or the whole) computes in synthesis, by the runtime of the system."""
        if self.runtime is None or self.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
            return part(*arguments)
        return self.runtime(self, part, arguments)

    def options(self, **changes: Any) -> SynthesisOptions:
        """Return the system's options with ``changes``.

        Raises:
            ConfigError: for a name that is not declared, or a value that is impossible for this system.
        """
        return self._chosen(None, changes)

    def check_options(self, options: Any) -> None:
        """Raise a :class:`ConfigError` for options that are impossible in the configuration of this system."""
        del options

    def _chosen(self, options: SynthesisOptions | None, changes: dict[str, Any]) -> Any:
        """Return all declared options: ``options`` (or their part that a configuration contains), with ``changes``."""
        name, chosen = type(self).__name__, self.default_options
        if options is not None:
            if not issubclass(self.options_class, type(options)):
                found, expected = type(options).__name__, self.options_class.__name__
                raise ConfigError(f"options of the class {found}; expected {expected}, as {name}.options() gives them")
            chosen = self.options_class.from_dict(chosen.to_dict() | options.to_dict(), name)
        chosen = chosen.changed(name, **changes)
        self.check_options(chosen)
        return chosen


def ignore_progress(fraction: float) -> None:
    """Ignore a report of progress."""
