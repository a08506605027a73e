"""Models and audio show themselves in notebooks: the sound is the audio, the picture is a bitmap of its spectrogram."""

import base64
import io
import re

import pytest
import soundfile
import torch
from PIL import Image

from vocoders import Clip, load
from vocoders.core.errors import OndesError

TONE = 0.5 * torch.sin(2 * torch.pi * 3000 * torch.arange(12000) / 24000)


def _decoded(page: str, kind: str) -> io.BytesIO:
    return io.BytesIO(base64.b64decode(re.search(rf"data:{kind};base64,([\w+/=]+)", page)[1]))


def test_a_clip_plays_and_draws_what_it_holds() -> None:
    page = Clip(TONE, 24000, "a <tone>")._repr_html_()
    audio, rate = soundfile.read(_decoded(page, "audio/wav"), dtype="float32")
    assert rate == 24000
    torch.testing.assert_close(torch.from_numpy(audio), TONE, rtol=0, atol=1 / 32000)
    assert "a &lt;tone&gt;" in page
    picture = Image.open(_decoded(page, "image/bmp")).convert("L")
    width, height = picture.size
    brightest = max(range(height), key=lambda row: picture.getpixel((width // 2, row)))
    # Low frequencies are below; 3 kHz is a quarter of the way up.
    assert brightest == pytest.approx(0.75 * height, abs=2)


@pytest.mark.parametrize("shape", [(100,), (2, 3000), (1, 2, 3000)])
def test_shapes_of_audio(shape: tuple[int, ...]) -> None:
    clip = Clip(torch.zeros(shape), 16000)
    assert clip.audio.shape == (1 if len(shape) == 1 else 2, shape[-1])
    assert "img" in clip._repr_html_()
    assert repr(clip).startswith("Clip(")


def test_a_batch_is_refused() -> None:
    with pytest.raises(OndesError, match="one clip"):
        Clip(torch.zeros(2, 1, 100), 16000)


def test_a_model_shows_its_card() -> None:
    model = load("wavehax-24k")
    page = model._repr_html_()
    assert "family wavehax" in page
    assert f"{sum(parameter.numel() for parameter in model.parameters()):,}" in page
    assert "kernel_size" in page
