"""The page of an evaluation: complete in itself, bounded, showing the very sound and values that were measured."""

import base64
import io
import re
import xml.etree.ElementTree as ElementTree
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile

from recipes.metrics.evaluation import evaluate_systems
from recipes.metrics.registry import create_metrics
from recipes.metrics.report import choose_utterances, results_html
from recipes.metrics.report_media import audio_address, decibels, spectrogram_address
from recipes.metrics.report_plots import strip_plot

RATE = 16000


@pytest.fixture
def corpus(tmp_path):
    """Five references, and a system whose gain falls with the number of the file: u4 is the worst by level."""
    for index in range(5):
        samples = 0.1 * np.random.default_rng(index).standard_normal(4000)
        for folder, gain in (("ref", 1.0), ("<quiet> & co", 1 - 0.15 * index)):
            (tmp_path / folder).mkdir(exist_ok=True)
            soundfile.write(tmp_path / folder / f"u{index}.wav", gain * samples, RATE)
    return tmp_path


def run(corpus, metrics=("mae", "level_difference"), **options):
    return evaluate_systems(corpus / "ref", {"<quiet> & co": corpus / "<quiet> & co"}, metrics, **options)


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def test_the_page_is_well_formed_and_asks_for_nothing_from_outside(corpus):
    (corpus / "<quiet> & co" / "u2.wav").write_text("broken")
    text = results_html(run(corpus, natural=True), "A <title>", ["a note & more"])
    page = Page(text)
    addresses = [v for _, attributes in page.tags for k, v in attributes.items() if k in ("src", "href", "srcset")]
    assert addresses
    assert all(address.startswith("data:") for address in addresses)
    assert not re.search(r"https?:|@import|url\(", text)
    assert not any(tag in ("script", "link", "iframe", "object") for tag, _ in page.tags)
    assert "A &lt;title&gt;" in text
    assert "<quiet>" not in text
    assert "prefers-color-scheme: dark" in text
    assert "broken" in text


def test_every_system_is_heard_beside_its_reference(corpus):
    page = Page(results_html(run(corpus), num_files=3))
    assert [tag for tag, _ in page.tags].count("audio") == 6
    sounds = [attributes["src"] for tag, attributes in page.tags if tag == "audio"]
    first = soundfile.read(io.BytesIO(base64.b64decode(sounds[0].partition(",")[2])))
    np.testing.assert_array_equal(first[0], soundfile.read(corpus / "ref" / "u4.wav")[0])


def test_utterances_are_chosen_from_the_worst_to_the_best(corpus):
    result = run(corpus)
    assert choose_utterances(result, 9) == ["u4", "u3", "u2", "u1", "u0"]
    assert choose_utterances(result, 3) == ["u4", "u2", "u0"]
    # Signed: the level that is furthest from zero is the worst.
    assert choose_utterances(run(corpus, ["level_difference"]), 2) == ["u4", "u0"]
    assert choose_utterances(result, 0) == []


def test_the_size_is_bounded_by_files_and_by_seconds(corpus):
    sizes = [len(results_html(run(corpus), num_files=count)) for count in (0, 1, 5)]
    assert sizes[0] < 20_000 < sizes[1]
    assert sizes[2] < 6 * sizes[1]
    for folder in ("ref", "<quiet> & co"):
        soundfile.write(corpus / folder / "u0.wav", np.ones(40 * RATE) * 0.1, RATE)
    page = Page(results_html(run(corpus), num_files=5))
    sounds = [attributes["src"] for tag, attributes in page.tags if tag == "audio"]
    assert soundfile.info(io.BytesIO(base64.b64decode(sounds[-1].partition(",")[2]))).frames == 20 * RATE


def test_a_file_that_is_gone_leaves_the_page_without_it(corpus):
    result = run(corpus)
    for folder in ("ref", "<quiet> & co"):
        (corpus / folder / "u0.wav").unlink()
    assert [tag for tag, _ in Page(results_html(result, num_files=5)).tags].count("audio") == 8


def test_audio_survives_bit_for_bit_and_is_limited_to_full_scale():
    samples = np.array([[0.5, -1.0, 2.0, 1 / 32768], [0.0, 0.25, -3.0, 0.0]], np.float32)
    found, rate = soundfile.read(io.BytesIO(base64.b64decode(audio_address(samples, 44100).partition(",")[2])))
    assert rate == 44100
    np.testing.assert_array_equal(found.T, np.clip(samples, -1, 32767 / 32768))


@pytest.mark.parametrize("frequency", [1000, 6000])
def test_a_tone_is_bright_at_its_frequency_in_the_decoded_picture(frequency):
    time = np.arange(RATE) / RATE
    spectrum = decibels(0.5 * np.sin(2 * np.pi * frequency * time)[None], RATE)
    address = spectrogram_address(spectrum, spectrum.max())
    picture = _decode_png(base64.b64decode(address.partition(",")[2]))
    assert picture.shape == (192, 480)
    middle = picture[:, 240].astype(int)
    assert middle.argmax() == pytest.approx(192 * (1 - frequency / (RATE / 2)), abs=1.5)
    assert middle.max() == 63
    assert np.sort(middle)[96] == 0


def _decode_png(content):
    """Decode palette indices, checksums verified, filter 0 only."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    position, chunks = 8, {}
    while position < len(content):
        length = int.from_bytes(content[position : position + 4], "big")
        kind, data = content[position + 4 : position + 8], content[position + 8 : position + 8 + length]
        assert zlib.crc32(kind + data) == int.from_bytes(content[position + 8 + length : position + 12 + length], "big")
        chunks[kind] = data
        position += 12 + length
    width, height = (int.from_bytes(chunks[b"IHDR"][i : i + 4], "big") for i in (0, 4))
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not lines[:, 0].any()
    return lines[:, 1:]


def test_plots_hold_every_value_in_order_and_few_dots_of_many(corpus):
    result = run(corpus)
    svg = ElementTree.fromstring(strip_plot(result, result.metrics[0]))
    dots = svg.findall("circle")
    values = {dot.find("title").text: float(dot.get("cx")) for dot in dots}
    assert len(values) == 5
    assert list(values.values()) == sorted(values.values())
    assert [name.split(":")[0] for name in values] == ["u0", "u1", "u2", "u3", "u4"]
    positions = np.array(list(values.values()))
    expected = [score.values["mae"] for score in result.scores]
    np.testing.assert_allclose(np.corrcoef(positions, expected)[0, 1], 1, atol=1e-5)


def test_short_and_silent_sound_can_be_drawn():
    assert spectrogram_address(decibels(np.zeros((1, 3), np.float32), RATE), 0.0).startswith("data:image/png")


def test_a_metric_without_any_value_has_no_plot(corpus):
    (metric,) = create_metrics(["gain_trace"])
    assert strip_plot(run(corpus), metric) == ""


def test_a_system_without_any_value_stands_beside_one_that_has_some(corpus):
    (corpus / "silent").mkdir()
    for index in range(5):
        soundfile.write(corpus / "silent" / f"u{index}.wav", np.zeros(4000), RATE)
    folders = {"<quiet> & co": corpus / "<quiet> & co", "silent": corpus / "silent"}
    result = evaluate_systems(corpus / "ref", folders, ["level_difference"])
    assert [result.summary(system, "level_difference").n for system in folders] == [5, 0]
    page = results_html(result)
    Page(page)
    assert len(re.findall("<td><b>", page)) == 1
