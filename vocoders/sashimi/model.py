"""Autoregressive SaShiMi: codes in, the distribution of the next code out."""

import torch
from torch import Tensor, nn

from vocoders.core.errors import ConfigError, ShapeError
from vocoders.core.pretrained import PretrainedModel
from vocoders.layers.s4.kernel import StateSpaceKernel, copy_weights
from vocoders.sashimi.config import SashimiConfig
from vocoders.sashimi.network import SashimiNetwork
from vocoders.sashimi.quantisation import Quantiser
from vocoders.sashimi.tiers import TierState

__all__ = ["Sashimi"]


class Sashimi(PretrainedModel, nn.Module):
    """Autoregressive model of quantised audio on state-space layers (arXiv 2202.09729).

    The logits at t belong to the sample after input t: shift the target by :meth:`shift` to get the input of training.
    ``forward`` takes whole sequences; ``advance`` continues from a state, by whatever number of codes.

    Args:
        config: see :class:`SashimiConfig`.
    """

    family = "sashimi"
    config_class = SashimiConfig

    def __init__(self, config: SashimiConfig) -> None:
        super().__init__()
        self.config = config
        self.quantiser = Quantiser(config.quantiser)
        self.embedding = nn.Embedding(self.quantiser.num_codes, config.channels)
        self.network = SashimiNetwork(config)
        self.head = nn.Linear(config.channels, self.quantiser.num_codes)

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""
        return self.config.sample_rate

    @property
    def fingerprint(self) -> str:
        """Front end in one line: two models with the same line take the same codes."""
        return f"codes {self.config.sample_rate} Hz {self.config.quantiser.fingerprint}"

    def forward(self, codes: Tensor) -> Tensor:
        """Return the logits of the next code.

        Args:
            codes: int64 (B, L) in [0, num_codes).

        Returns:
            (B, L, num_codes). A causal network's logits at t depend on codes up to t.
        """
        return self.head(self.network(self._embed(codes)).transpose(1, 2))

    def shift(self, codes: Tensor) -> Tensor:
        """Return codes (B, L) delayed by one, starting with the code of silence: the input that predicts ``codes``."""
        return torch.cat([torch.full_like(codes[:, :1], self.quantiser.zero_code), codes[:, :-1]], dim=1)

    def initial_state(self, batch_size: int = 1) -> TierState:
        """Return the state before the first code.

        It holds the recurrences too, computed from the parameters here: make a new one when they change.

        Raises:
            ConfigError: for a bidirectional network, which cannot be stepped.
        """
        if not self.config.is_causal:
            raise ConfigError("a bidirectional SaShiMi reads the future and cannot be stepped")
        return self.network.initial_state(batch_size)

    def advance(self, codes: Tensor, state: TierState) -> tuple[Tensor, TierState]:
        """Continue from a state; many codes at a time go through convolutions.

        Args:
            codes: int64 (B, L), L >= 1.
            state: from :meth:`initial_state` or an earlier call.

        Returns:
            Logits (B, L, num_codes) and the new state.
        """
        x, state = self.network.advance(self._embed(codes), state)
        return self.head(x.transpose(1, 2)), state

    def step(self, codes: Tensor, state: TierState) -> tuple[Tensor, TierState]:
        """Continue by one code: (B,) gives logits (B, num_codes) and the new state."""
        logits, state = self.advance(codes[:, None], state)
        return logits[:, 0], state

    def prefill(self, codes: Tensor) -> tuple[Tensor, TierState]:
        """Read a prompt (B, L) at once: logits (B, num_codes) of the code after it, and the state."""
        x, state = self.network.advance(self._embed(codes), self.initial_state(codes.shape[0]))
        return self.head(x[..., -1]), state

    def system_parameters(self) -> list[str]:
        """Return the names of the parameters (step sizes, A, B) that are trained at a rate of their own, undecayed."""
        return [
            f"{prefix}.{name}"
            for prefix, module in self.named_modules()
            if isinstance(module, StateSpaceKernel)
            for name, _ in module.named_parameters()
            if name != "C"
        ]

    def start_from(self, trained: "Sashimi") -> None:
        """Take the weights of a model of the same shape, whatever ``kernel_length`` it was trained with.

        Raises:
            RuntimeError: if the weights are of another shape.
        """
        copy_weights(trained, self)

    def reference_inputs(self) -> dict[str, Tensor]:
        """Return deterministic keyword arguments of :meth:`forward`."""
        generator = torch.Generator().manual_seed(0)
        return {"codes": torch.randint(self.quantiser.num_codes, (1, 1000), generator=generator)}

    def _embed(self, codes: Tensor) -> Tensor:
        if codes.dim() != 2 or codes.shape[1] == 0 or codes.dtype != torch.int64:
            raise ShapeError(f"codes {codes.dtype} {tuple(codes.shape)}; expected int64 (B, L) with L >= 1")
        return self.embedding(codes).transpose(1, 2)
