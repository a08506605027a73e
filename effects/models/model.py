"""The interface of every neural effect, for training, streaming and rendering."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, TypeVar

import torch
from pydantic import Field
from torch import Tensor, nn

from effects.knobs import KnobSet
from effects.models.head import detector_signal
from vocoders.core.errors import ShapeError
from vocoders.core.plugins import import_place
from vocoders.core.pretrained import PretrainedModel
from vocoders.frontends.front_end import FrontEnd, ModelConfig

if TYPE_CHECKING:
    from effects.captures.info import CaptureInfo
    from effects.runtimes.stream import Stream

__all__ = ["EffectConfig", "EffectModel", "State"]

State = dict[str, Tensor]


class EffectConfig(ModelConfig):
    """Common configuration of neural effects.

    Attributes:
        sample_rate: sample rate of the model in Hz.
        audio_channels: number of channels that the model processes together; 1 is a mono model.
        knobs: the knobs, in the order of the network's inputs.
    """

    sample_rate: int = Field(default=44100, gt=0)
    audio_channels: int = Field(default=1, gt=0)
    knobs: KnobSet = KnobSet()

    @property
    def front_end(self) -> FrontEnd:
        """Audio itself."""
        return FrontEnd(sample_rate=self.sample_rate)


ConfigType = TypeVar("ConfigType", bound=EffectConfig)


class EffectModel(PretrainedModel[ConfigType]):
    """A neural effect with knobs.

    ``forward`` is pure, for training and export; ``stream`` does the same with less copying. Both take the next samples
    of a stream and the state after the previous samples, so that blocks and the whole give the same audio.

    A family says how it leaves ondes by places ``module:function``, which stand in its code and are imported when it is
    exported; ``None``: it does not leave in that format.

    Attributes:
        runtime: import path ``module:class`` of the :class:`~effects.runtimes.stream.Stream` that computes
            ``stream`` otherwise than by ``forward``; it is imported when a stream begins: models know no runtime.
        onnx_graph: place of ``build(model, graph, max_block)``, which writes the model into an
            :class:`effects.runtimes.onnx.graph.Graph`.
        rtneural_layers: place of ``layers(model, knobs)``, which gives the layer list of the model at normalised knobs
            (K,), and the head that plays it; see :mod:`effects.runtimes.rtneural`.
    """

    onnx_graph: ClassVar[str | None] = None
    rtneural_layers: ClassVar[str | None] = None

    runtime: ClassVar[str | None] = None
    #: What the file of a capture tells besides the model.
    capture: "CaptureInfo | None" = None
    _stream: "Stream | None" = None

    @property
    def sample_rate(self) -> int:
        """Sample rate in Hz."""
        return self.config.sample_rate

    @property
    def knobs(self) -> KnobSet:
        """The knobs."""
        return self.config.knobs

    @property
    def latency(self) -> int:
        """Delay of the output relative to the target of training, in samples."""
        return 0

    @property
    def block_length(self) -> int:
        """``forward`` takes multiples of this number of samples."""
        return 1

    @property
    def receptive_field(self) -> int | None:
        """Number of input samples on which an output sample can depend; ``None`` if unbounded."""
        return None

    @property
    def spectrum(self) -> nn.Module | None:
        """Module that outputs the magnitudes (B * blocks, frames, bins) of the audio; ``None``: there is none."""
        return None

    @property
    def takes_linked_channels(self) -> bool:
        """Whether a mono model takes several channels and applies the same gain to all."""
        return False

    def forward(self, audio: Tensor, knobs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Apply the effect to the next samples of a stream.

        Args:
            audio: (B, C, T) in [-1, 1]; T a multiple of ``block_length``.
            knobs: normalised by :meth:`KnobSet.normalize`: (B, K), or (B, K, T) while they move.
            state: state returned for the previous samples; ``None`` at the start, after silence.

        Returns:
            Audio (B, C, T), delayed by ``latency`` samples, and the state for the following samples: tensors whose
            first axis is the batch.

        Raises:
            ShapeError: if the shapes do not fit the model or each other.
        """
        raise NotImplementedError

    def stream(self, audio: Tensor, knobs: Tensor, state: State) -> tuple[Tensor, State]:
        """Compute ``forward`` in inference; ``state`` may be overwritten and must not be used again.

        The weights must not change from the first call of a stream to the last.
        """
        runtime = self._find_stream()
        return self(audio, knobs, state) if runtime is None else runtime.advance(audio, knobs, state)

    def initial_state(
        self, batch: int, channels: int, device: torch.device | None = None, dtype: torch.dtype = torch.float32
    ) -> State:
        """Return the state at the start of a stream, after silence."""
        raise NotImplementedError

    def compact(self, state: State) -> State:
        """Return an equivalent state with the names and shapes of ``initial_state``."""
        runtime = self._find_stream()
        return state if runtime is None else runtime.compact(state)

    def _find_stream(self) -> "Stream | None":
        if self._stream is None and self.runtime is not None:
            self._stream = import_place(self.runtime, f"the stream of family '{self.family}'")(self)
        return self._stream

    def reference_inputs(self) -> dict[str, Tensor]:
        """Return deterministic keyword arguments of ``forward``, about a tenth of a second long."""
        length = -(-self.sample_rate // (10 * self.block_length)) * self.block_length
        generator = torch.Generator().manual_seed(0)
        audio = 0.3 * torch.randn(1, self.config.audio_channels, length, generator=generator)
        audio = audio * torch.linspace(0.1, 1.0, length)
        return {"audio": audio.clamp(-1, 1), "knobs": self.knobs.normalize(self.knobs.values())[None].float()}

    def detector(self, audio: Tensor) -> Tensor:
        """Return the network's input for audio (B, C, T): one common signal if the channels are linked."""
        return audio if audio.shape[1] == self.config.audio_channels else detector_signal(audio)

    def check_inputs(self, audio: Tensor, knobs: Tensor, state: Mapping[str, Tensor] | None) -> State:
        """Check the shapes of the inputs of ``forward``; return the state, the initial one for ``None``.

        Raises:
            ShapeError: if they do not fit the model or each other.
        """
        name, channels = type(self).__name__, self.config.audio_channels
        linked = channels == 1 and self.takes_linked_channels
        if audio.ndim != 3 or (audio.shape[1] != channels and not linked):
            hint = "; fold the channels into the batch" if audio.ndim == 3 and channels == 1 else ""
            raise ShapeError(f"audio {tuple(audio.shape)} for {name}; expected (B, {channels}, T){hint}")
        batch, channels, length = audio.shape
        if length % self.block_length:
            raise ShapeError(f"{length} samples for {name}; expected a multiple of {self.block_length}: pad the end")
        expected = (batch, len(self.knobs))
        if tuple(knobs.shape) not in (expected, (*expected, length)):
            raise ShapeError(f"knobs {tuple(knobs.shape)} for {name}; expected {expected} or {(*expected, length)}")
        if state is None:
            return self.initial_state(batch, channels, audio.device, audio.dtype)
        first = {tensor.shape[0] for tensor in state.values()}
        if first != {batch} and state:
            raise ShapeError(f"state of {sorted(first)} items for a batch of {batch}")
        return dict(state)
