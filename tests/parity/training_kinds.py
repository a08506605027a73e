"""Kinds of reference files about training: discriminators, losses, whole adversarial updates."""

import torch
from oracle import OracleFile, kind

from recipes.build import build_optimizer
from recipes.discriminators import DiscriminatorUnion
from recipes.losses import AdversarialLoss, MelLoss, feature_matching_loss
from recipes.objectives.gan import GanObjective, GanOptions
from recipes.sections import OptimizerConfig
from vocoders.core.official import KeyMap, load_official_state
from vocoders.wavehax.model import Wavehax
from vocoders.wavehax.official import KEY_MAP, config_from_official

TOLERANCE = 2e-6
DISCRIMINATOR_KEYS = KeyMap(drop=[r"mrd\.discriminators\.\d+\.window"])


def discriminator_options(config: dict, kind: str = "both") -> dict[str, dict]:
    """Translate the reference's options of the UnivNet discriminators into ours."""
    period, spectral = config["period_discriminator_params"], config["spectral_discriminator_params"]
    mpd = {
        "periods": config["periods"],
        "channels": period["channels"],
        "max_channels": period["max_downsample_channels"],
        "kernel_sizes": period["kernel_sizes"],
        "strides": period["downsample_scales"],
    }
    resolutions = zip(config["fft_sizes"], config["hop_sizes"], config["win_lengths"], strict=True)
    mrd = {
        "resolutions": [list(resolution) for resolution in resolutions],
        "channels": spectral["channels"],
        "kernel_sizes": spectral["kernel_sizes"],
        "strides": spectral["strides"],
    }
    return {"mpd": {"mpd": mpd}, "mrd": {"mrd": mrd}, "both": {"mpd": mpd, "mrd": mrd}}[kind]


@kind(lambda file: file.metadata.get("kind") in ("mpd", "mrd", "both"))
def check_discriminators(file: OracleFile) -> None:
    """Scores, feature maps, adversarial losses and the gradient to the input."""
    which = file.metadata["kind"]
    module = DiscriminatorUnion(discriminator_options(file.metadata["config"], which))
    state = file.below("w.")
    if which != "both":
        state = {f"{which}.{key.removeprefix(which + '.')}": value for key, value in state.items()}
    load_official_state(module, state, DISCRIMINATOR_KEYS, file.path.name)
    x = file.tensors["in.x"].clone().requires_grad_()
    scores, features = module(x)
    for index, score in enumerate(scores):
        file.compare(f"fake.out.{index}", score.detach(), TOLERANCE)
    for index in range(len(file.below("fake.fmap."))):
        file.compare(f"fake.fmap.{index:02d}", features[index].detach(), TOLERANCE)
    if "in.y" in file.tensors:
        _check_losses(file, module, x, scores, features)


def _check_losses(file: OracleFile, module, x, scores, features) -> None:
    real_scores, real_features = module(file.tensors["in.y"])
    for index, score in enumerate(real_scores):
        file.compare(f"real.out.{index}", score.detach(), TOLERANCE)
    generator_losses = {}
    for name in ("hinge", "mse"):
        for average, suffix in ((False, ""), (True, "_avg")):
            criterion = AdversarialLoss(name, average)
            real, fake = criterion.discriminator(real_scores, scores)
            generator_losses[name + suffix] = criterion.generator(scores)
            file.compare(f"loss.{name}{suffix}.real", real.detach(), TOLERANCE)
            file.compare(f"loss.{name}{suffix}.fake", fake.detach(), TOLERANCE)
            file.compare(f"loss.{name}{suffix}.adv", generator_losses[name + suffix].detach(), TOLERANCE)
    matching = feature_matching_loss(features, real_features)
    file.compare("loss.fm_sum", matching.detach(), TOLERANCE)
    mean = feature_matching_loss(features, real_features, average=True)
    file.compare("loss.fm_mean", mean.detach(), TOLERANCE)
    (generator_losses["hinge"] + 2 * matching).backward()
    scale = file.tensors["g.x"].abs().max()
    file.compare("g.x", x.grad / scale, 2e-5, file.tensors["g.x"] / scale)


@kind(lambda file: any(name.startswith("loss.mel.") for name in file.names))
def check_mel_losses(file: OracleFile) -> None:
    """Mel losses of every configuration in the file."""
    x, y = file.tensors["in.x"], file.tensors["in.y"]
    for name in file.below("loss.mel."):
        options = dict(file.metadata["mel" if name == "v1" else f"mel_{name}"])
        options.pop("_target_")
        loss = MelLoss(options.pop("sample_rate"), MelLoss.Options(**options))
        file.compare(f"loss.mel.{name}", loss(x, y), TOLERANCE)


@kind(lambda file: "gen" in file.metadata and "disc" in file.metadata)
def check_adversarial_updates(file: OracleFile) -> None:
    """Consecutive updates of generator and discriminators: losses, gradient norms, weights after each."""
    train = file.metadata["train"]
    model = Wavehax(config_from_official("WavehaxGenerator", file.metadata["gen"]))
    options = GanOptions(
        reconstruction={"mel": train["lambda_mel"]},
        feature_matching_weight=train["lambda_fm"],
        adversarial_weight=train["lambda_adv"],
        discriminators=discriminator_options(file.metadata["disc"]),
    )
    objective = GanObjective(options, model)
    parts = {"generator": model, **objective.parts()}
    load_official_state(model.network, file.below("w0.g."), KEY_MAP, "w0")
    load_official_state(objective.discriminator, file.below("w0.d."), DISCRIMINATOR_KEYS, "w0")
    optimizers = {name: build_optimizer(OptimizerConfig(), part) for name, part in parts.items()}
    limits = {"generator": train["generator_grad_norm"], "discriminator": train["discriminator_grad_norm"]}

    determined: dict[torch.nn.Parameter, torch.Tensor] = {}

    def update(name: str, loss: torch.Tensor) -> torch.Tensor:
        optimizers[name].zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parts[name].parameters(), limits[name])
        optimizers[name].step()
        # The first steps of Adam divide a gradient by itself: where it is rounding error alone (the real output bias
        # acts on a sample that the window sets to zero), so is the update, and there is nothing to compare.
        for parameter in parts[name].parameters():
            mask = (parameter.grad.abs() > 1e-8 * norm) | (parameter.grad == 0)
            determined[parameter] = determined.get(parameter, mask) & mask
        return norm

    recorded = {
        "loss/mel": "mel",
        "loss/adversarial": "adv",
        "loss/feature_matching": "fm",
        "loss/generator": "gen",
        "loss/discriminator_real": "real",
        "loss/discriminator_fake": "fake",
        "gradient/generator": "grad_norm_g",
        "gradient/discriminator": "grad_norm_d",
    }
    step = 0
    while f"s{step}.out" in file.names:
        inputs = file.below(f"s{step}.")
        prior = model.prior(inputs["in.f0"], inputs["draw.noise"], inputs["draw.phase"])
        drawn = {"features": inputs["in.cond"], "prior": prior}
        objective.draw_inputs = lambda batch, drawn=drawn: drawn
        log = objective.training_step(parts, {"audio": inputs["in.y"]}, 1 + step, update)
        for ours, theirs in recorded.items():
            file.compare(f"s{step}.loss.{theirs}", torch.as_tensor(log[ours]), 1e-5)
        step += 1
        for prefix, module, keys in (("g", model.network, KEY_MAP), ("d", objective.discriminator, DISCRIMINATOR_KEYS)):
            state = dict(module.named_parameters())
            for name, value in keys.apply(file.below(f"w{step}.{prefix}.")).items():
                mask = determined[state[name]]
                file.compare(f"w{step}.{prefix}.{name}", state[name].detach() * mask, 4e-6, value * mask)
        masked = sum(int((~mask).sum()) for mask in determined.values())
        assert masked < 0.01 * sum(mask.numel() for mask in determined.values()), f"{masked} elements not compared"
