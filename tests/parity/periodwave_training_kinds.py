"""Kinds of reference files about PeriodWave's training: front end, discriminators, multi-scale mel loss."""

import numpy as np
import torch
from oracle import OracleFile, kind
from torch import Tensor, nn

from recipes.data.reading import peak_gain
from recipes.discriminators import (
    MultiPeriodDiscriminator,
    MultiSTFTDiscriminator,
    MultiSTFTOptions,
    PeriodOptions,
    SubBandCQTDiscriminator,
    SubBandCQTOptions,
)
from recipes.losses import AdversarialLoss, TurboMelLoss, feature_matching_loss
from vocoders.core.official import KeyMap, load_official_state
from vocoders.frontends.energy import EnergyConfig, mel_energy, relative_energy
from vocoders.frontends.mel import LogMel, MelConfig

TOLERANCE, GRADIENT = 2e-6, 2e-5
POST = (r"\bconv_post\b", "output_conv")
PERIOD_KEYS = KeyMap(rename=[POST, (r"(convs\.\d+)\.", r"\1.0.")])
STFT_KEYS = KeyMap(rename=[POST, (r"^(discriminators\.\d+)\.", r"\1.stack.")], drop=[r".*\.window"])
CQT_KEYS = KeyMap(
    rename=[
        POST,
        (r"^(\d+)\.(convs|output_conv)", r"discriminators.\1.stack.\2"),
        (r"^(\d+)\.", r"discriminators.\1."),
    ],
    drop=[r".*\b(cqt_transform|resample)\..*"],
)


@kind(lambda file: any(name.startswith(("cqt.w.", "mpd.w.", "stftd.w.")) for name in file.names))
def check_discriminators(file: OracleFile) -> None:
    """Transforms, scores, feature maps and losses of every discriminator in the file."""
    config = file.metadata["config"]
    if state := file.below("mpd.w."):
        widths = [value.numel() for name, value in state.items() if ".convs." in name and name.endswith("bias")]
        options = PeriodOptions(
            periods=tuple(config["mpd"]["periods"]),
            channels=min(widths),
            max_channels=max(widths),
            score_is_feature=True,
        )
        _check_discriminator(file, "mpd", MultiPeriodDiscriminator(options), state, PERIOD_KEYS)
    if state := file.below("stftd.w."):
        channels = state["discriminators.0.convs.0.bias"].numel()
        module = MultiSTFTDiscriminator(MultiSTFTOptions(channels=channels))
        _check_discriminator(file, "stftd", module, state, STFT_KEYS)
    if state := file.below("cqt.w."):
        module = _build_cqt(config["cqt"])
        _check_transforms(file, module)
        _check_discriminator(file, "cqt", module, _grouped(state), CQT_KEYS)


def _build_cqt(config: dict) -> SubBandCQTDiscriminator:
    return SubBandCQTDiscriminator(
        SubBandCQTOptions(
            sample_rate=config["sr"],
            hop_lengths=tuple(config["hops"]),
            bins_per_octave=tuple(config["bins"]),
            num_octaves=config["octaves"],
            channels=config["filters"],
            dilations=tuple(config["dilations"]),
        )
    )


def _grouped(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Join the convolutions of single octaves to our one with groups."""
    ours = {name: value for name, value in state.items() if ".conv_pres." not in name}
    for index in {name.split(".")[0] for name in state}:
        for part in ("weight", "bias"):
            octaves = sum(name.startswith(f"{index}.conv_pres.") and name.endswith(part) for name in state)
            values = [state[f"{index}.conv_pres.{octave}.{part}"] for octave in range(octaves)]
            ours[f"{index}.octave_conv.{part}"] = torch.cat(values)
    return ours


def _check_transforms(file: OracleFile, module: SubBandCQTDiscriminator) -> None:
    audio = module.resample(file.tensors["in.y"])
    file.compare("cqt.resampled", audio, TOLERANCE)
    for index, discriminator in enumerate(module.discriminators):
        transform = discriminator.transform
        kernels = transform.basis.T.unflatten(0, (2, -1))
        stored = file.below(f"cqt.w.{index}.cqt_transform.")
        file.compare(f"kernels.{index}.real", kernels[0], 1e-8, stored["cqt_kernels_real"][:, 0])
        file.compare(f"kernels.{index}.imag", -kernels[1], 1e-8, stored["cqt_kernels_imag"][:, 0])
        lengths = torch.from_numpy(transform.config.lengths)
        file.compare(f"lengths.{index}", lengths, 0.0, stored["lenghts"])
        file.compare(f"cqt.transform.{index}", torch.stack(transform(audio), dim=-1), TOLERANCE)


def _check_discriminator(
    file: OracleFile, name: str, module: nn.Module, state: dict[str, Tensor], key_map: KeyMap
) -> None:
    load_official_state(module, state, key_map, file.path.name)
    with torch.no_grad():
        real_scores, real_features = module(file.tensors["in.y"])
        fake_scores, fake_features = module(file.tensors["in.y_hat"])
    for index, (real, fake) in enumerate(zip(real_scores, fake_scores, strict=True)):
        file.compare(f"{name}.out_r.{index}", real, TOLERANCE)
        file.compare(f"{name}.out_g.{index}", fake, TOLERANCE)
    means = sorted(file.below(f"{name}.fmap_r_meanabs."), key=lambda key: [int(part) for part in key.split(".")])
    for key, feature in zip(means, real_features if means else [], strict=True):
        file.compare(f"{name}.fmap_r_meanabs.{key}", feature.abs().mean(), TOLERANCE)
    criterion = AdversarialLoss("mse")
    file.compare(f"{name}.loss_d", sum(criterion.discriminator(real_scores, fake_scores)), TOLERANCE)
    file.compare(f"{name}.loss_g", criterion.generator(fake_scores), TOLERANCE)
    # The reference's feature matching loss holds its weight, which is 2.
    file.compare(f"{name}.loss_fm", 2 * feature_matching_loss(fake_features, real_features), TOLERANCE)


@kind(lambda file: any(name.startswith("grad_x.") for name in file.names) and "mel_y.0" in file.names)
def check_multi_scale_mel(file: OracleFile) -> None:
    """Value of each scale, of their sum, and the gradient, at every sample rate; mels at the first."""
    config, x, y = file.metadata["config"], file.tensors["x"], file.tensors["y"]
    options = TurboMelLoss.Options()
    assert options.n_ffts == tuple(config["windows"])
    assert options.n_mels == tuple(config["n_mels"])
    for sample_rate in file.below("value."):
        loss = TurboMelLoss(int(sample_rate), options)
        for index, scale in enumerate(loss.scales):
            file.compare(f"scale.{sample_rate}.{index}", (scale(x) - scale(y)).abs().mean(), TOLERANCE)
        prediction = x.clone().requires_grad_()
        value = loss(prediction, y)
        file.compare(f"value.{sample_rate}", value.detach(), TOLERANCE)
        value.backward()
        gradient = file.tensors[f"grad_x.{sample_rate}"]
        size = gradient.abs().max()
        file.compare(f"grad_x.{sample_rate}", prediction.grad / size, GRADIENT, gradient / size)
    for index, scale in enumerate(TurboMelLoss(24000, options).scales):
        file.compare(f"mel_y.{index}", scale.linear(y)[:, None], TOLERANCE)


@kind(lambda file: any(name.endswith(".target_std") and f"{name[:-10]}int16" in file.names for name in file.names))
def check_front_end(file: OracleFile) -> None:
    """From 16-bit samples to the waveform, its log-mel, the energy of frames and the deviation of the prior."""
    for name, case in file.metadata["config"].items():
        tensors = file.below(f"{name}.")
        samples = (tensors["int16"].numpy() / 32768).astype(np.float32)
        wave = torch.from_numpy(samples * peak_gain(samples, 0.95))[None]
        length = wave.shape[-1] // case["hop"] * case["hop"]
        file.compare(f"{name}.wave", wave[:, :length], 1e-7)
        mel = _front_end(case)
        file.compare(f"{name}.mel_basis", mel.basis, 0.0)
        log_mel = mel(tensors["wave"])
        _compare_log_mels(file, f"{name}.mel", log_mel)
        file.compare(f"{name}.energy", mel_energy(log_mel)[:, 0], 1e-6)
        energy = EnergyConfig(energy_min=case["energy_min"], energy_max=case["energy_max"])
        deviation = relative_energy(log_mel, energy).repeat_interleave(case["hop"], dim=-1)
        file.compare(f"{name}.target_std", deviation[:, 0], 1e-6)


def _front_end(case: dict) -> LogMel:
    return LogMel(
        MelConfig(
            sample_rate=case["sr"],
            n_fft=case["n_fft"],
            hop_length=case["hop"],
            win_length=case["win"],
            n_mels=case["n_mels"],
            fmin=float(case["fmin"]),
            fmax=float(case["fmax"]),
            padding="same_reflect",
            magnitude_epsilon=1e-9,
        )
    )


def _compare_log_mels(file: OracleFile, name: str, ours: Tensor) -> None:
    """Compare amplitudes everywhere, and logarithms where these are not rounding errors of the loudest bin.

    Which code of the FFT library a processor gets decides the last bits of every bin. Next to a loud bin they are a
    thousandth of a quiet one, here as there: the recorded mels lie as far from those in double precision as ours.
    """
    theirs = file.tensors[name]
    file.compare(f"{name} amplitude", ours.exp(), 1e-6, theirs.exp())
    audible = theirs.exp() > 1e-3
    assert audible.float().mean() > 0.3
    file.compare(name, ours[audible], 5e-6, theirs[audible])
    assert (ours - theirs).abs().mean() < 2e-5
