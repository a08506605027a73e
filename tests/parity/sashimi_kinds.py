"""Kinds of SaShiMi reference files: initialisations, layers, networks, quantisers, diffusion."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from oracle import OracleFile, kind

from vocoders.layers.s4 import S4Config, S4Layer
from vocoders.layers.s4.discrete import DiscreteSystem
from vocoders.layers.s4.initialisation import cut_off, diagonal_system, legs_dplr, legs_matrices
from vocoders.layers.s4.response import extend_output, truncate_output
from vocoders.layers.s4.scan import final_state, free_response
from vocoders.sashimi.config import VARIANTS
from vocoders.sashimi.diffwave import VARIANTS as DIFFWAVE_VARIANTS
from vocoders.sashimi.diffwave import DiffusionConfig
from vocoders.sashimi.diffwave.blocks import embed_steps
from vocoders.sashimi.diffwave.official import diffwave_from_state
from vocoders.sashimi.official import sashimi_from_state
from vocoders.sashimi.official_kernel import read_kernel
from vocoders.sashimi.quantisation import Quantiser, QuantiserConfig

EXACT = 1e-12
# What the reference computed in float32.
SINGLE = 2e-6


def _config(file: OracleFile) -> dict:
    config = file.metadata.get("config")
    return config if isinstance(config, dict) else {}


@contextmanager
def _double_precision() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _real(x: torch.Tensor) -> torch.Tensor:
    return torch.view_as_real(x.detach().resolve_conj())


def _complex(file: OracleFile, name: str) -> torch.Tensor:
    return torch.view_as_complex(file.tensors[name].contiguous())


@kind(lambda file: any(name.startswith("nplr.N") for name in file.names))
def check_initialisations(file: OracleFile) -> None:
    """HiPPO-LegS dense and as diagonal minus rank one, and every diagonal initialisation."""
    sizes = sorted({int(name.split(".")[1][1:]) for name in file.names})
    for size in sizes:
        for name, value in zip("ABP", legs_matrices(size), strict=True):
            file.compare(f"legs.N{size}.{name}", value.view(file.tensors[f"legs.N{size}.{name}"].shape), EXACT)
        w, p, b, vectors = legs_dplr(size)
        # The sign of an eigenvector is arbitrary; the reference's first row is real too.
        sign = torch.sign(_complex(file, f"nplr.N{size}.V")[0].real).double()
        ours = {"W": w, "P": (sign * p)[None], "B": sign * cut_off(b), "V": sign * vectors}
        # In the reference float32 sums of N products with the eigenvectors: their rounding grows with N.
        rounding = max(SINGLE, 1e-7 * size)
        for name, value in ours.items():
            file.compare(f"nplr.N{size}.{name}", _real(value), rounding)
        for name in ("lin", "inv", "legs"):
            eigenvalues, b = diagonal_system(name, size)
            b = sign * b if name == "legs" else b
            file.compare(f"diag-{name}.N{size}.A", _real(eigenvalues)[None], rounding)
            file.compare(f"diag-{name}.N{size}.B", _real(b)[None], rounding)


@kind(lambda file: "mode" in _config(file) and "K64" in file.names)
def check_layer(file: OracleFile) -> None:
    """One layer: kernels, convolution, recurrence in every form, states, and both parametrisations of C."""
    truncated = "w64.layer.kernel.l_kernel" in file.names
    with _double_precision(), torch.no_grad():
        for prefix in [name for name in ("w0", "w64", "w") if file.below(f"{name}.")]:
            layer = _load_layer(file, f"{prefix}.")
            file.compare("K64", layer.kernel(64), EXACT)
            file.compare("y", layer(file.tensors["u"]), EXACT)
            file.compare("y_conv", layer.convolve(file.tensors["u"]).transpose(1, 2), EXACT)
            if "K1000" in file.names:
                file.compare("K1000", layer.kernel(1000), EXACT)
                file.compare("y2", layer(file.tensors["u2"]), EXACT)
            if any(name.startswith("step.") for name in file.names):
                _check_recurrence(file, layer)
        if truncated:
            _check_truncation(file, _load_layer(file, "w64."))
    if "f32.K1000" in file.names:
        layer = _load_layer(file, "w0.")
        with torch.no_grad():
            file.compare("f32.K1000", layer.kernel(1000), SINGLE, file.tensors["K1000"])
            file.compare("f32.y2", layer(file.tensors["u2"].float()), SINGLE, file.tensors["y2"])


def _load_layer(file: OracleFile, prefix: str) -> S4Layer:
    options, tensors = file.metadata["config"], file.below(prefix)
    kernel = read_kernel({key.split(".")[-1]: value for key, value in tensors.items() if ".kernel." in key}, prefix)
    diagonal = options["mode"] == "diag"
    config = S4Config(
        structure="diagonal" if diagonal else "dplr",
        d_state=options["d_state"],
        num_systems=options["n_ssm"],
        initialisation=options["init"].removeprefix("diag-"),
        discretisation=options.get("disc", "zoh") if diagonal else "bilinear",
        dt_transform=options["dt_transform"],
        bidirectional=options.get("bidirectional", False),
    )
    layer = S4Layer(options["d_model"], config, kernel.length or None)
    state = {f"kernel.{name}": value for name, value in kernel.state.items()}
    state |= {"D": tensors["layer.D"].flatten()}
    state |= {f"output_linear.{name}": tensors[f"output_linear.0.{name}"] for name in ("weight", "bias")}
    layer.load_state_dict(state)
    return layer


def _check_recurrence(file: OracleFile, layer: S4Layer) -> None:
    u, half = file.tensors["u"], layer.config.d_state // 2
    start = layer.initial_state(u.shape[0])
    outputs, state = [], start
    for t in range(u.shape[-1]):
        y, state = layer.advance(u[..., t : t + 1], state)
        outputs.append(y)
    y, after = layer.advance(u, start)
    for name in [name for name in file.names if name.startswith("step.") and name.endswith(".y")]:
        file.compare(name, torch.cat(outputs, dim=-1), EXACT)
        file.compare(name, y, EXACT)
    for name in ("step.diag.state", "step.linear.state", "step.dense.state"):
        if name in file.names:
            recorded = file.tensors[name][:, :, :half]
            file.compare(name, _real(state.x), EXACT, recorded)
            file.compare(name, _real(after.x), EXACT, recorded)
    _check_matrices(file, start.system)
    if "step.diagonal.y" in file.names:
        file.leave("step.diagonal.y", "the same output by eigenvectors of the transition, which no step here takes")


def _check_matrices(file: OracleFile, system: DiscreteSystem) -> None:
    if "diag.dA" in file.names:
        for name, value in {"dA": system.poles, "dB": system.input, "dC": system.output}.items():
            file.compare(f"diag.{name}", _real(value), EXACT)
    if "dense.dA" in file.names:

        def full(x: torch.Tensor) -> torch.Tensor:
            return torch.cat([x, x.conj()], dim=-1)

        product = full(system.left)[..., :, None] * full(system.right)[..., None, :]
        file.compare("dense.dA", _real(torch.diag_embed(full(system.poles)) - product), EXACT)
        file.compare("dense.dB", _real(full(system.input)), EXACT)
        file.compare("dense.dC", _real(full(system.output)), EXACT)


def _check_truncation(file: OracleFile, layer: S4Layer) -> None:
    file.compare("K_rate2_L32", layer.kernel(32, rate=2.0), EXACT)
    system = layer.kernel.discretise()
    for name in file.names:
        if name.startswith("w") and name.endswith("layer.kernel.C") and name.split(".")[0] not in ("w", "w0"):
            file.compare(name, _real(truncate_output(system, int(name.split(".")[0][1:]))), EXACT)
    length = layer.kernel.kernel_length
    extended = system.with_output(torch.view_as_complex(layer.kernel.C))
    while length < int(file.tensors["doubled.l_kernel"]):
        extended, length = extended.with_output(extend_output(extended, length)), 2 * length
    file.compare("doubled.C", _real(extended.output), EXACT)
    file.compare("doubled.K1000", layer.kernel(1000), EXACT)
    state, u = _complex(file, "state0"), file.tensors["u"]
    file.compare("state0.y_contrib", free_response(system, state, u.shape[-1]).transpose(0, 1), EXACT)
    file.compare("state0.next", _real(final_state(system, u, state)), EXACT)


@kind(lambda file: "logits" in file.names)
def check_autoregressive(file: OracleFile) -> None:
    """A whole autoregressive network: convolution, recurrence, long inputs, activations, loss, gradients."""
    base = VARIANTS["sc09"]
    layer = _config(file).get("layer", {})
    s4 = base.s4.model_copy(update={"dt_transform": layer.get("dt_transform", "exp")})
    base = base.model_copy(update={"s4": s4})
    with _double_precision():
        for prefix in [name for name in ("w0", "w") if file.below(f"{name}.")]:
            model, _ = sashimi_from_state(file.below(f"{prefix}."), base, file.path.name)
            with torch.no_grad():
                file.compare("logits", model(file.tensors["x"]), EXACT)
                if "h_in" in file.names:
                    features = model.network(file.tensors["h_in"].transpose(1, 2)).transpose(1, 2)
                    file.compare("h_out", features, EXACT)
                if prefix == "w" and "logits_long" in file.names:
                    file.compare("logits_long", model(file.tensors["x_long"]), EXACT)
                _check_steps(file, model)
        _check_training(file, model, base)
    if "f32.logits" in file.names:
        model, _ = sashimi_from_state(file.below("w."), base, file.path.name)
        with torch.no_grad():
            file.compare("f32.logits", model(file.tensors["x"]), 1e-5, file.tensors["logits"])


def _check_steps(file: OracleFile, model: torch.nn.Module) -> None:
    recorded = [name for name in file.names if name.startswith("logits_step.")]
    if not recorded:
        return
    codes = file.tensors["x"]
    state, logits = model.initial_state(codes.shape[0]), []
    for t in range(codes.shape[1]):
        step, state = model.step(codes[:, t], state)
        logits.append(step)
    for name in recorded:
        file.compare(name, torch.stack(logits, dim=1), EXACT)


def _check_training(file: OracleFile, model: torch.nn.Module, base) -> None:
    if "loss" not in file.names:
        return
    seen, handles = {}, []
    for name, module in _recorded_modules(model).items():
        handles.append(module.register_forward_hook(lambda _m, _i, y, name=name: seen.__setitem__(name, y.detach())))
    loss = F.cross_entropy(model(file.tensors["x"]).flatten(0, 1), file.tensors["target"].flatten())
    loss.backward()
    for handle in handles:
        handle.remove()
    file.compare("loss", loss.detach(), EXACT)
    for name in file.below("h."):
        ours = seen[name].transpose(1, 2) if name == "norm" else seen[name]
        file.compare(f"h.{name}", ours, EXACT)
    # Gradients are named and shaped like weights, so they convert like weights.
    converted, _ = sashimi_from_state({**file.below("w."), **file.below("g.")}, base, file.path.name)
    ours = dict(model.named_parameters())
    for name, recorded in converted.named_parameters():
        file.compare(f"g.{name}", ours[name].grad, EXACT, recorded.detach())


def _recorded_modules(model: torch.nn.Module) -> dict[str, torch.nn.Module]:
    tiers = model.network.tiers
    modules = {"norm": model.network.norm, "center_last": tiers.centre[-1]}
    for index, pool in enumerate(tiers.pools):
        tier = len(tiers.pools) - 1 - index
        modules |= {f"d{index}": pool, f"u{index}.uppool": tiers.unpools[tier]}
        modules |= {f"u{index}.s4_first": tiers.up[tier][0], f"u{index}.last": tiers.up[tier][-1]}
    return modules


@kind(lambda file: "eps" in file.names and "steps" in file.names)
def check_noise_estimator(file: OracleFile) -> None:
    """DiffWave-SaShiMi: the estimate of the noise, with and without mel."""
    conditional = "mel" in file.names
    base = DIFFWAVE_VARIANTS["ljspeech_official" if conditional else "sc09_large"]
    with _double_precision(), torch.no_grad():
        model, _ = diffwave_from_state(file.below("w."), base, file.path.name)
        steps = file.tensors["steps"].flatten()
        if "step_embed_in" in file.names:  # recorded in float32
            file.compare("step_embed_in", embed_steps(steps.double()), 1e-5)
        file.compare("eps", model(file.tensors["x"], steps, file.tensors.get("mel")), EXACT)


@kind(lambda file: any(name.endswith(".Alpha_bar") for name in file.names))
def check_diffusion(file: OracleFile) -> None:
    """Noise schedules, and the embedding of their steps."""
    for name in [name for name in file.names if name.endswith(".Alpha_bar")]:
        length = name.split(".")[0]
        betas = file.tensors[f"{length}.Beta"]
        config = DiffusionConfig(num_steps=len(betas), first_beta=1e-4, last_beta=round(float(betas[-1]), 4))
        schedule = config.schedule()
        ours = {"Beta": schedule.beta, "Alpha": schedule.alpha, "Alpha_bar": schedule.alpha_bar}
        for key, value in {**ours, "Sigma": schedule.sigma}.items():
            file.compare(f"{length}.{key}", value, SINGLE)
    if "step_embed_table" in file.names:
        steps = torch.arange(len(file.tensors["step_embed_table"]), dtype=torch.float64)
        file.compare("step_embed_table", embed_steps(steps), 1e-5)


@kind(lambda file: "mu_encode" in file.names)
def check_quantisers(file: OracleFile) -> None:
    """Official quantisers on a grid and a signal, and the input of training."""
    for prefix, companding in (("mu", "mu_law"), ("lin", "linear")):
        quantiser = Quantiser(QuantiserConfig(companding=companding, scheme="official"))
        for source, target in (("grid", f"{prefix}_encode"), ("signal", f"signal.{prefix}")):
            file.compare(target, quantiser.encode(file.tensors[source]), 0.0)
        file.compare(f"{prefix}_decode", quantiser.decode(torch.arange(256)), 1e-6)
    quantiser = Quantiser(QuantiserConfig(scheme="official"))
    file.compare("mu_reencode_of_decode", quantiser.encode(file.tensors["mu_decode"]), 0.0)
    target = file.tensors["ar.target"]
    start = torch.full_like(target[:1], quantiser.zero_code)
    file.compare("ar.input", torch.cat([start, target[:-1]]), 0.0)
