"""Autoregressive SaShiMi: codes in, the distribution of the next code out."""

import torch
from torch import Tensor, nn

from vocoders.core.errors import ConfigError, ShapeError
from vocoders.core.pretrained import PretrainedModel
from vocoders.layers.s4.kernel import StateSpaceKernel, copy_weights
from vocoders.sashimi.blocks import ResidualBlock
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

    def forward(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the logits of the next code.

        Args:
            codes: int64 (B, L) in [0, num_codes).
            labels: int64 (B,), places in ``config.labels``, of a model that has some; the number behind the last one,
                or ``None``, is the mean of all.

        Returns:
            (B, L, num_codes). A causal network's logits at t depend on codes up to t.

        Raises:
            ShapeError: for codes of another shape, or labels of a model without any.
        """
        x = self._embed(codes)
        return self.head(self.network(x, self.check_labels(labels, len(codes))).transpose(1, 2))

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

    def advance(self, codes: Tensor, state: TierState, labels: Tensor | None = None) -> tuple[Tensor, TierState]:
        """Continue from a state; many codes at a time go through convolutions.

        Args:
            codes: int64 (B, L), L >= 1.
            state: from :meth:`initial_state` or an earlier call.
            labels: as in :meth:`forward`; the same in each call.

        Returns:
            Logits (B, L, num_codes) and the new state.
        """
        x, state = self.network.advance(self._embed(codes), state, self.check_labels(labels, len(codes)))
        return self.head(x.transpose(1, 2)), state

    def step(self, codes: Tensor, state: TierState, labels: Tensor | None = None) -> tuple[Tensor, TierState]:
        """Continue by one code: (B,) gives logits (B, num_codes) and the new state."""
        logits, state = self.advance(codes[:, None], state, labels)
        return logits[:, 0], state

    def prefill(self, codes: Tensor, labels: Tensor | None = None) -> tuple[Tensor, TierState]:
        """Read a prompt (B, L) at once: logits (B, num_codes) of the code after it, and the state."""
        labels = self.check_labels(labels, len(codes))
        x, state = self.network.advance(self._embed(codes), self.initial_state(codes.shape[0]), labels)
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

        Labels are found by their names; new ones begin as the mean of those that were trained.

        Raises:
            ConfigError: if the trained model has labels and this one has none.
            RuntimeError: if the weights are of another shape.
        """
        known = trained.config.labels
        if known and not self.config.labels:
            raise ConfigError(f"a model without labels cannot start from one of {', '.join(known)}; name model.labels")
        if self.config.labels != known:
            trained = _with_labels(trained, self.config.labels)
        copy_weights(trained, self)

    def reference_inputs(self) -> dict[str, Tensor]:
        """Return deterministic keyword arguments of :meth:`forward`."""
        generator = torch.Generator().manual_seed(0)
        inputs = {"codes": torch.randint(self.quantiser.num_codes, (1, 1000), generator=generator)}
        if self.config.labels:
            inputs["labels"] = torch.tensor([len(self.config.labels) - 1])
        return inputs

    def check_labels(self, labels: Tensor | None, batch_size: int) -> Tensor | None:
        """Return labels that are right for a batch.

        Raises:
            ShapeError: for another shape or type, numbers that are no labels, or labels of a model without any.
        """
        known = self.config.labels
        if labels is None:
            return None
        if not known:
            raise ShapeError(f"labels {tuple(labels.shape)} for a model without labels; leave them out")
        if tuple(labels.shape) != (batch_size,) or labels.dtype != torch.int64:
            raise ShapeError(f"labels {labels.dtype} {tuple(labels.shape)}; expected int64 ({batch_size},)")
        # Elsewhere a look at the values would wait for the device.
        if labels.device.type == "cpu" and not 0 <= int(labels.min()) <= int(labels.max()) <= len(known):
            last = len(known) - 1
            raise ShapeError(f"labels {labels.tolist()}; expected numbers from 0 to {last}, or {last + 1}, the mean")
        return labels

    def _embed(self, codes: Tensor) -> Tensor:
        if codes.dim() != 2 or codes.shape[1] == 0 or codes.dtype != torch.int64:
            raise ShapeError(f"codes {codes.dtype} {tuple(codes.shape)}; expected int64 (B, L) with L >= 1")
        return self.embedding(codes).transpose(1, 2)


def _with_labels(model: Sashimi, labels: tuple[str, ...]) -> Sashimi:
    """Return a model like ``model`` with other labels."""
    known = model.config.labels
    rows = [known.index(label) if label in known else len(known) for label in labels]
    changed = Sashimi(model.config.model_copy(update={"labels": labels}))
    # Without trained labels the new offsets stay as they are made, zeros.
    state = changed.state_dict() | model.state_dict()
    for name, block in model.named_modules():
        if isinstance(block, ResidualBlock) and block.label_offsets is not None:
            state[f"{name}.label_offsets"] = block.offsets_with_mean()[rows]
    changed.load_state_dict(state)
    return changed
