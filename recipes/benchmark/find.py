"""Find the contender that a name on the command line means: a vocoder, a generator, an effect, or a peer."""

from dataclasses import asdict, dataclass
from typing import Any

import torch

import effects.registry
import vocoders.registry
from effects.captures.names import is_capture
from recipes.benchmark.contender import Contender
from recipes.benchmark.models import contender_of
from recipes.benchmark.peers import PEERS, create_peer
from vocoders.core.device import resolve_device
from vocoders.core.errors import ConfigError
from vocoders.core.pretrained import read_model_config, resolve_model
from vocoders.core.runtime_names import RuntimeName
from vocoders.runtimes import ModelRuntime

__all__ = ["Request", "create_system", "find_effect", "is_effect"]


@dataclass(frozen=True)
class Request:
    """A request for a system, as on the command line; another process can build the same system from it.

    Attributes:
        source: shipped name, folder or hub id, ``family:variant`` (random weights), or the name of a peer.
        precision: ``fp32`` or ``bf16``.
        steps: solver steps, for models of flow matching.
        solver: of them.
        device: where it runs.
        is_peer: whether ``source`` is the name of a peer.
        runtime: what computes the network of a vocoder, see :func:`vocoders.load`.
    """

    source: str
    precision: str = "fp32"
    steps: int | None = None
    solver: str | None = None
    device: str = "cpu"
    is_peer: bool = False
    runtime: RuntimeName = "auto"

    @property
    def name(self) -> str:
        """The name in tables."""
        how = [self.precision] * (self.precision != "fp32") + [self.runtime] * (self.runtime != "auto")
        return " ".join([self.source, *how])

    def to_dict(self) -> dict[str, Any]:
        """Return the arguments."""
        return asdict(self)


def create_system(request: Request) -> Contender:
    """Build a system.

    Raises:
        CheckpointError: if there is no such model.
        ConfigError: for an unknown variant, precision or peer, or a model that makes no audio by itself.
    """
    device = resolve_device(request.device)
    if request.is_peer:
        return create_peer(request.source, device)
    system: Any = _build(request.source, vocoders.registry, device)
    if not vocoders.registry.is_baseline(request.source):
        system.runtime = ModelRuntime(request.runtime, vocoders.registry.FAMILIES[system.family])
    elif request.runtime not in ("auto", "torch"):
        raise ConfigError(f"--runtime {request.runtime}: {request.source} has no network; leave it out")
    return contender_of(request.name, system, request.precision, {"steps": request.steps, "solver": request.solver})


def is_effect(source: str) -> bool:
    """Return whether a name means an effect; an unknown model is an error."""
    if vocoders.registry.is_baseline(source):
        return False
    if source in PEERS:
        raise ConfigError(f"'{source}' is a peer; pass --against {source}")
    family, separator, _ = source.partition(":")
    if separator and family in effects.registry.FAMILIES:
        return True
    if separator and family in vocoders.registry.FAMILIES:
        return False
    return is_capture(source) or read_model_config(resolve_model(source)).family in effects.registry.FAMILIES


def find_effect(source: str, device: str = "cpu") -> Any:
    """Load an effect, or build a variant with random weights."""
    return _build(source, effects.registry, resolve_device(device))


def _build(source: str, registry: Any, device: torch.device) -> Any:
    family, separator, variant = source.partition(":")
    if not separator or family not in registry.FAMILIES:
        return registry.load(source, device=device)
    variants = registry.FAMILIES[family].variants
    if variant not in variants:
        raise ConfigError(f"unknown variant '{variant}' of {family}; known variants: {', '.join(variants)}")
    with torch.random.fork_rng(devices=[]), registry.FAMILIES.running(family):
        torch.manual_seed(0)
        return registry.FAMILIES[family].model_class(variants[variant]).eval().to(device)
