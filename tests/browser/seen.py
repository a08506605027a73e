"""What tests of the page do and look at: tabs, choices, players."""

import io
import re
import wave

import numpy as np


def go_to(page, tab: str) -> None:
    page.get_by_role("tab", name=tab).click()


def choose(page, name: str, option: str) -> None:
    page.locator(f"#{name} input").first.click()
    page.get_by_role("option", name=re.compile(option)).first.click()


def set_number(page, name: str, value: str) -> None:
    field = page.locator(f"#{name} input[type=number]").first
    field.fill(value)
    field.press("Enter")


def upload(page, name: str, path) -> None:
    remove = page.locator(f"#{name} button[aria-label='Clear']")
    if remove.count():
        remove.first.click()
    page.locator(f"#{name} input[type=file]").first.set_input_files(str(path))


def ready(page, player: str, old: str | None = None, timeout: float = 90_000) -> str:
    """Wait until a player has another result than ``old``; return the name of the result."""
    wait = """([id, old]) => { const root = document.querySelector(`#${id} .player`);
        return root && root.dataset.state === 'ready' && root.dataset.id !== old && root.dataset.id; }"""
    return page.wait_for_function(wait, arg=[player, old], timeout=timeout).json_value()


def measured(page, old: str) -> str:
    """Wait until the vocoder's player has another result than ``old``, with its measured F0."""
    wait = """(old) => { const { id, pictures } = document.querySelector('#vocoder-player .player').dataset;
        return id !== old && pictures.includes('f0') && id; }"""
    return page.wait_for_function(wait, arg=old, timeout=90_000).json_value()


def result_of(page, player: str) -> str:
    """Return the name of the result that a player has now."""
    return page.evaluate("(id) => document.querySelector(`#${id} .player`).dataset.id", player)


def tracks_of(page, player: str) -> dict[str, dict]:
    """Return the clips of a player by name."""
    script = """(id) => document.querySelector(`#${id} .player`).transport.tracks.map(
        ({ name, label, path, seconds, equal_db, level_db }) => ({ name, label, path, seconds, equal_db, level_db }))"""
    return {track["name"]: track for track in page.evaluate(script, player)}


def audio_of(page, player: str, track: str) -> tuple[np.ndarray, int]:
    """Fetch a clip of a player; samples (T,) of the first channel and the rate."""
    path = tracks_of(page, player)[track]["path"]
    body = page.request.get(f"{page.url.split('?')[0].split('#')[0]}gradio_api/file={path}").body()
    with wave.open(io.BytesIO(body), "rb") as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
        return frames[:: file.getnchannels()], file.getframerate()


def state_of(page, player: str) -> dict:
    """Return what a player does: playing, heard, position in seconds, number of voices that sound."""
    script = """(id) => { const { playing, heard, position, tracks } =
        document.querySelector(`#${id} .player`).transport;
        return { playing, heard, position, voices: tracks.filter((track) => track.voice).length }; }"""
    return page.evaluate(script, player)


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples**2)))
