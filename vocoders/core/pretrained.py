"""Model folders: save a model, find one, load it strictly.

A folder holds four files: ``config.json`` (format, family, configuration), ``model.safetensors`` (weights),
``README.md`` (the card) and ``reference.safetensors`` (inputs of ``forward`` and the expected output). Nothing is ever
unpickled, and no file decides what is imported.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor, nn

from vocoders.core.atomic import atomic_folder
from vocoders.core.building import bounded_building, check_numbers
from vocoders.core.card import check_card, minimal_card
from vocoders.core.config import Config
from vocoders.core.device import resolve_device
from vocoders.core.display import card_html
from vocoders.core.errors import CheckpointError, ConfigError
from vocoders.core.model_source import (
    MODEL_FILES,
    MODEL_FORMAT,
    ModelFile,
    ShippedModel,
    read_model_config,
    resolve_model,
    shipped_models,
)
from vocoders.core.submodules import submodules
from vocoders.core.text import enumerate_some
from vocoders.core.torch_files import load_safetensors
from vocoders.version import __version__

__all__ = [
    "ModelFile",
    "PretrainedModel",
    "ShippedModel",
    "evaluating",
    "read_model_config",
    "read_tensors",
    "resolve_model",
    "shipped_models",
]

_logger = logging.getLogger(__name__)

# Limits of the relative RMS difference. With equal weights only the order of summation differs (other CPUs, numbers of
# threads). The loose limit allows for weights in half precision, or the reduced precision of a GPU's convolutions.
_TOLERANCE = 1e-4
_LOOSE_TOLERANCE = 1e-2
# Tensors, or files, that a message names.
_LISTED = 8


ConfigType = TypeVar("ConfigType", bound=Config)


class PretrainedModel(nn.Module, Generic[ConfigType]):
    """Mixin that gives an ``nn.Module`` saving and loading.

    The class defines ``family`` and ``config_class``, is built as ``cls(config)``, keeps ``self.config``, and has a
    pure ``forward`` that takes the inputs of :meth:`reference_inputs` and returns one tensor, or a tuple that starts
    with it.

    Attributes:
        family: name of the family, as in ``config.json``.
        config_class: typed configuration.
        statistics: names of the training-data statistics that :meth:`set_statistics` takes.
    """

    family: ClassVar[str]
    config_class: ClassVar[type[Config]]
    statistics: ClassVar[tuple[str, ...]] = ()
    config: ConfigType

    def _repr_html_(self) -> str:
        """Return what a notebook shows of the model."""
        count = sum(parameter.numel() for parameter in self.parameters())
        return card_html(f"{type(self).__name__}: family {self.family}, {count:,} parameters", self.config)

    def reference_inputs(self) -> dict[str, Tensor]:
        """Return short keyword arguments of ``forward``, the same on every call."""
        raise NotImplementedError(f"{type(self).__name__} does not define reference_inputs()")

    def draw_inputs(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return keyword arguments of ``forward`` for a training batch.

        Random numbers come from each item's own ``seed``, so that they do not depend on how a batch is divided over
        processes.

        Args:
            batch: ``audio`` (B, 1, T) and ``seed`` (B,) integers; of a vocoder ``features`` (B, num_features, F), and
                ``f0`` (B, 1, F) where it uses F0; of a generator with labels ``labels`` (B,).

        Raises:
            ConfigError: if the model is trained otherwise.
        """
        raise ConfigError(f"models of family '{self.family}' are not trained on their output; choose another objective")

    def set_statistics(self, *values: Any, **statistics: Any) -> None:
        """Set the training-data statistics of the model; most models have none."""
        if values or statistics:
            found = ", ".join(statistics) or len(values)
            raise ConfigError(f"{type(self).__name__} takes no statistics, found {found}")

    def start_from(self, trained: Any) -> None:
        """Copy the weights of a trained model, converted from its configuration to this one where that is possible.

        Raises:
            RuntimeError: if they do not fit.
        """
        self.load_state_dict(trained.state_dict())

    def system_parameters(self) -> list[str]:
        """Return the names of parameters that are trained with a separate learning rate and without weight decay."""
        return []

    def save_pretrained(
        self, folder: str | Path, card: str | None = None, dtype: torch.dtype | None = None, overwrite: bool = False
    ) -> Path:
        """Write a model folder; it appears whole or not at all.

        Before the folder is renamed to its final name, the model is loaded from it and must give the same output.

        Args:
            folder: where to write.
            card: text of the model card with YAML front matter; ``None`` writes a minimal one.
            dtype: ``torch.float16`` stores parameters of more than one dimension in half precision (they are loaded as
                float32); ``None`` stores everything unchanged.
            overwrite: replace an existing model folder.

        Returns:
            The folder.

        Raises:
            CheckpointError: if the folder exists without ``overwrite``, or contains other files than a model's; if the
                output is not finite, or the stored model does not reproduce it.
            DataError: if the system refuses to write.
        """
        if dtype not in (None, torch.float32, torch.float16):
            raise ConfigError(f"cannot store weights as {dtype}; expected float32 or float16")
        half = dtype == torch.float16
        folder = Path(folder)
        _check_replaceable(folder, overwrite)
        num_parameters = sum(parameter.numel() for parameter in self.parameters())
        card = card if card is not None else minimal_card(self.family, num_parameters)
        check_card(card)
        content = {"format": MODEL_FORMAT, "family": self.family, "ondes": __version__, "config": self.config.to_dict()}
        with atomic_folder(folder, overwrite) as temporary:
            (temporary / "config.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
            (temporary / "README.md").write_text(card, encoding="utf-8")
            # One entry alone: safetensors writes several entries in random order, and equal models would differ in
            # their bytes.
            metadata = {"parameters": str(num_parameters)}
            _write_tensors(temporary / "model.safetensors", _stored_state(self, half), metadata)
            reference = self._replay_stored(temporary, _LOOSE_TOLERANCE if half else _TOLERANCE)
            _write_tensors(temporary / "reference.safetensors", reference)
        return folder

    @classmethod
    def from_pretrained(cls, source: str | Path, verify: bool = False, device: str | torch.device = "cpu") -> Self:
        """Load a model in evaluation mode; the global random state is left as it was.

        Args:
            source: a folder, the name of a model that ships with ondes, or a hub id ``organisation/name``.
            verify: replay the stored reference on the CPU; the relative RMS difference must not exceed 1e-4.
            device: device of the returned model.

        Raises:
            CheckpointError: if there is no such model, it is damaged or of another family, its tensors do not fit the
                configuration (all are listed), or the replay fails.
            ConfigError: if its configuration is not one of this family, or there is no such device.
        """
        device = resolve_device(device)
        path = resolve_model(source)
        file = read_model_config(path)
        if file.family != cls.family:
            raise CheckpointError(f"{path} is a model of family '{file.family}'; expected '{cls.family}'")
        check_numbers(file.config, str(path / "config.json"))
        config = cls.config_class.from_dict(file.config, source=str(path / "config.json"))
        weights = path / "model.safetensors"
        state = read_tensors(weights)
        numbers = sum(tensor.numel() for tensor in state.values())
        with torch.random.fork_rng(devices=[]), bounded_building(len(state), numbers, str(weights)):
            model = cls(config)
        _check_state(state, model.state_dict(), weights)
        model.load_state_dict(state)
        model.eval()
        if verify:
            model._verify(path / "reference.safetensors")
        return model.to(device)

    def _verify(self, path: Path) -> None:
        reference = read_tensors(path)
        inputs = {name.removeprefix("in."): tensor for name, tensor in reference.items() if name.startswith("in.")}
        if "out" not in reference or not inputs:
            raise CheckpointError(f"{path} contains no reference; expected tensors 'in.*' and 'out'")
        difference = _relative_difference(_run(self, inputs), reference["out"])
        if not difference <= _TOLERANCE:
            raise CheckpointError(
                f"{path.parent}: the output differs from the stored reference by {difference:.1e} (relative RMS); "
                f"expected at most {_TOLERANCE:.0e}; the weights are damaged, or this version computes something else"
            )
        _logger.info("%s: reference reproduced to %.1e (relative RMS)", path.parent, difference)

    def _replay_stored(self, folder: Path, tolerance: float) -> dict[str, Tensor]:
        """Load the model from ``folder``, compare it with this one, and return the tensors of its reference."""
        inputs = {name: tensor.detach().cpu() for name, tensor in self.reference_inputs().items()}
        expected = _run(self, inputs)
        if not torch.isfinite(torch.view_as_real(expected) if expected.is_complex() else expected).all():
            raise CheckpointError("the model computes NaN or infinite output and is not saved; its weights are broken")
        output = _run(type(self).from_pretrained(folder), inputs)
        if next(self.parameters()).device.type != "cpu":
            tolerance = _LOOSE_TOLERANCE
        difference = _relative_difference(output, expected)
        if not difference <= tolerance:
            raise CheckpointError(
                f"stored as asked, the model's output changes by {difference:.1e} (relative RMS); expected at most "
                f"{tolerance:.0e}; store it in float32, and keep all that it needs in parameters and buffers"
            )
        return {f"in.{name}": tensor for name, tensor in inputs.items()} | {"out": output}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read all tensors of a safetensors file onto the CPU.

    Raises:
        CheckpointError: if it is missing, truncated or no safetensors file.
    """
    if not path.is_file():
        raise CheckpointError(f"{path.parent} is not a complete model folder: it has no {path.name}")
    try:
        return load_safetensors(path)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        with open(path, "rb") as stream:
            if stream.read(32).startswith(b"version https://git-lfs"):
                raise CheckpointError(f"{path} is a Git LFS pointer, not the weights; run 'git lfs pull'") from None
        raise CheckpointError(f"{path} is truncated or not a safetensors file ({error}); copy it again") from None


def _write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    # Cloned, because safetensors refuses tensors that share memory, such as tied weights.
    separate = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    # Not safetensors' own file writer, which makes files that only their owner can read.
    path.write_bytes(save(separate, metadata=metadata))


def _stored_state(model: Any, half: bool) -> dict[str, Tensor]:
    parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    state = {}
    for name, tensor in model.state_dict().items():
        tensor = tensor.detach().cpu()
        # Vectors (biases, gains) and buffers (statistics) are small and sensitive, so they keep their precision.
        if half and name in parameters and tensor.is_floating_point() and tensor.ndim > 1:
            tensor = tensor.half()
        state[name] = tensor
    return state


def _check_state(state: Mapping[str, Tensor], own: Mapping[str, Tensor], path: Path) -> None:
    problems = []
    if missing := sorted(own.keys() - state.keys()):
        problems.append(f"missing {enumerate_some(missing, _LISTED)}")
    if unexpected := sorted(state.keys() - own.keys()):
        problems.append(f"unexpected {enumerate_some(unexpected, _LISTED)}")
    shared = sorted(own.keys() & state.keys())
    if wrong := [name for name in shared if state[name].shape != own[name].shape]:
        shapes = [f"{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}" for name in wrong]
        problems.append(f"wrong shapes: {enumerate_some(shapes, _LISTED)}")
    if wrong := [name for name in shared if _kind(state[name]) != _kind(own[name])]:
        kinds = [f"{name} {state[name].dtype} instead of {own[name].dtype}" for name in wrong]
        problems.append(f"wrong types: {enumerate_some(kinds, _LISTED)}")
    if problems:
        raise CheckpointError(f"{path} does not fit its configuration: {'; '.join(problems)}")


def _kind(tensor: Tensor) -> str:
    return "complex" if tensor.is_complex() else "float" if tensor.is_floating_point() else str(tensor.dtype)


def _check_replaceable(folder: Path, overwrite: bool) -> None:
    """Refuse to replace a folder without ``overwrite``, or one that is more than a model folder."""
    if not folder.is_dir():
        return
    names = sorted(path.name for path in folder.iterdir())
    if names and not overwrite:
        raise CheckpointError(f"{folder} exists already; choose another name or allow overwriting (--force)")
    if foreign := [name for name in names if name not in MODEL_FILES]:
        raise CheckpointError(
            f"{folder} contains more than a model ({enumerate_some(foreign, _LISTED)}) and is not replaced"
        )


@contextmanager
def evaluating(system: Any) -> Iterator[None]:
    """Switch a network to evaluation mode, and back afterwards; anything else is left as it is."""
    # A stream asks for each frame: modes are changed only where one differs.
    if not isinstance(system, nn.Module) or not any(module.training for module in submodules(system)):
        yield
        return
    was_training = system.training
    system.eval()
    try:
        yield
    finally:
        system.train(was_training)


@torch.inference_mode()
def _run(model: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    device = next(model.parameters()).device
    with evaluating(model):
        output = model(**{name: tensor.to(device) for name, tensor in inputs.items()})
    # A streaming model also returns its state.
    return (output[0] if isinstance(output, tuple) else output).cpu()


def _relative_difference(output: Tensor, expected: Tensor) -> float:
    if output.shape != expected.shape:
        return float("inf")
    difference, level = ((x.abs().square().mean().sqrt()) for x in (output - expected, expected))
    return float(difference / level.clamp(min=1e-8))
