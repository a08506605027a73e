"""The page in Chromium: every tab is used as visitors use it, and what comes out is listened to."""

import re

import numpy as np
import pytest
from demo_server import REPOSITORY, bad_clips, buzz, write_clip
from seen import audio_of, choose, go_to, measured, ready, result_of, rms, set_number, tracks_of, upload

from demo.clips import SPEECH
from demo.library import Library, find_entries
from demo.sound import to_integers
from demo.work.vocode import Settings, vocode

CAPTURES = REPOSITORY / "tests" / "effects" / "captures" / "files"

pytestmark = pytest.mark.slow


def synthesise(page) -> str:
    """Press the button; return the name of the result with its metrics."""
    old = result_of(page, "vocoder-player")
    page.locator("#vocoder-run").click()
    return measured(page, old)


def test_a_result_is_there_when_the_page_opens(open_page, screenshots) -> None:
    page = open_page()
    ready(page, "vocoder-player")
    (a, rate), (b, _) = (audio_of(page, "vocoder-player", name) for name in ("clip", "wavehax-24k"))
    assert rate == 24000
    assert len(a) == len(b) > 4 * rate
    assert min(rms(a), rms(b)) > 0.01
    # Two clips, their difference, and F0.
    page.wait_for_function("document.querySelectorAll('#vocoder-player canvas').length === 4")
    assert "real time" in page.locator("#vocoder-status").inner_text()
    assert "PESQ" in page.locator("#vocoder-metrics").inner_text()
    page.screenshot(path=screenshots / "first_paint.png")
    page.screenshot(path=screenshots / "vocoder.png", full_page=True)
    for tab, player in (("Generate", "generate-player"), ("Effects", "effects-player")):
        go_to(page, tab)
        ready(page, player)
    assert not page.problems
    assert not page.foreign, "the page asks for something outside this machine"


def test_all_vocoders_on_one_clip(open_page, screenshots, tmp_path) -> None:
    page = open_page()
    old = ready(page, "vocoder-player")
    upload(page, "vocoder-clip", write_clip(tmp_path / "short.wav", buzz(0.6)))
    page.locator("#vocoder-status").get_by_text("0.60 s at 24 kHz").wait_for()
    # What is there belongs to another clip.
    page.locator("#vocoder-player .player[data-stale=yes]").wait_for()
    page.locator("#vocoder-all").click()
    page.locator("#vocoder-status").get_by_text("vocoders on one clip").wait_for(timeout=120_000)
    assert ready(page, "vocoder-player", old)
    assert page.locator("#vocoder-player .player[data-stale=yes]").count() == 0
    systems = [entry.name for entry in find_entries() if entry.kind == "vocoder"] + ["tiny-turbo"]
    assert set(tracks_of(page, "vocoder-player")) == {"clip", *systems}
    assert page.locator("#vocoder-metrics tbody tr").count() == len(systems)
    page.screenshot(path=screenshots / "all_vocoders.png", full_page=True)
    assert not page.problems


def test_work_shows_its_progress_and_can_be_cancelled(open_page, screenshots) -> None:
    page = open_page()
    ready(page, "vocoder-player")
    page.locator("#vocoder-all").click()
    page.locator("#vocoder-status").get_by_text(
        re.compile(r"wavehax-24k - \d|1 of \d vocoders|\d+\.\d+s")
    ).first.wait_for()
    page.screenshot(path=screenshots / "progress.png")
    page.locator("#vocoder-cancel").click()
    page.locator("#vocoder-status").get_by_text("Cancelled.").wait_for()
    # The next run is not stopped by the old wish.
    assert synthesise(page)


def test_controls_follow_the_vocoder(open_page) -> None:
    page = open_page()
    ready(page, "vocoder-player")
    assert page.locator("#vocoder-f0-scale").is_visible()
    assert not page.get_by_label("Solver").is_visible()
    choose(page, "vocoder-model", "tiny-turbo")
    page.get_by_label("Solver").wait_for()
    assert not page.locator("#vocoder-f0-scale").is_visible()
    assert page.locator("#vocoder-steps input[type=number]").input_value() == "2"
    assert page.locator("#vocoder-solver input").input_value() == "euler"
    page.get_by_label("FreeU").fill("1.1, 0.9")
    synthesise(page)
    assert rms(audio_of(page, "vocoder-player", "tiny-turbo")[0]) > 0.005
    choose(page, "vocoder-model", "WORLD")
    page.locator("#vocoder-f0-scale").wait_for()
    assert not page.get_by_label("FreeU").is_visible()


@pytest.mark.parametrize("model", ["wavehax-24k", "griffin-lim"])
def test_untouched_and_hidden_controls_leave_a_model_its_own_settings(open_page, tmp_path, monkeypatch, model) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    speech = tmp_path / "speech.flac"
    speech.write_bytes(SPEECH.read_bytes())
    page = open_page()
    ready(page, "vocoder-player")
    entries = {entry.name: entry for entry in find_entries()}
    if model != "wavehax-24k":
        # The page keeps a control that the model does not have, and the model settings that no other one has.
        set_number(page, "vocoder-f0-scale", "1.3")
        choose(page, "vocoder-model", re.escape(entries[model].label))
    synthesise(page)
    # Every run draws a new seed, and the page shows it.
    seed = int(page.locator("#vocoder-seed input").input_value())
    assert seed > 0
    heard = audio_of(page, "vocoder-player", model)[0]
    copy = vocode(Library(entries.values()), Settings(model, seed=seed), str(speech), lambda fraction: None)
    assert np.abs(heard - to_integers(copy.result) / 32768).max() <= 1 / 32768


def test_a_stream_plays_while_it_is_computed_and_says_where_there_is_none(open_page) -> None:
    page = open_page()
    ready(page, "vocoder-player")
    page.get_by_label("Live: play while it computes").check()
    synthesise(page)
    assert "pieces while it was computed" in page.locator("#vocoder-status").inner_text()
    live = page.evaluate("({...document.querySelector('#vocoder-stream .live').dataset})")
    assert live["state"] == "done"
    assert float(live["seconds"]) > 4
    choose(page, "vocoder-model", "Mel inversion")
    synthesise(page)
    assert "has no stream" in page.locator("#vocoder-status").inner_text()


def test_the_blind_test_keeps_score_and_shows_nothing(open_page, screenshots) -> None:
    page = open_page()
    ready(page, "vocoder-player")
    page.get_by_text("Blind test: A/B/X").click()
    old = None
    for trial in (1, 2):
        page.locator("#blind-new").click()
        old = ready(page, "blind-player", old)
        sounds = {name: np.trim_zeros(audio_of(page, "blind-player", name)[0]) for name in "ABX"}
        same = [name for name in "AB" if np.array_equal(sounds[name], sounds["X"])]
        assert len(same) == 1
        # Right the first time, wrong the second.
        choice = same[0] if trial == 1 else "AB".replace(same[0], "")
        page.locator(f"#blind-x-is-{choice}").click()
        page.get_by_text(f"Score: 1 of {trial}").wait_for()
    page.screenshot(path=screenshots / "blind.png", full_page=True)
    assert page.locator("#blind-x-is-A").is_disabled()


def test_what_a_blind_test_shows_does_not_tell(open_page) -> None:
    """A script that sees pictures, sizes, names, levels and headers guesses no better than chance."""
    page = open_page()
    ready(page, "vocoder-player")
    page.get_by_text("Blind test: A/B/X").click()
    old, shown = None, set()
    player = page.locator("#blind-player")
    for _ in range(8):
        page.locator("#blind-new").click()
        old = ready(page, "blind-player", old)
        assert player.locator("canvas").count() == 0
        clips, looks = tracks_of(page, "blind-player"), {}
        for name in "ABX":
            player.get_by_role("radio", name=name, exact=True).click()
            answer = page.request.get(f"{page.url.split('?')[0]}gradio_api/file={clips[name]['path']}")
            headers = {key: answer.headers.get(key) for key in ("content-length", "content-type")}
            sound = {key: clips[name][key] for key in ("seconds", "equal_db", "level_db")}
            looks[name] = (str(headers), str(sound), clips[name]["path"].rsplit("/", 1)[-1].replace(name, ""))
        shown.add(tuple(looks.values()))
        assert looks["A"] == looks["B"] == looks["X"]
        page.locator("#blind-x-is-A").click()
        page.locator("#blind-x-is-A[disabled]").wait_for()
    # Every trial looked alike, too: all that is left is guessing.
    assert len(shown) == 1


def test_generation_is_heard_while_it_is_made(open_page, screenshots) -> None:
    page = open_page()
    go_to(page, "Generate")
    old = ready(page, "generate-player")
    choose(page, "generate-model", "tiny-digits")
    page.get_by_label("two", exact=True).check()
    set_number(page, "generate-samples", "2")
    page.locator("#generate-run").click()
    page.wait_for_function("document.querySelector('#generate-live .live').dataset.seconds > 0")
    page.wait_for_function("document.querySelectorAll('#generate-player [data-track]').length === 2")
    live = page.evaluate("({...document.querySelector('#generate-live .live').dataset})")
    audio, rate = audio_of(page, "generate-player", "1")
    assert live["state"] == "done"
    # Everything that the result holds has been played while it was made.
    assert float(live["seconds"]) == pytest.approx(len(audio) / rate, abs=0.01)
    assert rms(audio) > 0.01
    assert not np.array_equal(audio, audio_of(page, "generate-player", "0")[0])
    told = page.locator("#generate-status").inner_text()
    assert "samples per second" in told
    assert "label: two" in told
    page.screenshot(path=screenshots / "generate.png", full_page=True)
    # A result is continued from any point of it.
    beginning = audio_of(page, "generate-player", "0")[0]
    page.locator("#generate-player [data-track='0']").click()
    page.locator("#generate-player .position").fill("1")
    old = result_of(page, "generate-player")
    page.get_by_role("button", name="Continue from here").click()
    ready(page, "generate-player", old)
    longer = audio_of(page, "generate-player", "0")[0]
    assert len(longer) == pytest.approx(3 * rate, abs=2)
    assert np.corrcoef(longer[:rate], beginning[:rate])[0, 1] > 0.95
    # A surprise has a label and a new seed.
    seed, old = page.locator("#generate-seed input").input_value(), result_of(page, "generate-player")
    page.locator("#generate-surprise").click()
    ready(page, "generate-player", old)
    assert page.locator("#generate-seed input").input_value() != seed
    assert not page.problems


def test_a_generation_can_be_cancelled_and_keeps_what_it_has(open_page) -> None:
    page = open_page()
    go_to(page, "Generate")
    old = ready(page, "generate-player")
    choose(page, "generate-model", "slow")
    set_number(page, "generate-seconds", "15")
    page.locator("#generate-run").click()
    page.locator("#generate-live .live[data-state=running]").wait_for()
    page.locator("#generate-cancel").click()
    page.get_by_text("Cancelled").wait_for()
    old = ready(page, "generate-player", old)
    audio, rate = audio_of(page, "generate-player", "0")
    assert 0 < len(audio) < 15 * rate
    # The next one is not stopped by the old wish.
    choose(page, "generate-model", "tiny-digits")
    set_number(page, "generate-seconds", "1")
    page.locator("#generate-run").click()
    page.get_by_text("1.00 s drawn").wait_for()


def test_bad_files_are_named_at_once_and_the_page_goes_on(open_page, screenshots, tmp_path) -> None:
    page = open_page()
    ready(page, "vocoder-player")
    files = bad_clips(tmp_path)
    for name, message in {"silent": "is silent", "long": "limit is 30 s", "text": "not audio"}.items():
        upload(page, "vocoder-clip", files[name])
        # The reason stands where results are announced, before any button is pressed.
        page.locator("#vocoder-status [role=alert]").get_by_text(re.compile(message)).wait_for()
    page.screenshot(path=screenshots / "message.png")
    upload(page, "vocoder-clip", write_clip(tmp_path / "good.wav", buzz(1)))
    page.locator("#vocoder-status").get_by_text("1.00 s at 24 kHz").wait_for()
    synthesise(page)
    assert rms(audio_of(page, "vocoder-player", "wavehax-24k")[0]) > 0.005


def test_a_recording_of_the_microphone_is_taken(open_page) -> None:
    page = open_page()
    ready(page, "vocoder-player")
    page.locator("#vocoder-clip button[aria-label='Clear']").first.click()
    page.locator("#vocoder-clip button[aria-label='Record audio']").first.click()
    page.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(2000)
    page.get_by_role("button", name="Stop", exact=True).click()
    page.locator("#vocoder-clip button[aria-label='Play']").wait_for()
    page.wait_for_timeout(500)
    synthesise(page)
    assert rms(audio_of(page, "vocoder-player", "clip")[0]) > 0.001


def test_a_capture_brings_its_knobs_and_plays(open_page, screenshots) -> None:
    page = open_page()
    go_to(page, "Effects")
    old = ready(page, "effects-player")
    page.get_by_text("Capture of an amplifier or a pedal").click()
    upload(page, "effects-capture", CAPTURES / "aidax_gru8_knob.json")
    page.get_by_role("slider", name="param1").wait_for()
    assert page.get_by_role("slider", name="threshold").count() == 0
    old = ready(page, "effects-player", old)
    assert set(tracks_of(page, "effects-player")) == {"clip", "learned", "null"}
    assert rms(audio_of(page, "effects-player", "learned")[0]) > 0.001
    page.screenshot(path=screenshots / "capture.png", full_page=True)
    page.locator("#effects-capture button[aria-label='Clear']").first.click()
    page.get_by_role("slider", name="threshold").wait_for()
    assert not page.problems


def test_models_are_listed_with_cards_and_measured(open_page, screenshots) -> None:
    page = open_page()
    go_to(page, "Models")
    for text in ("wavehax-24k", "tiny-digits", "comp4c-tiny", "601,581", "cc-by-4.0"):
        page.locator("#models-table").get_by_text(text, exact=True).first.wait_for()
    choose(page, "models-model", "tiny-digits")
    page.locator("#models-card").get_by_text("family sashimi").wait_for()
    page.locator("#models-measure").click()
    page.locator("#models-status").get_by_text("Median of 3 runs").wait_for()
    assert "× real time" in page.locator("#models-table").inner_text()
    page.screenshot(path=screenshots / "models.png", full_page=True)
