"""Autoregressive SaShiMi: from codes to the distribution of the next code."""

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn

from vocoders.core.errors import ConfigError, ShapeError
from vocoders.core.options import SynthesisOptions
from vocoders.core.pretrained import PretrainedModel
from vocoders.interface import Generation, Progress, WaveformGenerator
from vocoders.layers.s4.kernel import StateSpaceKernel, copy_weights
from vocoders.sashimi.blocks import ResidualBlock
from vocoders.sashimi.config import SashimiConfig
from vocoders.sashimi.network import SashimiNetwork
from vocoders.sashimi.options import CodeOptions
from vocoders.sashimi.quantisation import Quantiser
from vocoders.sashimi.sampler import (
    CodeStream,
    encode_prompt,
    generate,
    item_labels,
    label_names,
    memory_of_generation,
)
from vocoders.sashimi.tiers import TierState

__all__ = ["Sashimi"]


class Sashimi(PretrainedModel[SashimiConfig], WaveformGenerator, nn.Module):
    """Autoregressive model of quantised audio on state-space layers (arXiv 2202.09729).

    The logits at t predict the sample after input t: :meth:`shift` turns a training target into the input. ``forward``
    takes whole sequences; ``advance`` continues from a state, by any number of codes.

    Args:
        config: see :class:`SashimiConfig`.
    """

    family = "sashimi"
    config_class = SashimiConfig
    options_class = CodeOptions

    def __init__(self, config: SashimiConfig) -> None:
        super().__init__()
        self.config = config
        self.quantiser = Quantiser(config.quantiser)
        self.embedding = nn.Embedding(self.quantiser.num_codes, config.channels)
        self.network = SashimiNetwork(config)
        self.head = nn.Linear(config.channels, self.quantiser.num_codes)

    @property
    def fingerprint(self) -> str:
        """Front end in one line: models with equal lines take the same codes."""
        return f"codes {self.config.sample_rate} Hz {self.config.quantiser.fingerprint}"

    def check_options(self, options: CodeOptions) -> None:
        """Raise a :class:`ConfigError` for guidance without labels."""
        if options.is_guided and not self.labels:
            raise ConfigError(f"guidance {options.guidance:g} of a model without labels; leave it out")

    @property
    def takes_prompt(self) -> bool:
        """True: an autoregressive model continues its input."""
        return True

    @property
    def has_likelihood(self) -> bool:
        """True: every code is drawn from a distribution."""
        return True

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the sounds that the model can draw."""
        return self.config.labels

    def forward(self, codes: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return the logits of the next code.

        Args:
            codes: int64 (B, L) in [0, num_codes).
            labels: int64 (B,), indices into ``config.labels``, for a model with labels; the index after the last one,
                or ``None``, selects the mean of all.

        Returns:
            (B, L, num_codes). A causal network's logits at t depend on codes up to t.

        Raises:
            ShapeError: for codes of another shape, or labels for a model without labels.
        """
        x = self._embed(codes)
        return self.head(self.network(x, self.check_labels(labels, len(codes))).transpose(1, 2))

    def check_prompt(self, prompt: Tensor) -> None:
        """Raise an error if the quantiser cannot encode a prompt (T,), such as silence."""
        encode_prompt(self, prompt)

    def _generate(
        self,
        length: int,
        items: Sequence[int],
        prompt: Tensor | None,
        label: str | None,
        seed: int,
        options: CodeOptions,
        progress: Progress,
    ) -> Generation:
        """Draw waveforms; :func:`vocoders.sashimi.sampler.generate` draws codes."""
        codes, total = None if prompt is None else encode_prompt(self, prompt), length * len(items)

        def report(drawn: int) -> None:
            progress(drawn / total)

        return generate(self, length, items, codes, options, seed, options.weights, report, label=label)

    def _stream_items(
        self, items: Sequence[int], prompt: Tensor | None, label: str | None, seed: int, options: CodeOptions
    ) -> CodeStream:
        codes = None if prompt is None else encode_prompt(self, prompt)
        return CodeStream(self, items, codes, options, seed, label)

    def item_labels(self, items: Sequence[int], label: str | None = None, seed: int = 0) -> tuple[str, ...]:
        """Return the label of each item, as drawn by :meth:`generate`."""
        return label_names(self, item_labels(self, seed, items, label))

    def memory(
        self, num_items: int, length: int, prompt_length: int = 0, options: SynthesisOptions | None = None
    ) -> int:
        """Return the approximate memory in bytes, beyond the model itself, to draw ``num_items`` together."""
        is_guided = self._chosen(options, {}).is_guided
        return memory_of_generation(self, num_items, length, prompt_length, is_guided)

    def shift(self, codes: Tensor) -> Tensor:
        """Return codes (B, L) delayed by one after the code of silence: the input from which to predict ``codes``."""
        return torch.cat([torch.full_like(codes[:, :1], self.quantiser.zero_code), codes[:, :-1]], dim=1)

    def initial_state(self, batch_size: int = 1) -> TierState:
        """Return the state before the first code.

        It includes the recurrences, computed from the parameters: make a new state when they change.

        Raises:
            ConfigError: for a bidirectional network, which cannot be stepped.
        """
        if not self.config.is_causal:
            raise ConfigError("a bidirectional SaShiMi reads the future and cannot be stepped")
        return self.network.initial_state(batch_size)

    def advance(self, codes: Tensor, state: TierState, labels: Tensor | None = None) -> tuple[Tensor, TierState]:
        """Continue from a state; several codes at a time are processed by convolution.

        Args:
            codes: int64 (B, L), L >= 1.
            state: from :meth:`initial_state` or an earlier call.
            labels: as in :meth:`forward`; equal in all calls of a sequence.

        Returns:
            Logits (B, L, num_codes) and the new state.
        """
        x, state = self.network.advance(self._embed(codes), state, self.check_labels(labels, len(codes)))
        return self.head(x.transpose(1, 2)), state

    def step(self, codes: Tensor, state: TierState, labels: Tensor | None = None) -> tuple[Tensor, TierState]:
        """Continue by one code: (B,) gives logits (B, num_codes) and the new state."""
        logits, state = self.advance(codes[:, None], state, labels)
        return logits[:, 0], state

    def system_parameters(self) -> list[str]:
        """Return the names of parameters (step sizes, A, B) with a separate learning rate and no weight decay."""
        return [
            f"{prefix}.{name}"
            for prefix, module in self.named_modules()
            if isinstance(module, StateSpaceKernel)
            for name, _ in module.named_parameters()
            if name != "C"
        ]

    def start_from(self, trained: Self) -> None:
        """Copy the weights of a model of the same shape, trained with any ``kernel_length``.

        Labels are matched by name; new labels start from the mean of the trained ones.

        Raises:
            ConfigError: if the trained model has labels and this one has none.
            RuntimeError: if the weights are of another shape.
        """
        known = trained.config.labels
        if known and not self.config.labels:
            raise ConfigError(f"a model without labels cannot start from one of {', '.join(known)}; name model.labels")
        if self.config.labels != known:
            copy_weights(_with_labels(trained, self.config.labels), self)
        else:
            copy_weights(trained, self)

    def reference_inputs(self) -> dict[str, Tensor]:
        """Return deterministic keyword arguments of :meth:`forward`."""
        generator = torch.Generator().manual_seed(0)
        inputs = {"codes": torch.randint(self.quantiser.num_codes, (1, 1000), generator=generator)}
        if self.config.labels:
            inputs["labels"] = torch.tensor([len(self.config.labels) - 1])
        return inputs

    def check_labels(self, labels: Tensor | None, batch_size: int) -> Tensor | None:
        """Check the labels of a batch and return them.

        Raises:
            ShapeError: for another shape or type, numbers that are no labels, or labels for a model without labels.
        """
        known = self.config.labels
        if labels is None:
            return None
        if not known:
            raise ShapeError(f"labels {tuple(labels.shape)} for a model without labels; leave them out")
        if tuple(labels.shape) != (batch_size,) or labels.dtype != torch.int64:
            raise ShapeError(f"labels {labels.dtype} {tuple(labels.shape)}; expected int64 ({batch_size},)")
        # On another device, reading the values would wait for it.
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
    # Without trained labels the new offsets keep their initial value, zero.
    state = changed.state_dict() | model.state_dict()
    for name, block in model.named_modules():
        if isinstance(block, ResidualBlock) and block.label_offsets is not None:
            state[f"{name}.label_offsets"] = block.offsets_with_mean()[rows]
    changed.load_state_dict(state)
    return changed
