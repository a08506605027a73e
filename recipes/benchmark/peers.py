"""Systems of other projects, measured in the same process: Vocos from PyPI, and the architecture of HiFi-GAN V1."""

import torch
from torch import Tensor

from recipes.benchmark import hifigan
from recipes.benchmark.contender import Contender
from recipes.benchmark.models import contender_of
from vocoders.core.errors import ConfigError
from vocoders.core.extras import import_extra
from vocoders.registry import BASELINES, is_baseline, load

__all__ = ["PEERS", "create_peer"]

# The mel of the published Vocos for 24 kHz.
_RATE, _N_FFT, _HOP_LENGTH, _N_MELS = 24000, 1024, 256, 100


class _MelPeer(Contender):
    kind = "peer"
    sample_rate, hop_length, n_mels = _RATE, _HOP_LENGTH, _N_MELS

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def inputs(self, seconds: float) -> Tensor:
        """Return a log-mel (1, n_mels, F)."""
        frames = max(1, round(seconds * self.sample_rate / self.hop_length))
        return torch.full((1, self.n_mels, frames), -4.0, device=self.device)


class VocosPeer(_MelPeer):
    """Vocos (Siuzdak 2023) of the package ``vocos``: the published network for 24 kHz mels, with random weights."""

    name = "vocos"

    def __init__(self, device: torch.device) -> None:
        super().__init__(device)
        import_extra("vocos.models", "vocos", "bench", "--against vocos")
        from vocos.feature_extractors import MelSpectrogramFeatures
        from vocos.heads import ISTFTHead
        from vocos.models import VocosBackbone
        from vocos.pretrained import Vocos

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            vocos = Vocos(
                MelSpectrogramFeatures(_RATE, _N_FFT, _HOP_LENGTH, _N_MELS, padding="center"),
                VocosBackbone(input_channels=_N_MELS, dim=512, intermediate_dim=1536, num_layers=8),
                ISTFTHead(dim=512, n_fft=_N_FFT, hop_length=_HOP_LENGTH, padding="center"),
            ).eval()
        self.network, self._decode = vocos.to(device), vocos.decode

    def run(self, inputs: Tensor) -> Tensor:
        """Decode a mel."""
        return self._decode(inputs)[:, None]


class HifiGanPeer(_MelPeer):
    """HiFi-GAN V1 with random weights, see :class:`~recipes.benchmark.hifigan.HifiGanV1`."""

    name = "hifigan-v1"
    sample_rate, hop_length, n_mels = hifigan.SAMPLE_RATE, hifigan.HOP_LENGTH, hifigan.N_MELS

    def __init__(self, device: torch.device) -> None:
        super().__init__(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.network = hifigan.HifiGanV1().eval().to(device)

    @torch.inference_mode()
    def run(self, inputs: Tensor) -> Tensor:
        """Make a waveform."""
        assert self.network is not None
        return self.network(inputs)


PEERS = {"vocos": VocosPeer, "hifigan-v1": HifiGanPeer}


def create_peer(name: str, device: torch.device) -> Contender:
    """Create a peer by name; a baseline can serve as one.

    Raises:
        ConfigError: for an unknown name.
        MissingExtraError: if its package is not installed.
    """
    if name in PEERS:
        return PEERS[name](device)
    if is_baseline(name):
        contender = contender_of(name, load(name))
        contender.kind = "peer"
        return contender
    raise ConfigError(f"unknown peer '{name}'; known peers: {', '.join([*PEERS, *BASELINES])}")
