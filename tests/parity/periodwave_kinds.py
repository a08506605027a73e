"""Kinds of reference files of PeriodWave: condition, estimator, solvers, loss."""

import torch
from oracle import OracleFile, kind

from recipes.losses import LossSum
from recipes.objectives.flow_matching import flow_matching_loss
from vocoders.core.official import load_official_state
from vocoders.flow import ProbabilityPath, solve, time_grid
from vocoders.frontends.mel import MEL_PRESETS
from vocoders.periodwave import PeriodWave, PeriodWaveConfig
from vocoders.periodwave.official import KEY_MAP, squeeze_rows
from vocoders.periodwave.unet import FreeU

TOLERANCE = 1e-5
CONDITION_TOLERANCE = 2e-5
GRADIENT_TOLERANCE = 1e-4


def build(config: dict) -> PeriodWave:
    """Build the model that a file's metadata describes."""
    kind_name = config["kind"]
    is_embedding = kind_name == "encodec"
    preset = {24000: "bigvgan_24k", 22050: "hifigan_22k"}[config["sampling_rate"]]
    mel = MEL_PRESETS[preset].model_copy(
        update={"hop_length": config["hop"], "n_mels": 128 if is_embedding else config["n_mel"]}
    )
    options = {"energy": None} if is_embedding else {}
    return PeriodWave(
        PeriodWaveConfig(
            mel=mel,
            condition="embedding" if is_embedding else "mel",
            hidden_channels=config["hidden_dim"],
            periods=tuple(config["periods"]),
            dilations=(1, 2, 1, 4) if "large" in kind_name else (1, 2, 4),
            noise_scale=config["noise_scale"],
            sigma_min=config["sigma_min"],
            **options,
        )
    ).eval()


@kind(lambda file: "out.v" in file.names and any("MelCond" in name for name in file.names))
def check_model(file: OracleFile) -> None:
    """Condition, paths, velocity, solvers and loss with its gradients."""
    config = file.metadata["config"]
    model = build(config)
    state = squeeze_rows(file.below("w.")) | {"energy_range": model.energy_range}
    load_official_state(model, state, KEY_MAP, file.path.name)
    freeu = FreeU(config.get("b_w", 1), config.get("s_w", 1))
    condition = _check_condition(file, model)
    x, t = file.tensors["in.x_t"], file.tensors["in.t"]
    with torch.no_grad():
        embedding = model.estimator.embedding(t)
        file.compare("out.time_sinusoid", model.estimator.embedding.sinusoid(t), TOLERANCE)
        file.compare("out.time_period_emb", embedding, TOLERANCE)
        for index, period in enumerate(model.config.periods):
            if f"out.period.{index}" in file.names:
                path = model.estimator.path(x, period, condition[index], embedding[:, index], freeu)
                file.compare(f"out.period.{index}", path, TOLERANCE)
        file.compare("out.v", model.estimator(x, condition, t, freeu), TOLERANCE)
    _check_solvers(file, model, condition, freeu)
    if "loss.value" in file.names:
        _check_loss(file, model)


def _encoder_input(file: OracleFile) -> torch.Tensor:
    if "in.emb" in file.names:
        return file.tensors["in.emb"]
    # The deviation is recorded at sample rate, and is not that of the recorded mel.
    hop = file.metadata["config"]["hop"]
    return torch.cat([file.tensors["in.mel"], file.tensors["in.target_std"][..., ::hop]], dim=1)


def _check_condition(file: OracleFile, model: PeriodWave) -> tuple[torch.Tensor, ...]:
    with torch.no_grad():
        condition = model.encoder(_encoder_input(file))
    for index, item in enumerate(condition):
        reference = file.tensors[f"out.cond.{index}"].squeeze(-1)
        file.compare(f"out.cond.{index}", item, CONDITION_TOLERANCE, reference)
    return condition


def _check_solvers(file: OracleFile, model: PeriodWave, condition, freeu: FreeU) -> None:
    for name, (steps, temperature) in file.metadata["config"].get("solvers", {}).items():
        start = file.tensors["solve.eps"] * model.config.noise_scale * temperature
        if "in.target_std" in file.names:
            start = start * file.tensors["in.target_std"]
        file.compare(f"solve.{name}.z", start, TOLERANCE)
        with torch.no_grad():
            solved = solve(
                lambda x, t: model.estimator(x, condition, t, freeu), start, time_grid(steps), name.rstrip("0123456789")
            )
        file.compare(f"solve.{name}.out", solved, 2 * TOLERANCE)


def _check_loss(file: OracleFile, model: PeriodWave) -> None:
    """Loss and gradients; items end at their recorded length."""
    deviation = file.tensors.get("in.target_std")
    eps, lengths = file.tensors["loss.eps"], file.tensors["loss.length"]
    mask = (torch.arange(eps.shape[-1]) < lengths.view(-1, 1, 1)).to(eps)
    x1 = file.tensors["loss.x1"].view_as(eps) * mask
    x0 = eps * model.config.noise_scale * (1 if deviation is None else deviation)
    condition = model.encoder(_encoder_input(file))
    if "loss.pred_x1" in file.names:
        steps, _ = file.metadata["config"]["solvers"]["euler4"]
        generated = solve(lambda x, t: model.estimator(x, condition, t), x0, time_grid(steps))
        file.compare("loss.pred_x1", generated.detach(), 2 * TOLERANCE)
        loss, _ = LossSum(model.sample_rate, {"turbo_mel": 1.0})(generated * mask, x1)
    else:
        sample = ProbabilityPath(model.config.sigma_min).sample(x0 * mask, x1, file.tensors["loss.t"].flatten())
        velocity = model.estimator(sample.x, condition, sample.t)
        loss = flow_matching_loss(velocity, sample.velocity, deviation, mask if deviation is not None else None)
    file.compare("loss.value", loss.detach(), TOLERANCE)
    loss.backward()
    norms = {name: parameter.grad.norm() for name, parameter in model.named_parameters()}
    recorded = KEY_MAP.apply(file.below("loss.grad_norm."))
    scale = max(float(value) for value in recorded.values())
    for name, value in recorded.items():
        file.compare(f"loss.grad_norm.{name}", norms[name] / scale, GRADIENT_TOLERANCE, value / scale)
