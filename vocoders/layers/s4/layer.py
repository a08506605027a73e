"""The state-space layer: convolution, skip, GELU and an output layer, for whole signals or step by step."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocoders.core.errors import ConfigError
from vocoders.layers.linear import ChannelLinear
from vocoders.layers.s4.config import S4Config
from vocoders.layers.s4.convolution import long_convolution
from vocoders.layers.s4.discrete import DiscreteSystem
from vocoders.layers.s4.kernel import StateSpaceKernel
from vocoders.layers.s4.scan import final_state, free_response

__all__ = ["S4Layer", "S4State"]


@dataclass(frozen=True)
class S4State:
    """State of a layer: the recurrence, computed once from the parameters, and the states x, complex (B, H, n)."""

    system: DiscreteSystem
    x: Tensor


class S4Layer(nn.Module):
    """S4 or S4D on (B, H, L): y = output(GELU(K * u + D u)).

    ``forward`` convolves by FFT; ``advance`` continues from a state, a single sample by the recurrence, more samples by
    convolution. Both give the same numbers.

    Args:
        num_features: H.
        config: see :class:`S4Config`.
        kernel_length: see :class:`~vocoders.layers.s4.kernel.StateSpaceKernel`.
        limit_kernel: never compute more than ``kernel_length`` samples of the kernel, as published for
            DiffWave-SaShiMi.
    """

    def __init__(
        self, num_features: int, config: S4Config, kernel_length: int | None = None, limit_kernel: bool = False
    ) -> None:
        super().__init__()
        self.config = config
        self.kernel = StateSpaceKernel(num_features, config, kernel_length)
        self.longest = kernel_length if limit_kernel else None
        self.D = nn.Parameter(torch.randn(num_features))
        self.gated = config.output == "glu"
        self.output_linear = ChannelLinear(num_features, num_features * (2 if self.gated else 1))

    def forward(self, u: Tensor) -> Tensor:
        """Return the output (B, H, L) for an input (B, H, L)."""
        return self._output(self.convolve(u))

    def convolve(self, u: Tensor) -> Tensor:
        """Return K * u + D u, (B, H, L)."""
        length = u.shape[-1]
        kernel = self.kernel(length if self.longest is None else min(length, self.longest))
        # D is the response to the current sample: adding it to the kernel costs nothing.
        skip = F.pad(self.D[:, None], (0, kernel.shape[-1] - 1))
        kernel = torch.cat([kernel[:1] + skip, kernel[1:]])
        with torch.autocast(u.device.type, enabled=False):
            return long_convolution(u.to(kernel.dtype), kernel).to(u.dtype)

    def initial_state(self, batch_size: int, dtype: torch.dtype | None = None) -> S4State:
        """Return the state before the first sample: all zero.

        Args:
            batch_size: B.
            dtype: complex type of the recurrence; by default in the precision of the parameters.

        Raises:
            ConfigError: for a bidirectional layer, which has no recurrence.
        """
        if self.config.bidirectional:
            raise ConfigError("a bidirectional layer reads the future and cannot be stepped; use its forward")
        dtype = dtype or torch.complex(self.D.new_zeros(()), self.D.new_zeros(())).dtype
        system = self.kernel.discretise().to(dtype)
        return S4State(system, system.input.new_zeros(batch_size, *system.input.shape))

    def advance(self, u: Tensor, state: S4State) -> tuple[Tensor, S4State]:
        """Continue from a state.

        Args:
            u: input (B, H, L), L >= 1.
            state: state before it.

        Returns:
            Output (B, H, L) and the state after it.
        """
        if u.shape[-1] == 1:
            y, x = state.system.step(u[..., 0], state.x)
            y = (y[0] + self.D * u[..., 0])[..., None]
        else:
            y = self.convolve(u) + free_response(state.system, state.x, u.shape[-1])[0]
            x = final_state(state.system, u, state.x)
        return self._output(y.to(u.dtype)), S4State(state.system, x)

    def _output(self, y: Tensor) -> Tensor:
        y = self.output_linear(F.gelu(y))
        return F.glu(y, dim=1) if self.gated else y
