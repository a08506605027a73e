"""Kinds of reference files about effects: ground-truth processors and the networks that learn them."""

from copy import copy

import torch
from oracle import OracleFile, kind

from effects.knobs import KnobSet
from effects.models.film import FiLM
from effects.models.official import KEY_MAPS, signaltrain_config, tcn_config
from effects.models.recurrent import VARIANTS, Recurrent
from effects.models.signaltrain import SignalTrain
from effects.models.tcn import TCN
from effects.processors import find_processor
from recipes.losses.effect import EffectLoss
from recipes.metrics.metric import Signal, SignalPair
from recipes.metrics.mstft import MultiResolutionStft, SingleResolutionStft
from vocoders.core.official import KeyMap, load_official_state
from vocoders.layers.s4.config import S4Config
from vocoders.layers.s4.layer import S4Layer

EXACT, SINGLE, NETWORK = 1e-12, 2e-7, 1e-5
# Of terms that are a millionth of the loss they belong to.
PENALTY = 1e-9


def _process(name: str, x: torch.Tensor, knobs: list[float], sample_rate: int) -> torch.Tensor:
    processor = copy(find_processor(name))
    settings = dict(zip(processor.knobs.names, knobs, strict=True))
    # Some recorded settings lie outside the ranges that users have.
    wider = [
        knob.model_copy(update={"min": min(knob.min, settings[knob.name]), "max": max(knob.max, settings[knob.name])})
        for knob in processor.knobs.knobs
    ]
    processor.knobs = KnobSet(knobs=tuple(wider))
    output, _ = processor.process(x.double()[None, None], settings, sample_rate)
    return output[0, 0]


@kind(lambda file: "knob_ranges_comp_4c" in file.metadata)
def check_compressor(file: OracleFile) -> None:
    """The compressor with four knobs, in both precisions, with long time constants and started again midway."""
    tensors, rate = file.tensors, file.metadata["sr"]
    inputs = {"out.y": "in.x", "out.y_f64": "in.x_f64", "out.box_f64": "in.box"}
    for name, source in inputs.items():
        for index, knobs in enumerate(tensors["knobs"].tolist()):
            tolerance = SINGLE if name == "out.y" else EXACT
            file.compare(f"{name}.{index}", _process("comp_4c", tensors[source], knobs, rate), tolerance)
    # The file does not name these settings; they can be read off the recorded gain.
    x = tensors["in.x_f64"]
    file.compare("out.y_48k_f64", _process("comp_large", x, [-24, 4, 0.01, 0.1], 48000), EXACT)
    long = [-40, 8, 0.1, 1.0]
    file.compare("out.y_large_f64", _process("comp_large", x, long, rate), EXACT)
    halves = [_process("comp_large", half, long, rate) for half in x.chunk(2)]
    file.compare("out.y_large_restart_f64", torch.cat(halves), EXACT)
    file.report_missing()


@kind(lambda file: any(name.endswith(".knobs") and f"out.{name[:-6]}.0" in file.names for name in file.names))
def check_processors(file: OracleFile) -> None:
    """Every effect with a list of settings."""
    names = [name[:-6] for name in file.names if name.endswith(".knobs")]
    for name in names:
        for index, knobs in enumerate(file.tensors[f"{name}.knobs"].tolist()):
            output = _process(name, file.tensors["in.x_f64"], knobs, file.metadata["sr"])
            file.compare(f"out.{name}.{index}", output, EXACT)
    if "mu.in" in file.tensors:
        for name in ("out.mu_compand", "out.mu_decompand"):
            file.leave(name, "companding is of no effect here")
    file.report_missing()


def _weights_beside(file: OracleFile) -> dict[str, torch.Tensor]:
    """Return the large weights that lie in files of their own, which hold nothing else."""
    if any("conv_analysis" in name for name in file.names):
        return {}
    others = (OracleFile(path) for path in sorted(file.path.parent.glob("*.safetensors")))
    parts = [other for other in others if all(name.startswith("w.mpaec.dft_") for name in other.names)]
    return {name: tensor for part in parts for name, tensor in part.below("w.").items()}


@kind(lambda file: "w.mpaec.aenc.fnn_dec.bias" in file.names and "out.y_hat" in file.names)
@torch.no_grad()
def check_signaltrain(file: OracleFile) -> None:
    """The whole network, its initial kernels, and the parts that its loss sees."""
    state = file.below("w.") | _weights_beside(file)
    window = file.metadata["in_chunk"] if "in_chunk" in file.metadata else file.tensors["in.x"].shape[-1]
    config = signaltrain_config({"in_chunk_size": window}, state)
    model = SignalTrain(config)
    for name, tensor in file.below("init.").items():
        part, _, row = name.removeprefix("dft_").rpartition("_row")
        file.compare(f"init.{name}", getattr(model, part).weight[int(row)].view_as(tensor), SINGLE)
    load_official_state(model, state, KEY_MAPS["signaltrain"], file.path.name)
    result = model.process_windows(file.tensors["in.x"], file.tensors["knobs"])
    recorded = {
        "out.y_hat": result.audio,
        "out.synth_part": result.synthesis,
        "out.mag_hat": result.output_magnitude,
        "mid.mag_first": result.magnitude[:1],
        "mid.phs_first": result.phase[:1],
    }
    for name in recorded.keys() & set(file.names):
        file.compare(name, recorded[name].view_as(file.tensors[name]), NETWORK)
    target = file.tensors["in.target"].view_as(result.audio)
    file.compare("out.mae", (result.audio - target).abs().mean(), NETWORK)
    published = {"out.loss": {"output_spectrum": 2e-6}, "out.loss_noscale": {"output_spectrum_flat": 2e-5}}
    for name, penalty in published.items():
        loss = EffectLoss({"log_cosh": 1.0, **penalty})
        value, terms = loss(result.audio, target, target, result.output_magnitude)
        file.compare("out.logcosh", terms["log_cosh"], NETWORK)
        # The last bits of the larger term would hide the smaller one.
        file.compare(name, file.tensors["out.logcosh"] + (value - terms["log_cosh"]), PENALTY)
    # As a stream: a window's past, then its block.
    past, block = file.tensors["in.x"][:, None].split([window - config.block_length, config.block_length], dim=-1)
    output, _ = model(block, file.tensors["knobs"], {"past": past})
    file.compare("out.y_hat", output.view_as(file.tensors["out.y_hat"]), NETWORK)
    file.report_missing()


@kind(lambda file: "w.blocks.0.film.adaptor.weight" in file.names)
@torch.no_grad()
def check_tcn(file: OracleFile) -> None:
    """Evaluation with two settings, the blocks, batch statistics in training, and the same samples from a stream."""
    tensors = file.tensors
    model = TCN(tcn_config(file.metadata["ctor"]))
    load_official_state(model, file.below("w."), KEY_MAPS["tcn"], file.path.name)
    assert model.receptive_field == file.metadata["rf"]
    assert sum(parameter.numel() for parameter in model.parameters()) == file.metadata["params"]
    model.eval()
    tails = {}
    for index, block in enumerate(model.blocks):
        block.register_forward_hook(lambda _m, _i, output, index=index: tails.__setitem__(index, output))
    for suffix in (".2", ""):
        knobs = tensors[f"knobs{suffix}"][:, 0]
        output, _ = model(tensors["in.x"], knobs)
        file.compare(f"out.y{suffix}", output[..., model.receptive_field - 1 :], NETWORK)
    for name, tensor in file.below("mid.block").items():
        file.compare(f"mid.block{name}", tails[int(name.partition("_")[0])][..., -tensor.shape[-1] :], NETWORK)
    file.compare("mid.cond", model.condition(knobs).mT, NETWORK)
    # A target is cropped to where the model is told to put it: one sample early if it is causal.
    target = torch.tanh(1.3 * tensors["in.x"])[..., model.receptive_field - 1 - model.latency :]
    file.compare("out.target_crop_first8", target[..., :8], NETWORK)
    generated, target = tensors["out.y"], target[..., : tensors["out.y"].shape[-1]]
    file.compare("out.l1", (generated - target).abs().mean(), NETWORK)
    pair = SignalPair(*(Signal(audio[0, 0].numpy(), 44100) for audio in (target, generated)))
    for name, metric in {"out.stft": SingleResolutionStft(), "out.mrstft": MultiResolutionStft()}.items():
        file.compare(name, torch.tensor(metric.measure(pair)), NETWORK)
    model.train()
    # Statistics of the samples that no silence before the start has touched, as in published training.
    x, condition = tensors["train.in.x"], model.condition(tensors["train.knobs"][:, 0])
    for block in model.blocks:
        x = block(x, condition)
    file.compare("train.out.y", model.head(model.projection(x), tensors["train.in.x"]), NETWORK)
    for name, tensor in file.below("train.running_mean_after.block").items():
        file.compare(
            f"train.running_mean_after.block{name}", model.blocks[int(name)].film.norm.running_mean, NETWORK, tensor
        )
    file.report_missing()


@kind(lambda file: "w.lstm.weight_ih_l0" in file.names)
@torch.no_grad()
def check_lstm(file: OracleFile) -> None:
    """The LSTM with one setting, with a batch of them, and its state midway."""
    tensors = file.tensors
    model = Recurrent(VARIANTS["lstm_32"])
    load_official_state(model, file.below("w."), KEY_MAPS["recurrent"], file.path.name)
    for prefix in ("", "batch."):
        output, _ = model(tensors[f"{prefix}in.x"], tensors[f"{prefix}knobs"][:, 0])
        file.compare(f"{prefix}out.y", output, NETWORK)
    for letter, name in (("h", "hidden"), ("c", "cell")):
        for mid in file.below(f"mid.{letter}_after_"):
            _, state = model(tensors["in.x"][..., : int(mid)], tensors["knobs"][:, 0])
            file.compare(f"mid.{letter}_after_{mid}", state[name].transpose(0, 1), NETWORK)
    file.report_missing()


@kind(lambda file: "w.film.adaptor.weight" in file.names)
@torch.no_grad()
def check_layers(file: OracleFile) -> None:
    """Modulation by knobs, and the diagonal state-space layer."""
    x, knobs = file.tensors["in.x"], file.tensors["knobs"]
    channels, num_knobs = x.shape[1], knobs.shape[1]
    film = FiLM(channels, num_knobs, norm="batch").eval()
    load_official_state(film, file.below("w.film."), KeyMap(rename=[(r"^bn\.", "norm.")]), "film")
    file.compare("out.film", film(x, knobs[..., None]), NETWORK)
    for name in ("out.tfilm", "out.ttfilm", "out.tvfilm_seq", "out.tvfilm"):
        if name in file.names:
            file.leave(name, "no network here is modulated by blocks of the signal")
    if "out.dssm_kernel" in file.names:
        _check_state_space(file)
    file.report_missing()


def _check_state_space(file: OracleFile) -> None:
    tensors = file.tensors
    features, states = tensors["w.dssm.A_imag"].shape
    config = {"structure": "diagonal", "num_systems": None, "initialisation": "lin", "discretisation": "zoh"}
    layer = S4Layer(features, S4Config(d_state=2 * states, output="linear", **config))
    # Their eigenvalues have positive imaginary parts, ours negative ones: everything is conjugate.
    weights = {"inv_dt": "log_dt", "A_real": "log_A_real", "A_imag": "A_imag"}
    conjugate = torch.tensor([1.0, -1.0])
    for ours, theirs in weights.items():
        parameter = getattr(layer.kernel, ours)
        parameter.copy_(tensors[f"w.dssm.{theirs}"].reshape(parameter.shape))
    layer.kernel.B.copy_(torch.tensor([1.0, 0.0]).expand_as(layer.kernel.B))
    layer.kernel.C.copy_((tensors["w.dssm.C"] * conjugate).reshape(layer.kernel.C.shape))
    layer.D.copy_(tensors["w.dssm.D"])
    file.compare("out.dssm_kernel", layer.kernel(tensors["out.dssm_kernel"].shape[-1])[0], NETWORK)
    file.compare("out.dssm", layer.convolve(tensors["in.x"]), NETWORK)
