"""Systems by name: families of models, baselines, and loading of any system. Nothing here imports torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocoders.core.errors import CheckpointError, ConfigError
from vocoders.core.family import Family, check_family
from vocoders.core.model_source import read_model_config, resolve_model, shipped_models, shipped_names
from vocoders.core.options import SynthesisOptions
from vocoders.core.plugins import Registry, check_name, import_place
from vocoders.core.runtime_names import RUNTIMES, RuntimeName

if TYPE_CHECKING:
    import torch

    from vocoders.baselines.baseline import BaselineVocoder
    from vocoders.interface import Kind, System, Vocoder, WaveformGenerator

__all__ = [
    "BASELINES",
    "DEFAULT_VOCODER",
    "FAMILIES",
    "Baseline",
    "VocoderFamily",
    "declared_options",
    "default_vocoder",
    "is_baseline",
    "load",
    "load_generator",
    "load_vocoder",
]

# The default vocoder.
DEFAULT_VOCODER = "wavehax-24k"


@dataclass(frozen=True)
class VocoderFamily(Family):
    """One family of vocoders or generators.

    Attributes:
        options: place of the class that declares the options of synthesis.
        kind: what its models do.
        generates_without: name of a section of the configuration; models that lack it are generators.
        titles: import path of a function from configuration to title; ``None``: the family's title.
        graphs: import path of a function from model and options to its ONNX graphs; ``None``: there are none.
        runtime_plan: import path of a function from a model and a part of it to the graph of that part, for runtimes.
        compiled_stream: import path of compiled code for streams: it takes a model and the number of streams.
        compiled: import path of a function from a model, a part of it and a number of threads to compiled code.
        fastest: runtimes that the choice ``auto`` tries, the fastest first (measured).
    """

    options: str = "vocoders.core.options:SynthesisOptions"
    kind: "Kind" = "vocoder"
    generates_without: str | None = None
    titles: str | None = None
    graphs: str | None = None
    runtime_plan: str | None = None
    compiled_stream: str | None = None
    compiled: str | None = None
    fastest: tuple[RuntimeName, ...] = ()

    def make_graphs(self, model: Any, options: SynthesisOptions) -> Any:
        """Return the plans of a model's ONNX graphs, the whole synthesis first.

        Raises:
            ConfigError: if the family has none.
        """
        if self.graphs is None:
            raise ConfigError(f"models of family '{self.name}' have no ONNX graph; run them with ondes itself")
        return self.import_part(self.graphs)(model, options)

    @property
    def options_class(self) -> type[SynthesisOptions]:
        """The class that declares the options of synthesis."""
        return self.import_part(self.options)

    def kind_of(self, config: Mapping[str, Any]) -> "Kind":
        """Return what a model of this configuration does."""
        if self.generates_without is not None and config.get(self.generates_without) is None:
            return "generator"
        return self.kind

    def title_of(self, config: Mapping[str, Any]) -> str:
        """Return the title of a model with this configuration."""
        return self.title if self.titles is None else self.import_part(self.titles)(config)

    def options_of(self, config: Mapping[str, Any]) -> SynthesisOptions:
        """Return the default options of a model with this configuration, without loading it."""
        return self.options_class.of_config(config)

    def labels_of(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the labels of a generator with this configuration: by convention, its section ``labels``."""
        return tuple(config.get("labels") or ())


@dataclass(frozen=True)
class Baseline:
    """One system without training.

    Attributes:
        name: name on the command line; details may follow a colon.
        title: name for people.
        system: place of its class, a :class:`~vocoders.baselines.baseline.BaselineVocoder`.
        options: place of the class that declares its options.
        sample_rate: default sample rate in Hz; ``None``: not known before it is made.
    """

    name: str
    title: str
    system: str
    options: str
    sample_rate: int | None = None

    @property
    def system_class(self) -> "type[BaselineVocoder]":
        """The class."""
        return import_place(self.system, f"baseline '{self.name}': {self.system}")

    @property
    def options_class(self) -> type[SynthesisOptions]:
        """The class that declares the options of synthesis."""
        return import_place(self.options, f"baseline '{self.name}': {self.options}")


def _check_family(name: str, family: VocoderFamily) -> None:
    check_family(name, family)
    _check_options(family)


def _check_baseline(name: str, baseline: Baseline) -> None:
    check_name(name, baseline)
    _check_options(baseline)


def _check_options(system: VocoderFamily | Baseline) -> None:
    """Refuse an invalid declaration of options, which would break the commands for all systems."""
    found = system.options_class
    if not (isinstance(found, type) and issubclass(found, SynthesisOptions)):
        raise ConfigError(f"{system.options} is not a subclass of SynthesisOptions")
    try:
        found.declared()
    except TypeError as error:
        raise ConfigError(f"{system.options}: {error}") from None


FAMILIES: Registry[VocoderFamily] = Registry(
    "family",
    "ondes.vocoders",
    {
        family.name: family
        for family in [
            VocoderFamily(
                "wavehax",
                "Wavehax",
                "vocoders.wavehax:Wavehax",
                "vocoders.wavehax:VARIANTS",
                "vocoders.wavehax.official:convert",
                needs_statistics=True,
                options="vocoders.wavehax.options:WavehaxOptions",
                graphs="vocoders.wavehax.graphs:graphs",
                runtime_plan="vocoders.wavehax.graphs:network_plan",
                compiled_stream="vocoders.wavehax.compiled.stream:open_stream",
                compiled="vocoders.wavehax.compiled:open_compiled",
                fastest=("compiled", "openvino", "onnx"),
            ),
            VocoderFamily(
                "periodwave",
                "PeriodWave",
                "vocoders.periodwave:PeriodWave",
                "vocoders.periodwave:VARIANTS",
                "vocoders.periodwave.official:convert",
                options="vocoders.periodwave.options:FlowOptions",
                graphs="vocoders.periodwave.graphs:graphs",
                runtime_plan="vocoders.periodwave.graphs:velocity_plan",
                compiled="vocoders.periodwave.compiled:open_compiled",
                fastest=("compiled",),
                titles="vocoders.periodwave.options:title_of",
            ),
            VocoderFamily(
                "periodwave_mb",
                "PeriodWave-MB",
                "vocoders.periodwave:PeriodWaveMB",
                "vocoders.periodwave:MB_VARIANTS",
                options="vocoders.periodwave.options:BandFlowOptions",
                graphs="vocoders.periodwave.graphs:graphs",
                runtime_plan="vocoders.periodwave.graphs:velocity_plan",
                compiled="vocoders.periodwave.compiled:open_compiled",
                fastest=("compiled",),
            ),
            VocoderFamily(
                "sashimi",
                "SaShiMi",
                "vocoders.sashimi:Sashimi",
                "vocoders.sashimi:VARIANTS",
                "vocoders.sashimi.official:convert",
                options="vocoders.sashimi.options:CodeOptions",
                graphs="vocoders.sashimi.graphs:graphs",
                kind="generator",
            ),
            VocoderFamily(
                "diffwave_sashimi",
                "DiffWave-SaShiMi",
                "vocoders.sashimi.diffwave:DiffwaveSashimi",
                "vocoders.sashimi.diffwave:VARIANTS",
                "vocoders.sashimi.diffwave.official:convert",
                options="vocoders.sashimi.diffwave.options:DiffusionOptions",
                graphs="vocoders.sashimi.diffwave.graphs:graphs",
                generates_without="mel",
            ),
        ]
    },
    VocoderFamily,
    check=_check_family,
)

BASELINES: Registry[Baseline] = Registry(
    "baseline",
    "ondes.baselines",
    {
        name: Baseline(name, title, f"vocoders.baselines:{cls}", f"vocoders.baselines:{cls}Options", 24000)
        for name, title, cls in [
            ("griffin-lim", "Griffin-Lim", "GriffinLim"),
            ("mel-inversion", "Mel inversion", "MelInversion"),
            ("world", "WORLD", "World"),
        ]
    },
    Baseline,
    reserved=shipped_names,
    check=_check_baseline,
)


def load(
    source: str | Path, device: "str | torch.device" = "cpu", verify: bool = False, runtime: RuntimeName = "auto"
) -> "System":
    """Load a system for inference.

    Args:
        source: a folder, the name of a model that ships with ondes, a hub id ``organisation/name``, or a baseline such
            as ``griffin-lim``, ``griffin-lim:wavehax-24k`` or ``world:48000``.
        device: where to put it.
        verify: replay the stored reference of a model.
        runtime: what computes the network of a model on the CPU: ``torch``, ``compiled`` (our own loops), ``onnx``,
            ``openvino``, or ``auto``, the fastest that is installed and agrees with PyTorch.

    Returns:
        A model in evaluation mode, or a baseline; :func:`load_vocoder` and :func:`load_generator` return one kind
        alone.

    Raises:
        CheckpointError: if there is no such model, or its family is unknown.
        ConfigError: for an unknown baseline, device or runtime.
    """
    if runtime not in RUNTIMES:
        raise ConfigError(f"unknown runtime '{runtime}'; expected one of {', '.join(RUNTIMES)}")
    if is_baseline(source):
        name, _, details = str(source).partition(":")
        if runtime not in ("auto", "torch"):
            raise ConfigError(f"--runtime {runtime}: {source} has no network; leave out --runtime")
        if str(device) not in ("cpu", "auto"):
            raise ConfigError(f"--device {device}: {source} runs on the CPU; leave out --device")
        with BASELINES.running(name):
            return BASELINES[name].system_class.from_details(details)
    folder = resolve_model(source)
    family = read_model_config(folder).family
    if family not in FAMILIES:
        raise CheckpointError(f"{folder}: model family '{family}'; this version knows {', '.join(FAMILIES)}")
    from vocoders.runtimes import ModelRuntime

    chosen = ModelRuntime(runtime, FAMILIES[family])
    with FAMILIES.running(family):
        model = FAMILIES[family].model_class.from_pretrained(folder, verify=verify, device=device)
    model.runtime = chosen
    return model


def load_vocoder(
    source: str | Path | None = None,
    device: "str | torch.device" = "cpu",
    verify: bool = False,
    runtime: RuntimeName = "auto",
) -> "Vocoder":
    """Load a vocoder as :func:`load` does; without a name, the default vocoder.

    Raises:
        CheckpointError: if there is no such model.
        ConfigError: if it is not a vocoder, or no name is given and there is no default.
    """
    from vocoders.interface import Vocoder

    system = load(source if source is not None else default_vocoder(), device, verify, runtime)
    if not isinstance(system, Vocoder) or system.kind != "vocoder":
        raise ConfigError(f"'{source}' is not a vocoder: it makes audio from nothing; use 'ondes generate'")
    return system


def load_generator(
    source: str | Path,
    device: "str | torch.device" = "cpu",
    verify: bool = False,
    runtime: RuntimeName = "auto",
) -> "WaveformGenerator":
    """Load a generator as :func:`load` does.

    Raises:
        CheckpointError: if there is no such model.
        ConfigError: if it is a vocoder.
    """
    from vocoders.interface import WaveformGenerator

    system = load(source, device, verify, runtime)
    if not isinstance(system, WaveformGenerator) or system.kind != "generator":
        raise ConfigError(f"'{source}' makes audio from features, not from nothing; use 'ondes synth'")
    return system


def is_baseline(source: str | Path) -> bool:
    """Tell whether a name means a baseline."""
    return str(source).partition(":")[0] in BASELINES and not (Path(source) / "config.json").is_file()


def default_vocoder() -> str:
    """Return the name of the default vocoder.

    Raises:
        ConfigError: if there is none.
    """
    if DEFAULT_VOCODER in shipped_names():
        return DEFAULT_VOCODER
    names = [found.name for found in shipped_models() if found.family in FAMILIES]
    if len(names) != 1:
        raise ConfigError(f"no model given; pass --model ({', '.join(names) or 'no model ships with ondes'})")
    return names[0]


def declared_options(kind: "Kind") -> dict[str, list[type[SynthesisOptions]]]:
    """Return the options that systems of a kind declare: for each name, the classes that declare it."""
    classes = [family.options_class for family in FAMILIES.values() if kind in (family.kind, _other_kind(family))]
    if kind == "vocoder":
        classes += [baseline.options_class for baseline in BASELINES.values()]
    found: dict[str, list[type[SynthesisOptions]]] = {}
    for options_class in classes:
        for name in options_class.model_fields:
            found.setdefault(name, []).append(options_class)
    return found


def _other_kind(family: VocoderFamily) -> "Kind | None":
    return "generator" if family.generates_without is not None else None
