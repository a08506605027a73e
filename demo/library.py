"""Which models the demo offers, and the few of them that are kept in memory.

Nothing here imports torch: the page is built from what the files say, and the first use of a model loads it.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError, safe_open

from effects.registry import FAMILIES as EFFECT_FAMILIES
from vocoders.core.card import read_card
from vocoders.core.errors import ConfigError, OndesError
from vocoders.core.model_advice import advise_on_path
from vocoders.core.model_source import MODEL_FILES, read_model_config, shipped_models

__all__ = ["BASELINES", "DEFAULT_VOCODER", "Entry", "Kind", "Library", "find_entries", "target_processor"]

_logger = logging.getLogger(__name__)

Kind = Literal["vocoder", "generator", "effect"]

BASELINES = {"griffin-lim": "Griffin-Lim (baseline)", "world": "WORLD (baseline)"}
# As vocoders.registry.DEFAULT_VOCODER, which would import torch.
DEFAULT_VOCODER = "wavehax-24k"
# How deep below a folder of --models model folders are looked for: recipes keep theirs in exp/<run>/model.
_DEPTH = 4
_FAMILY_TITLES = {
    "wavehax": "Wavehax",
    "periodwave": "PeriodWave",
    "periodwave_mb": "PeriodWave-MB",
    "sashimi": "SaShiMi",
    "diffwave_sashimi": "DiffWave-SaShiMi",
    "tcn": "TCN",
    "recurrent": "recurrent",
    "signaltrain": "SignalTrain",
}


@dataclass(frozen=True)
class Entry:
    """One model as its files describe it.

    Attributes:
        name: unique name, by which users choose it.
        family: as in ``config.json``.
        kind: what it can be used for.
        path: its folder.
        config: the content of ``config`` in ``config.json``, not checked.
        num_parameters: as the weights say, 0 if they do not.
        size_bytes: of all files.
        license: as the card says.
        description: as the card says.
        is_shipped: whether it is part of the installation.
    """

    name: str
    family: str
    kind: Kind
    path: Path
    config: dict[str, Any]
    num_parameters: int
    size_bytes: int
    license: str
    description: str
    is_shipped: bool

    @property
    def is_turbo(self) -> bool:
        """Whether this is a PeriodWave for a few Euler steps, as PeriodWave-Turbo's training leaves it."""
        sampling = self.config.get("sampling") or {}
        few = sampling.get("solver") == "euler" and 0 < sampling.get("steps", 16) <= 4
        return self.family.startswith("periodwave") and few

    @property
    def title(self) -> str:
        """Family as people write it."""
        title = _FAMILY_TITLES.get(self.family, self.family)
        return title.replace("PeriodWave", "PeriodWave-Turbo") if self.is_turbo else title

    @property
    def sample_rate(self) -> int | None:
        """Sample rate in Hz, ``None`` if the files do not say."""
        return _find_number(self.config, "sample_rate")

    @property
    def label(self) -> str:
        """What a list of models shows."""
        return f"{self.name} ({self.title})"

    @property
    def knob_names(self) -> tuple[str, ...]:
        """Names of an effect's knobs."""
        knobs = (self.config.get("knobs") or {}).get("knobs") or ()
        return tuple(str(knob.get("name")) for knob in knobs)


def find_entries(folders: Sequence[Path] = ()) -> list[Entry]:
    """Return the models that ship with ondes, then those in and below ``folders``; damaged ones are left out."""
    found: dict[str, Entry] = {}
    try:
        shipped = [model.path for model in shipped_models()]
    except OndesError as error:
        _logger.warning("shipped models cannot be listed: %s", error)
        shipped = []
    for path, is_shipped in [*((path, True) for path in shipped), *((path, False) for path in _below(folders))]:
        try:
            entry = _describe(path, _unique(path, found), is_shipped)
        except OndesError as error:
            _logger.warning("left out: %s", error)
            continue
        found[entry.name] = entry
    return list(found.values())


def target_processor(entry: Entry, knobs_of: dict[str, tuple[str, ...]]) -> str | None:
    """Return the name of the true effect that a learned one imitates.

    By convention the model's name starts with the processor's, underscores left out (``comp4c-tcn`` for ``comp_4c``),
    and both have the same knobs.

    Args:
        entry: an effect.
        knobs_of: names of the knobs of each processor.
    """
    name = entry.name.lower().replace("_", "")
    fitting = [
        processor
        for processor, knobs in knobs_of.items()
        if name.startswith(processor.replace("_", "")) and knobs == entry.knob_names
    ]
    return max(fitting, key=len, default=None)


class Library:
    """Models by name; what is loaded stays in memory up to a bound, the least recently used leave first.

    Args:
        entries: what may be loaded: no other name is ever looked for.
        capacity_bytes: bound on the weights that stay in memory, 4 bytes a parameter.
    """

    def __init__(self, entries: Iterable[Entry], capacity_bytes: int = 1 << 30) -> None:
        self.entries = {entry.name: entry for entry in entries}
        self.capacity_bytes = capacity_bytes
        self._loaded: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._loading: dict[str, threading.Lock] = {}

    def of_kind(self, kind: Kind) -> list[Entry]:
        """Return the models of a kind, the default one first."""
        found = [entry for entry in self.entries.values() if entry.kind == kind]
        return sorted(found, key=lambda entry: entry.name != DEFAULT_VOCODER)

    def entry(self, name: str) -> Entry:
        """Return what is known of a model.

        Raises:
            ConfigError: if it is not in the list.
        """
        if not isinstance(name, str) or name not in self.entries:
            raise ConfigError(f"no model '{str(name)[:80]}' here; choose one from the list")
        return self.entries[name]

    def load(self, name: str) -> Any:
        """Return the model ``name``, ready for inference; requests at the same time load it once."""
        entry = self.entry(name)
        with self._lock:
            loading = self._loading.setdefault(name, threading.Lock())
        with loading:
            with self._lock:
                if name in self._loaded:
                    self._loaded.move_to_end(name)
                    return self._loaded[name][0]
            model = _loader(entry.kind)(entry.path)
            size = 4 * sum(parameter.numel() for parameter in model.parameters())
            with self._lock:
                self._loaded[name] = model, size
                self._shrink()
            return model

    @property
    def loaded_bytes(self) -> int:
        """Bytes of weights that are in memory."""
        with self._lock:
            return sum(size for _, size in self._loaded.values())

    @property
    def loaded_names(self) -> list[str]:
        """Models in memory, least recently used first."""
        with self._lock:
            return list(self._loaded)

    def _shrink(self) -> None:
        # The newest stays whatever its size: the request that loaded it needs it.
        while len(self._loaded) > 1 and sum(size for _, size in self._loaded.values()) > self.capacity_bytes:
            name, _ = self._loaded.popitem(last=False)
            _logger.info("%s leaves the memory", name)


def _loader(kind: Kind) -> Callable[[Path], Any]:
    if kind == "effect":
        from effects.registry import load
    else:
        from vocoders.registry import load
    return load


def _kind(family: str, config: dict[str, Any]) -> Kind:
    if family in EFFECT_FAMILIES:
        return "effect"
    unconditional = family == "diffwave_sashimi" and config.get("mel") is None
    return "generator" if family == "sashimi" or unconditional else "vocoder"


def _describe(path: Path, name: str, is_shipped: bool) -> Entry:
    file, card = read_model_config(path), read_card(path)
    return Entry(
        name=name,
        family=file.family,
        kind=_kind(file.family, file.config),
        path=path,
        config=file.config,
        num_parameters=_count_parameters(path / "model.safetensors"),
        size_bytes=sum(file.stat().st_size for file in map(path.joinpath, MODEL_FILES) if file.is_file()),
        license=str(card.get("license", "unknown")),
        description=str(card.get("description", "")),
        is_shipped=is_shipped,
    )


def _below(folders: Sequence[Path]) -> list[Path]:
    found = []
    for folder in folders:
        if not folder.is_dir():
            advice = f"; {advise_on_path(folder)}" if folder.exists() else ""
            raise ConfigError(f"{folder} is no folder; --models takes a model folder or a folder of them{advice}")
        paths = {file.parent for depth in range(_DEPTH + 1) for file in folder.glob("*/" * depth + "config.json")}
        models = sorted(path for path in paths if (path / "model.safetensors").is_file())
        if not models:
            _logger.warning("no model below it: %s", advise_on_path(folder))
        found += models
    return found


def _unique(path: Path, taken: dict[str, Entry]) -> str:
    resolved = path.resolve()
    # Recipes call every result "model": the folder above says which.
    name = resolved.parent.name if resolved.name == "model" else resolved.name
    if name not in taken:
        return name
    return next(longer for n in range(2, len(taken) + 3) if (longer := f"{name}-{n}") not in taken)


def _count_parameters(weights: Path) -> int:
    try:
        with safe_open(weights, framework="np") as file:
            return int((file.metadata() or {}).get("parameters", 0))
    except (SafetensorError, OSError, ValueError) as error:
        raise ConfigError(f"{weights} is damaged or missing: {error}") from None


def _find_number(config: dict[str, Any], name: str) -> int | None:
    if isinstance(config.get(name), int):
        return config[name]
    found = (_find_number(value, name) for value in config.values() if isinstance(value, dict))
    return next((number for number in found if number is not None), None)
