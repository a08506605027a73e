"""Systems of others to compare with, run in the same process: the Vocos of PyPI, and torchaudio's Griffin-Lim."""

import torch
from torch import Tensor, nn

from recipes.benchmark.system import System
from vocoders.core.errors import ConfigError, MissingExtraError

__all__ = ["PEERS", "create_peer"]

# Both start from the mel of the published Vocos for 24 kHz.
_RATE, _N_FFT, _HOP_LENGTH, _N_MELS = 24000, 1024, 256, 100
_ITERATIONS = 32


class _MelPeer(System):
    kind = "peer"
    sample_rate = _RATE

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def inputs(self, seconds: float) -> Tensor:
        """Return a log-mel (1, n_mels, F)."""
        frames = max(1, round(seconds * _RATE / _HOP_LENGTH))
        return torch.full((1, _N_MELS, frames), -4.0, device=self.device)


class VocosPeer(_MelPeer):
    """Vocos (Siuzdak 2023) of the package ``vocos``: the published network for 24 kHz mels, with random weights."""

    name = "vocos"

    def __init__(self, device: torch.device) -> None:
        super().__init__(device)
        try:
            from vocos.feature_extractors import MelSpectrogramFeatures
            from vocos.heads import ISTFTHead
            from vocos.models import VocosBackbone
            from vocos.pretrained import Vocos
        except ImportError:
            raise MissingExtraError("vocos", "bench", "--against vocos") from None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.network = Vocos(
                MelSpectrogramFeatures(_RATE, _N_FFT, _HOP_LENGTH, _N_MELS, padding="center"),
                VocosBackbone(input_channels=_N_MELS, dim=512, intermediate_dim=1536, num_layers=8),
                ISTFTHead(dim=512, n_fft=_N_FFT, hop_length=_HOP_LENGTH, padding="center"),
            ).eval()
        self.network.to(device)

    def run(self, inputs: Tensor) -> Tensor:
        """Decode a mel."""
        return self.network.decode(inputs)[:, None]


class GriffinLimPeer(_MelPeer):
    """Griffin-Lim of torchaudio: pseudo-inverse of the mel, 32 fast iterations."""

    name = "griffin-lim"

    def __init__(self, device: torch.device) -> None:
        super().__init__(device)
        import torchaudio

        mel = torchaudio.transforms.MelScale(_N_MELS, _RATE, n_stft=_N_FFT // 2 + 1)
        self._inverse = torch.linalg.pinv(mel.fb.T.double()).float().to(device)
        self._phases: nn.Module = torchaudio.transforms.GriffinLim(
            _N_FFT, _ITERATIONS, hop_length=_HOP_LENGTH, power=1.0
        ).to(device)

    @torch.inference_mode()
    def run(self, inputs: Tensor) -> Tensor:
        """Find a signal with this mel."""
        return self._phases((self._inverse @ inputs.exp()).clamp(min=0.0))[:, None]


PEERS = {"vocos": VocosPeer, "griffin-lim": GriffinLimPeer}


def create_peer(name: str, device: torch.device) -> System:
    """Create a peer by name.

    Raises:
        ConfigError: for an unknown name.
        MissingExtraError: if its package is not installed.
    """
    if name not in PEERS:
        raise ConfigError(f"unknown peer '{name}'; known peers: {', '.join(PEERS)}")
    return PEERS[name](device)
