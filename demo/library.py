"""The models of the demo, and the few of them in memory.

This module does not import torch: the page is built from model files, and a model is loaded at its first use.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path
from typing import Any, Literal

from effects.captures.outline import describe_capture, find_captures
from effects.registry import FAMILIES as EFFECT_FAMILIES
from effects.registry import load as load_effect
from vocoders.core.errors import ConfigError, OndesError
from vocoders.core.model_advice import advise_on_path
from vocoders.core.model_source import describe_model, read_model_config, shipped_folders
from vocoders.core.options import Option, SynthesisOptions
from vocoders.core.runtime_names import RuntimeName
from vocoders.registry import BASELINES, DEFAULT_VOCODER, Baseline
from vocoders.registry import FAMILIES as VOCODER_FAMILIES
from vocoders.registry import load as load_system

__all__ = ["Entry", "Kind", "Library", "find_entries", "target_processor"]

_logger = logging.getLogger(__name__)

Kind = Literal["vocoder", "generator", "effect"]

# Depth of the search for model folders below --models: recipes write exp/<run>/model.
_DEPTH = 4


@dataclass(frozen=True)
class Entry:
    """One system, described by its files or its registry.

    Attributes:
        name: unique name for users.
        kind: vocoder, generator or effect.
        family: family in ``config.json``, or name of the baseline.
        title: family as written in text.
        path: model folder, or file of a capture; ``None`` for a baseline.
        config: ``config`` in ``config.json``, not validated.
        declared: options that it declares.
        options: default values of the options.
        labels: labels of a generator.
        sample_rate: in Hz, ``None`` if unknown.
        num_parameters: number of parameters, 0 if unknown.
        size_bytes: size of all files.
        license: licence, from the card.
        description: description, from the card.
        is_shipped: whether it ships with ondes.
    """

    name: str
    kind: Kind
    family: str
    title: str
    path: Path | None
    config: dict[str, Any] = field(default_factory=dict)
    declared: tuple[Option, ...] = ()
    options: SynthesisOptions = field(default_factory=SynthesisOptions)
    labels: tuple[str, ...] = ()
    sample_rate: int | None = None
    num_parameters: int = 0
    size_bytes: int = 0
    license: str = "part of ondes"
    description: str = ""
    is_shipped: bool = True

    @property
    def label(self) -> str:
        """Name in lists of models."""
        return f"{self.title} (baseline)" if self.path is None else f"{self.name} ({self.title})"

    @property
    def knob_names(self) -> tuple[str, ...]:
        """Names of an effect's knobs."""
        knobs = (self.config.get("knobs") or {}).get("knobs") or ()
        return tuple(str(knob.get("name")) for knob in knobs)


def find_entries(folders: Sequence[Path] = ()) -> list[Entry]:
    """Return shipped models, models and captures in and below ``folders``, then baselines; leave out damaged ones."""
    baselines = {name: _describe_baseline(baseline) for name, baseline in BASELINES.usable().items()}
    found: dict[str, Entry] = {}
    paths = [*((path, True) for path in shipped_folders()), *((path, False) for path in _below(folders))]
    for path, is_shipped in paths:
        try:
            entry = _describe(path, _unique(path, found | baselines), is_shipped)
        except OndesError as error:
            _logger.warning("left out: %s", error)
            continue
        found[entry.name] = entry
    return [*found.values(), *baselines.values()]


def target_processor(entry: Entry, knobs_of: dict[str, tuple[str, ...]]) -> str | None:
    """Return the name of the processor that a model learned.

    By convention the model's name starts with that of the processor without underscores (``comp4c-tcn`` for
    ``comp_4c``), and both have the same knobs.

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
    """Systems by name; loaded ones stay in memory up to a limit, the least recently used are dropped first.

    Args:
        entries: the systems; no other name can be loaded.
        capacity_bytes: limit of the systems in memory, measured as the size of their files.
        runtime: what computes the networks of vocoders and generators, see :func:`vocoders.load`.
    """

    def __init__(self, entries: Iterable[Entry], capacity_bytes: int = 1 << 30, runtime: RuntimeName = "auto") -> None:
        self.entries = {entry.name: entry for entry in entries}
        self.capacity_bytes = capacity_bytes
        self._runtime: RuntimeName = runtime
        self._loaded: OrderedDict[str, Any] = OrderedDict()
        self._lock = threading.Lock()
        self._loading: dict[str, threading.Lock] = {}

    def of_kind(self, kind: Kind) -> list[Entry]:
        """Return the systems of a kind, the default first."""
        found = [entry for entry in self.entries.values() if entry.kind == kind]
        return sorted(found, key=lambda entry: entry.name != DEFAULT_VOCODER)

    def entry(self, name: str) -> Entry:
        """Return the entry of a model.

        Raises:
            ConfigError: if it is not in the list.
        """
        if not isinstance(name, str) or name not in self.entries:
            raise ConfigError(f"no model '{str(name)[:80]}' here; choose one from the list")
        return self.entries[name]

    def load(self, name: str, kind: Kind | None = None) -> Any:
        """Return the system ``name``, ready for inference; simultaneous requests load it once.

        Args:
            name: name of an entry.
            kind: the kind that the entry must have.

        Returns:
            A :class:`~vocoders.interface.Vocoder`, a :class:`~vocoders.interface.WaveformGenerator` or an
            :class:`~effects.models.EffectModel`, by the entry's kind.

        Raises:
            ConfigError: for an unknown name, or an entry of another kind.
        """
        entry = self.entry(name)
        if kind is not None and entry.kind != kind:
            raise ConfigError(f"'{name}' is no {kind}; choose one from the list")
        with self._lock:
            loading = self._loading.setdefault(name, threading.Lock())
        with loading:
            with self._lock:
                if name in self._loaded:
                    self._loaded.move_to_end(name)
                    return self._loaded[name]
            model = _load(entry, self._runtime)
            with self._lock:
                self._loaded[name] = model
                self._shrink()
            return model

    @property
    def loaded_bytes(self) -> int:
        """Bytes of the files of the systems in memory."""
        with self._lock:
            return self._sum_sizes()

    @property
    def loaded_names(self) -> list[str]:
        """Models in memory, least recently used first."""
        with self._lock:
            return list(self._loaded)

    def _sum_sizes(self) -> int:
        return sum(self.entries[name].size_bytes for name in self._loaded)

    def _shrink(self) -> None:
        # The newest stays at any size: the request that loaded it needs it.
        while len(self._loaded) > 1 and self._sum_sizes() > self.capacity_bytes:
            name, _ = self._loaded.popitem(last=False)
            _logger.info("%s leaves the memory", name)


def _load(entry: Entry, runtime: RuntimeName) -> Any:
    if entry.path is None:
        with BASELINES.running(entry.name):
            return BASELINES[entry.name].system_class.from_details("")
    return load_effect(entry.path) if entry.kind == "effect" else load_system(entry.path, runtime=runtime)


def _describe_baseline(baseline: Baseline) -> Entry:
    return Entry(
        name=baseline.name,
        kind="vocoder",
        family=baseline.name,
        title=baseline.title,
        path=None,
        declared=baseline.options_class.declared(),
        options=baseline.options_class(),
        sample_rate=baseline.sample_rate,
    )


def _describe(path: Path, name: str, is_shipped: bool) -> Entry:
    config = {} if path.is_file() else read_model_config(path).config
    said = describe_capture(path) if path.is_file() else describe_model(read_model_config(path))
    return Entry(
        name=name,
        family=said.family,
        path=path,
        config=config,
        sample_rate=said.sample_rate,
        num_parameters=said.num_parameters,
        size_bytes=said.size_bytes,
        license=said.license,
        description=said.description,
        is_shipped=is_shipped,
        **_what_registries_say(said.family, config),
    )


def _what_registries_say(family: str, config: dict[str, Any]) -> dict[str, Any]:
    if family in EFFECT_FAMILIES:
        return {"kind": "effect", "title": EFFECT_FAMILIES[family].title}
    found = VOCODER_FAMILIES.find(family)
    return {
        "kind": found.kind_of(config),
        "title": found.title_of(config),
        "declared": found.options_class.declared_for(config),
        "options": found.options_of(config),
        "labels": found.labels_of(config),
    }


def _below(folders: Sequence[Path]) -> list[Path]:
    found = []
    for folder in folders:
        if not folder.is_dir():
            advice = f"; {advise_on_path(folder)}" if folder.exists() else ""
            raise ConfigError(f"{folder} is not a folder; --models takes a model folder or a folder of them{advice}")
        captures = find_captures(folder)
        # Unlike Path.glob, this passes over folders that vanish meanwhile, and hidden ones that are still written.
        patterns = ["*/" * depth + "config.json" for depth in range(_DEPTH + 1)]
        paths = {folder / Path(name).parent for pattern in patterns for name in glob(pattern, root_dir=folder)}
        models = sorted(path for path in paths if (path / "model.safetensors").is_file())
        if not models and not captures:
            _logger.warning("no model below it: %s", advise_on_path(folder))
        found += [*models, *captures]
    return found


def _unique(path: Path, taken: dict[str, Entry]) -> str:
    resolved = path.resolve()
    # Recipes call every result "model": the folder above has the name.
    name = resolved.parent.name if resolved.name == "model" else resolved.name
    if name not in taken:
        return name
    return next(longer for n in range(2, len(taken) + 3) if (longer := f"{name}-{n}") not in taken)
