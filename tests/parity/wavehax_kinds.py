"""Kinds of Wavehax reference files."""

import pytest
import torch
from oracle import OracleFile, kind

from vocoders.core.official import KeyMap, load_official_state
from vocoders.frontends.harmonic import PriorConfig, make_prior
from vocoders.frontends.mel import LogMel, MelConfig
from vocoders.frontends.stft import STFT, from_log_magnitude_phase, log_magnitude_phase
from vocoders.layers.complex import (
    ComplexBatchNorm,
    ComplexConv1d,
    ComplexConv2d,
    ComplexConvNeXtBlock2d,
    ComplexLayerNorm,
)
from vocoders.layers.convnext import ConvNeXtBlock2d, DropPath
from vocoders.layers.decomposers import PQMF, HaarDecomposer, MultiStream
from vocoders.layers.norms import BatchNorm, LayerNorm
from vocoders.wavehax.model import Wavehax
from vocoders.wavehax.official import KEY_MAP, config_from_official

GENERATOR, LAYER, GRADIENT = 5e-7, 5e-6, 2e-5


def _cases_hold(file: OracleFile, key: str) -> bool:
    cases = file.metadata.get("cases")
    return isinstance(cases, dict) and any(isinstance(case, dict) and key in case for case in cases.values())


@kind(lambda file: str(file.metadata.get("cls", "")).endswith("WavehaxGenerator"))
def check_generator(file: OracleFile) -> None:
    """Output, prior, activations, gradients and running statistics of a whole generator."""
    model = Wavehax(config_from_official(file.metadata["cls"], file.metadata["config"]))
    load_official_state(model.network, file.below("w."), KEY_MAP, file.path.name)
    model.train(file.metadata["train"])
    features, f0 = file.tensors["in.cond"], file.tensors["in.f0"]
    prior = model.prior(f0, file.tensors.get("draw.noise"), file.tensors.get("draw.phase"))
    file.compare("prior", prior, GENERATOR)
    with _recorded_masks(file), _activations(model.network) as seen:
        output = model(features, file.tensors["prior"])
    file.compare("out", output.detach(), GENERATOR)
    for name in file.below("h."):
        file.compare(f"h.{name}", seen[name][:1], LAYER)
    _check_gradients(file, model.network, output)
    state = model.network.state_dict()
    for name in file.below("after."):
        file.compare(f"after.{name}", state[name], LAYER)
    if "out64" in file.tensors:
        model.double()
        with torch.no_grad():
            exact = model(features.double(), file.tensors["prior"].double())
        # The analysis window and the mel basis are float32 in the reference too.
        file.compare("out64", exact, 1e-12)


def _check_gradients(file: OracleFile, network: torch.nn.Module, output: torch.Tensor) -> None:
    recorded = KEY_MAP.apply(file.below("g."))
    if not recorded:
        return
    output.square().mean().backward()
    parameters = dict(network.named_parameters())
    scale = max(gradient.abs().max().item() for gradient in recorded.values())
    for name, gradient in recorded.items():
        file.compare(f"g.{name}", parameters[name].grad / scale, GRADIENT, gradient / scale)


class _recorded_masks:
    """Replace the random numbers of stochastic depth by recorded ones, in order."""

    def __init__(self, file: OracleFile, suffix: str = "") -> None:
        self.masks = [value for name, value in sorted(file.below("draw.bernoulli.").items()) if name.endswith(suffix)]

    def __enter__(self) -> None:
        masks = iter(self.masks)
        self.original = DropPath.draw_mask
        DropPath.draw_mask = lambda module, x: next(masks)

    def __exit__(self, *exception) -> None:
        DropPath.draw_mask = self.original


class _activations:
    """Record the outputs of a network's direct children and of its first block."""

    def __init__(self, network: torch.nn.Module) -> None:
        self.modules = dict(network.named_children()) | {f"block{i}": block for i, block in enumerate(network.blocks)}

    def __enter__(self) -> dict[str, torch.Tensor]:
        seen: dict[str, torch.Tensor] = {}
        self.handles = [
            module.register_forward_hook(lambda _m, _i, output, name=name: seen.__setitem__(name, output))
            for name, module in self.modules.items()
        ]
        return seen

    def __exit__(self, *exception) -> None:
        for handle in self.handles:
            handle.remove()


@kind(lambda file: _cases_hold(file, "kind"))
def check_priors(file: OracleFile) -> None:
    """Every prior, with and without noise and start phase."""
    for name, case in file.metadata["cases"].items():
        options = dict(case["kwargs"])
        hop_length, sample_rate = options.pop("hop_length"), options.pop("sample_rate")
        phase = file.tensors.get(f"draw.phase.{name}") if options.pop("random_init_phase", True) else None
        noise = file.tensors.get(f"draw.noise.{name}")
        config = PriorConfig(name=case["kind"], **options)
        prior = make_prior(file.tensors[f"in.{case['f0']}"], hop_length, sample_rate, config, noise, phase)
        file.compare(f"out.{name}", prior, 1e-6)


@kind(lambda file: _cases_hold(file, "n_fft"))
def check_stft_and_mel(file: OracleFile) -> None:
    """STFT, inverse STFT, mel bases and mels."""
    tensors = file.tensors
    for name, case in file.metadata["cases"].items():
        if name.startswith("mel."):
            _check_mel(file, name.removeprefix("mel."), case)
            continue
        for real_valued in (False, True):
            stft = STFT(case["n_fft"], case["hop"], norm=case["norm"] or "backward", real_valued=real_valued)
            real, imag = stft(tensors["in.x"][..., : case["samples"]])
            file.compare(f"out.real.{name}", real[: tensors[f"out.real.{name}"].shape[0]], 2e-6)
            file.compare(f"out.imag.{name}", imag[: tensors[f"out.imag.{name}"].shape[0]], 2e-6)
            file.compare(f"out.inverse.{name}", stft.inverse(real, imag), 2e-6)
            if f"in.real2.{name}" in tensors:
                signal = stft.inverse(tensors[f"in.real2.{name}"], tensors[f"in.imag2.{name}"])
                file.compare(f"out.inverse2.{name}", signal, 2e-6)
    log_magnitude, phase = log_magnitude_phase(tensors["in.lmp_real"], tensors["in.lmp_imag"])
    file.compare("out.logmag", log_magnitude, 1e-6)
    file.compare("out.phase", phase, 1e-6)
    real, imag = from_log_magnitude_phase(tensors["in.logmag2"], tensors["in.phase2"])
    file.compare("out.real2", real, 1e-6)
    file.compare("out.imag2", imag, 1e-6)


def _check_mel(file: OracleFile, name: str, case: dict) -> None:
    mel = LogMel(MelConfig(**{key: float(value) if key in ("fmin", "fmax") else value for key, value in case.items()}))
    file.compare(f"mel_basis.{name}", mel.basis, 1e-7)
    file.compare(f"out.mel.{name}", mel(file.tensors["in.x"]), 2e-6)
    file.compare(f"out.mel_linear.{name}", mel.linear(file.tensors["in.x"]), 2e-6)


@kind(lambda file: "out.cf0" in file.names)
def check_continuous_f0(file: OracleFile) -> None:
    """Interpolation of F0 over unvoiced gaps, and what else the reference stores beside it."""
    for name in file.names:
        if name.startswith("out."):
            file.leave(name, "the reference stores it, and no published model takes it")


@kind(lambda file: _cases_hold(file, "splits"))
def check_decomposers(file: OracleFile) -> None:
    """Analysis and synthesis of every filter bank."""
    classes = {"PQMF": PQMF, "MultiStream1d": MultiStream, "DWT1d": HaarDecomposer}
    for name, case in file.metadata["cases"].items():
        decomposer = classes[case["cls"]](case["splits"])
        state = {key: value for key, value in file.below(f"w.{name}.").items()}
        load_official_state(decomposer, state, KeyMap(drop=[r"updown_filter|lpf|hpf"]), name)
        with torch.no_grad():
            streams = decomposer.analysis(file.tensors["in.x"])
            file.compare(f"out.{name}.analysis", streams, 1e-6)
            file.compare(f"out.{name}.synthesis", decomposer.synthesis(streams), 1e-6)
            recorded = decomposer.synthesis(file.tensors[f"in.{name}.subs"])
            file.compare(f"out.{name}.synthesis_subs", recorded, 1e-6)
    for name in file.below("out.prototype_"):
        file.compare(f"out.prototype_{name}", torch.from_numpy(PQMF.prototype()), 1e-12)


@kind(lambda file: _cases_hold(file, "cls"))
def check_layers(file: OracleFile) -> None:
    """Norms, complex convolutions, ConvNeXt blocks and stochastic depth."""
    for name, case in file.metadata["cases"].items():
        state = file.below(f"w.{name}.")
        inputs = [value for _, value in sorted(file.below(f"in.{name}.").items())]
        outputs = [value for _, value in sorted(file.below(f"out.{name}.").items())]
        layer, result = _run_layer(file, name, case, state, inputs)
        if "ConvNeXt" in case["cls"] and not torch.allclose(result[0], outputs[0], atol=LAYER):
            # The file does not say over which axes a block normalises: it must be one of the two.
            layer, result = _run_layer(file, name, case, state, inputs, "frame")
        for index, (ours, theirs) in enumerate(zip(result, outputs, strict=True)):
            file.compare(f"out.{name}.{index}", ours.detach(), LAYER, theirs)
        own = layer.state_dict()
        for key, value in file.below(f"after.{name}.").items():
            file.compare(f"after.{name}.{key}", own[key], LAYER, value)


def _run_layer(file: OracleFile, name: str, case: dict, state: dict, inputs: list, norm: str = "utterance"):
    layer = _make_layer(case["cls"], name, state, inputs[0], file.tensors[f"out.{name}.0"], norm)
    load_official_state(layer, state, KeyMap(), name)
    layer.train(case["train"])
    with _recorded_masks(file, f".{name}"):
        result = layer(*inputs)
    return layer, result if isinstance(result, tuple) else (result,)


def _make_layer(cls: str, name: str, state: dict, x: torch.Tensor, output: torch.Tensor, norm: str) -> torch.nn.Module:
    channels, framewise, axes = x.shape[1], name.endswith("_fw"), x.dim() - 2
    if cls.startswith("LayerNorm"):
        return LayerNorm(channels, framewise)
    if cls.startswith("ComplexLayerNorm"):
        return ComplexLayerNorm(channels, framewise)
    if cls.startswith(("BatchNorm", "ComplexBatchNorm")):
        return (ComplexBatchNorm if cls.startswith("Complex") else BatchNorm)(channels, axes)
    if cls.startswith("ComplexConv") and "NeXt" not in cls:
        weight = state["real_conv.weight"]
        padding = tuple(size // 2 for size in weight.shape[2:])
        layer = ComplexConv1d if axes == 1 else ComplexConv2d
        return layer(channels, weight.shape[0], tuple(weight.shape[2:]), padding=padding)
    if "ConvNeXt" in cls:
        prefix = "real_conv." if cls.startswith("Complex") else ""
        kernel = tuple(state[f"dwconv.{prefix}weight"].shape[2:])
        factor = state[f"pwconv1.{prefix}weight"].shape[0] // channels
        block = ComplexConvNeXtBlock2d if prefix else ConvNeXtBlock2d
        return block(channels, factor, kernel, norm, layer_scale=1.0 if "gamma" in state else None)
    if cls == "DropPath":
        # The probability is not recorded; reading it off a kept item leaves the mask and the rest to be checked.
        return DropPath(1 - float((x / output).nan_to_num(posinf=0.0, neginf=0.0).max()))
    pytest.fail(f"no layer of ours for the reference class {cls}")
