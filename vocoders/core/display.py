"""How models and audio show themselves in a notebook: as HTML, without another package."""

import base64
import html
import io

import soundfile
import torch
import yaml
from torch import Tensor

from vocoders.core.checks import check_audio
from vocoders.core.config import Config
from vocoders.core.errors import ShapeError

__all__ = ["Clip", "card_html"]

_WINDOW, _HOP, _BANDS, _RANGE_DB = 1024, 256, 256, 80.0


class Clip:
    """Audio that a notebook plays, with its spectrogram.

    Args:
        audio: (T,), (C, T) or (1, C, T), full scale 1.
        sample_rate: in Hz.
        title: above the player.

    Raises:
        ShapeError: for another shape.
    """

    def __init__(self, audio: Tensor, sample_rate: int, title: str = "") -> None:
        audio = check_audio(audio, dtype=None).detach().cpu().float()
        if audio.dim() == 3 and len(audio) == 1:
            audio = audio[0]
        if audio.dim() > 2:
            raise ShapeError(f"audio of shape {tuple(audio.shape)}; expected one clip (T,) or (C, T)")
        self.audio, self.sample_rate, self.title = torch.atleast_2d(audio), sample_rate, title

    def __repr__(self) -> str:
        seconds = self.audio.shape[-1] / self.sample_rate
        return f"Clip({self.title!r}, {seconds:.2f} s, {len(self.audio)} channels, {self.sample_rate} Hz)"

    def _repr_html_(self) -> str:
        heading = f"<b>{html.escape(self.title)}</b><br>" if self.title else ""
        sound = io.BytesIO()
        soundfile.write(sound, self.audio.T.numpy().clip(-1, 1), self.sample_rate, "PCM_16", format="WAV")
        player = f'<audio controls src="data:audio/wav;base64,{_encoded(sound.getvalue())}"></audio>'
        return f"<figure>{heading}{player}<br>{self._picture()}</figure>"

    def _picture(self) -> str:
        """Return a spectrogram of the first channel as an image: 80 dB from black to white, low frequencies below."""
        window = torch.hann_window(_WINDOW)
        spectrum = torch.stft(self.audio[0], _WINDOW, _HOP, window=window, pad_mode="constant", return_complex=True)
        level = 20 * spectrum.abs().clamp(min=1e-6).log10()
        shade = (255 * (1 + (level - level.max()) / _RANGE_DB).clamp(0, 1)).byte().flip(0)
        height, width = shade.shape
        # A bitmap needs no library: a header, a palette of greys, and rows from the bottom, padded to four bytes.
        rows = torch.nn.functional.pad(shade.flip(0), (0, -width % 4)).contiguous().numpy().tobytes()
        palette = b"".join(bytes((grey, grey, grey, 0)) for grey in range(256))
        sizes = (40, width, height, 1 | 8 << 16, 0, len(rows), 0, 0, 256, 0)
        header = b"".join(number.to_bytes(4, "little") for number in sizes)
        start = 14 + len(header) + len(palette)
        file = b"BM" + (start + len(rows)).to_bytes(4, "little") + bytes(4) + start.to_bytes(4, "little")
        picture = _encoded(file + header + palette + rows)
        image = f'<img alt="spectrogram" width="600" height="160" src="data:image/bmp;base64,{picture}">'
        seconds, top = self.audio.shape[-1] / self.sample_rate, self.sample_rate / 2000
        return f"{image}<br><small>{seconds:.2f} s; 0 to {top:g} kHz</small>"


def card_html(title: str, config: Config) -> str:
    """Return a card of a model: a title, what differs from the defaults, and the whole configuration to unfold."""
    changed = yaml.safe_dump(
        config.model_dump(mode="json", exclude_defaults=True), sort_keys=False, width=100, default_flow_style=None
    )
    whole = f"<details><summary>configuration</summary>{_preformatted(config.to_yaml())}</details>"
    return f"<b>{html.escape(title)}</b>{_preformatted(changed)}{whole}"


def _preformatted(text: str) -> str:
    return f'<pre style="text-align:left">{html.escape(text)}</pre>'


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
