"""The server through its API: every tab answers with audio that sounds, bad input with one message."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import wave
from pathlib import Path

import numpy as np
import pytest
from demo_server import REPOSITORY, bad_clips, buzz, free_port, serve, wait_until_warm, write_clip

from demo.library import find_entries

pytestmark = pytest.mark.slow

CAPTURES = REPOSITORY / "tests" / "effects" / "captures" / "files"
SPEECH = REPOSITORY / "vocoders" / "examples" / "speech.flac"

gradio_client = pytest.importorskip("gradio_client")


@pytest.fixture
def client(server, tmp_path):
    """A client of the warm server, with a folder of its own for downloads."""
    return gradio_client.Client(server.url, verbose=False, download_files=str(tmp_path / "downloads"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "buzz.wav", buzz(1.5))


def samples_of(path: str) -> tuple[np.ndarray, int]:
    with wave.open(str(path), "rb") as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float) / 32768
        return frames.reshape(-1, file.getnchannels()).T, file.getframerate()


@pytest.mark.parametrize("model", ["wavehax-24k", "tiny-turbo", "griffin-lim", "world"])
def test_every_vocoder_gives_audio_of_the_same_length_and_loudness(client, clip, model) -> None:
    reference, result, said, metrics = client.predict(gradio_client.handle_file(clip), model, api_name="/vocode")
    (a, rate), (b, _) = samples_of(reference), samples_of(result)
    assert rate == 24000
    assert a.shape == b.shape
    assert abs(a.shape[1] - 36000) <= 256
    assert np.sqrt(np.mean(b**2)) > 0.01
    assert "real time" in said
    assert "Mel distance" in metrics


def test_f0_scale_moves_the_pitch(client) -> None:
    from vocoders.frontends.f0 import F0Config, extract_f0

    contours = []
    for scale in (1.0, 1.5):
        result = client.predict(gradio_client.handle_file(SPEECH), "wavehax-24k", f0_scale=scale, api_name="/vocode")[1]
        audio, rate = samples_of(result)
        contours.append(extract_f0(audio[0].astype(np.float32), rate, 240, F0Config()))
    both = (contours[0] > 0) & (contours[1] > 0)
    assert both.sum() > 100
    assert np.median(contours[1][both] / contours[0][both]) == pytest.approx(1.5, rel=0.02)


def test_sampling_of_the_flow_is_followed(client, clip) -> None:
    def draw(**changes):
        return samples_of(
            client.predict(gradio_client.handle_file(clip), "tiny-turbo", **changes, api_name="/vocode")[1]
        )[0]

    first = draw()
    # What is left out is what the model itself says.
    assert np.array_equal(draw(solver="euler", steps=2, temperature=1.0, freeu="none", seed=0), first)
    changes = [{"solver": "midpoint"}, {"steps": 3}, {"temperature": 0.5}, {"freeu": "1.1, 0.9"}, {"mel_refinement": 2}]
    for change in [*changes, {"seed": 1}]:
        assert not np.array_equal(draw(**change), first), change


@pytest.mark.parametrize(
    "entry", [entry for entry in find_entries() if entry.kind != "effect"], ids=lambda entry: entry.name
)
def test_every_system_that_ships_answers_by_its_name_alone(client, entry) -> None:
    if entry.kind == "vocoder":
        # The clip of the page.
        result = client.predict(model=entry.name, api_name="/vocode")[1]
    else:
        result = client.predict(model=entry.name, seconds=0.5, api_name="/generate")[2]
    audio, rate = samples_of(result)
    assert rate == entry.sample_rate
    assert np.sqrt(np.mean(audio**2)) > 0.003


@pytest.mark.parametrize("effect", ["comp_4c", "biquad_peak", "delay", "distortion"])
def test_effects_render_with_knobs_and_null_test(client, clip, effect) -> None:
    dry, true, learned, null, said, levels = client.predict(
        gradio_client.handle_file(clip), effect, "", {}, api_name="/effect"
    )
    (x, rate), (y, _), (d, _) = (samples_of(path) for path in (dry, true, null))
    assert rate == 24000
    assert learned is None
    # What exceeds full scale is attenuated in its own file.
    gain = np.dot(y[0], x[0] + d[0]) / np.dot(x[0] + d[0], x[0] + d[0])
    assert gain <= 1.001
    assert np.abs(y - gain * (x + d)).max() < 5 / 32768 or gain < 0.99
    assert "true effect in" in said
    assert "null test" in levels


def test_effects_are_listed_with_knobs_and_models_and_answer_by_their_name_alone(client) -> None:
    listed = client.predict(api_name="/effects")
    assert listed["comp_4c"]["models"][-1] == "comp4c-tiny"
    assert [knob["name"] for knob in listed["comp_4c"]["knobs"]] == ["threshold", "ratio", "attack", "release"]
    assert listed["mystery"]["models"] == ["mystery"]
    for effect in listed:
        model = effect if effect == "mystery" else ""
        files = client.predict(effect=effect, model=model, api_name="/effect")[1:3]
        assert any(path and samples_of(path)[0].any() for path in files), effect


def test_knobs_change_the_effect_and_neutral_knobs_do_not(client, clip) -> None:
    def level(knobs):
        null = client.predict(gradio_client.handle_file(clip), "comp_4c", "", knobs, api_name="/effect")[3]
        return np.sqrt(np.mean(samples_of(null)[0] ** 2))

    assert level({"ratio": 1}) == 0
    assert level({"threshold": -30, "ratio": 5}) > level({"threshold": -10, "ratio": 2}) > 0


def test_a_learned_effect_plays_beside_the_true_one(client, clip) -> None:
    _, true, learned, null, said, levels = client.predict(
        gradio_client.handle_file(clip), "comp_4c", "comp4c-tiny", {"threshold": "-24dB"}, api_name="/effect"
    )
    audio = {name: samples_of(path) for name, path in (("true", true), ("learned", learned), ("null", null))}
    assert audio["true"][1] == 44100  # the model's rate
    difference = audio["learned"][0] - audio["true"][0]
    assert np.abs(difference - audio["null"][0]).max() < 3 / 32768
    assert "learned effect in" in said
    assert "difference to True" in levels


def test_a_learned_effect_without_a_true_one(client, clip) -> None:
    _, true, learned, *_ = client.predict(gradio_client.handle_file(clip), "mystery", "mystery", {}, api_name="/effect")
    assert true is None
    assert samples_of(learned)[0].any()


@pytest.mark.parametrize(("name", "knobs"), [("convnet_bn.nam", {}), ("aidax_gru8_knob.json", {"param1": 0.9})])
def test_an_uploaded_capture_plays_in_place_of_the_effect(client, clip, name, knobs) -> None:
    file = gradio_client.handle_file(CAPTURES / name)
    arguments = {"audio": gradio_client.handle_file(clip), "effect": "comp_4c", "model": "", "knobs": knobs}
    _, true, learned, _, said, _ = client.predict(**arguments, capture=file, api_name="/effect")
    assert true is None
    audio, rate = samples_of(learned)
    assert rate == 48000
    assert audio.any()
    assert "learned effect in" in said


def test_a_file_that_is_no_capture_gives_a_message(client, clip, tmp_path) -> None:
    arguments = {"audio": gradio_client.handle_file(clip), "effect": "comp_4c", "model": "", "knobs": {}}
    for name, content, said in (("amp.nam", "text", "no JSON"), ("amp.json", "{}", "no capture")):
        (tmp_path / name).write_text(content)
        with pytest.raises(Exception, match=said):
            client.predict(**arguments, capture=gradio_client.handle_file(tmp_path / name), api_name="/effect")


def test_stereo_stays_stereo_through_effects(client, tmp_path) -> None:
    left = buzz(1)
    path = write_clip(tmp_path / "stereo.wav", np.stack([left, 0.25 * left], axis=1))
    true = client.predict(gradio_client.handle_file(path), "comp_4c", "", {}, api_name="/effect")[1]
    audio, _ = samples_of(true)
    assert audio.shape[0] == 2
    assert not np.allclose(audio[0], audio[1])


def test_generation_arrives_in_pieces_and_equals_the_sampler(client, model_folder) -> None:
    from vocoders import load
    from vocoders.sashimi import CodeSampling
    from vocoders.sashimi.sampler import generate

    job = client.submit("tiny-digits", 3.0, temperature=0.9, top_p=0.95, seed=5, api_name="/generate")
    audio, rate = samples_of(job.result(timeout=200)[2])
    assert rate == 8000
    assert audio.shape == (1, 24000)
    states = [output[0] for output in job.outputs() if isinstance(output[0], dict) and "run" in output[0]]
    assert len(states) > 3
    assert [state["state"] for state in states][-1] == "done"
    model = load(model_folder / "tiny-digits")
    wanted = generate(model, 24000, sampling=CodeSampling(temperature=0.9, top_p=0.95), seed=5).audio[0]
    assert np.abs(audio - wanted.numpy()).max() < 2 / 32768


def test_a_label_is_said(client, model_folder) -> None:
    from vocoders import load
    from vocoders.sashimi import CodeSampling
    from vocoders.sashimi.sampler import generate

    wanted = {"model": "tiny-digits", "seconds": 0.5, "seed": 5, "api_name": "/generate"}
    _, said, result = client.predict(**wanted, label="two", guidance=2.0)
    assert "label: two" in said
    sampling = CodeSampling(guidance=2.0)
    expected = generate(load(model_folder / "tiny-digits"), 4000, sampling=sampling, seed=5, label="two").audio[0]
    assert np.abs(samples_of(result)[0] - expected.numpy()).max() < 2 / 32768
    with pytest.raises(Exception, match="one, two"):
        client.predict(**wanted, label="three")


def test_a_prompt_is_continued(client, clip) -> None:
    wanted = {"prompt": gradio_client.handle_file(clip), "prompt_seconds": 0.5}
    _, said, result = client.predict("tiny-digits", 1.0, **wanted, api_name="/generate")
    audio, rate = samples_of(result)
    assert audio.shape[1] == pytest.approx(1.5 * rate, abs=2)
    prompt = buzz(1.5)[-12000::3]
    correlation = np.corrcoef(audio[0, :4000], prompt)[0, 1]
    assert correlation > 0.95
    assert "0.5 s" in said


def test_a_generation_that_nobody_waits_for_ends(client) -> None:
    job = client.submit("tiny-digits", 15.0, api_name="/generate")
    for _ in range(200):
        if job.outputs():
            break
        time.sleep(0.02)
    assert job.cancel() or job.done()
    # The one place in the queue of generations is free again.
    started = time.perf_counter()
    client.predict("tiny-digits", 0.5, api_name="/generate")
    assert time.perf_counter() - started < 20


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("silent", "silent"),
        ("long", "limit is 30 s"),
        ("short", "at least 200 ms"),
        ("text", "not audio"),
        ("cut", "cut.flac"),
    ],
)
def test_bad_clips_give_messages_on_every_tab(client, server, tmp_path, name, message) -> None:
    file = gradio_client.handle_file(bad_clips(tmp_path)[name])
    calls = [
        ({"audio": file, "model": "wavehax-24k"}, "/vocode"),
        ({"audio": file, "effect": "comp_4c", "model": "", "knobs": {}}, "/effect"),
        ({"model": "tiny-digits", "prompt": file}, "/generate"),
    ]
    for arguments, api in calls:
        with pytest.raises(Exception, match=message) as caught:
            client.predict(**arguments, api_name=api)
        assert str(server.temporary) not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "api", "message"),
    [
        ({"model": "wavehax-24k", "f0_scale": 9.0}, "/vocode", "F0 scale.* 9.* 0.5 to 2"),
        ({"model": "wavehax-24k", "f0_scale": "high"}, "/vocode", "(?i)f0_scale 'high'; expected a number"),
        ({"model": "wavehax-24k", "steps": 4}, "/vocode", "'steps'.* f0_scale"),
        ({"model": "tiny-turbo", "solver": "rk45"}, "/vocode", "rk45"),
        ({"model": "tiny-turbo", "steps": 10_000}, "/vocode", "Steps.* 10000.* 1 to 64"),
        ({"model": "tiny-turbo", "steps": 2.5}, "/vocode", "'steps'"),
        ({"model": "tiny-turbo", "freeu": "1.1"}, "/vocode", "key 'freeu"),
        ({"model": "world", "seed": -1}, "/vocode", "Seed.* 0 to 2147483647"),
        ({"model": "/etc/passwd"}, "/vocode", "list"),
        ({"model": "tiny-digits"}, "/vocode", "list|no vocoder"),
        ({"effect": "comp_4c", "model": "", "knobs": {"treshold": 3}}, "/effect", "did you mean 'threshold'"),
        ({"effect": "comp_4c", "model": "", "knobs": {"threshold": 30}}, "/effect", "its range is"),
        ({"effect": "comp_4c", "model": "", "knobs": {"threshold": "loud"}}, "/effect", "not understood"),
        ({"effect": "comp_4c", "model": "mystery", "knobs": {}}, "/effect", "does not imitate|list"),
        ({"effect": "../comp", "model": "", "knobs": {}}, "/effect", "choose one from the list: comp_4c"),
        ({"effect": 3, "model": "", "knobs": {}}, "/effect", "choose one from the list: comp_4c"),
        ({"effect": "comp_4c", "model": "", "knobs": [0.5, 3]}, "/effect", "by name"),
    ],
)
def test_impossible_settings_give_messages(client, clip, arguments, api, message) -> None:
    with pytest.raises(Exception, match=message):
        client.predict(gradio_client.handle_file(clip), **arguments, api_name=api)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "sashimi-piano-16k", "guidance": 1.25}, "model without labels"),
        ({"model": "sashimi-piano-16k", "label": "two"}, "no labels"),
        ({"model": "tiny-digits", "temperature": 7}, "Temperature.* 7.* 0 to 1.5"),
        ({"model": "wavehax-24k"}, "from features|list"),
    ],
)
def test_impossible_wishes_of_a_generator_give_messages(client, arguments, message) -> None:
    with pytest.raises(Exception, match=message):
        client.predict(**arguments, seconds=0.5, api_name="/generate")


def raw_call(url: str, api: str, data: list) -> str:
    """Call the server as no client of Gradio would: paths are sent as they stand. Return its stream of events."""
    body = json.dumps({"data": data}).encode()
    request = urllib.request.Request(f"{url}gradio_api/call/{api}", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{url}gradio_api/call/{api}/{event}", timeout=180) as answer:
        return answer.read().decode()


def test_no_file_outside_the_uploads_is_read(server, client, tmp_path) -> None:
    parameters = client.view_api(return_format="dict")["named_endpoints"]["/vocode"]["parameters"]
    rest = [{"model": "world", "seed": 0}.get(each["parameter_name"]) for each in parameters[1:]]
    outside = write_clip(tmp_path / "secret.wav", buzz(1))
    write_clip(server.temporary.parent / "secret.wav", buzz(1))
    paths = [str(outside), "/etc/passwd", f"{server.temporary}/../secret.wav", "http://127.0.0.1:9/clip.wav"]
    for path in paths:
        for extra in ({}, {"url": path}, {"is_stream": True}):
            file = {"path": path, "meta": {"_type": "gradio.FileData"}} | extra
            events = raw_call(server.url, "vocode", [file, *rest])
            assert "event: error" in events, events[-300:]
            assert "complete" not in events
            assert "real time" not in events


def test_files_of_the_server_are_not_served(server) -> None:
    for path in ("/etc/passwd", str(Path(__file__)), "README.md"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{server.url}gradio_api/file={path}", timeout=60)
        assert caught.value.code in (403, 404)


def test_too_large_uploads_are_refused(client, tmp_path) -> None:
    path = tmp_path / "large.wav"
    path.write_bytes(bytes(21 << 20))
    with pytest.raises(Exception, match="413|exceed|large|size"):
        client.predict(gradio_client.handle_file(path), "world", api_name="/vocode")


def test_cards_and_speeds(client) -> None:
    card = client.predict("wavehax-24k", api_name="/card")
    assert card.startswith("## wavehax-24k")
    for name in ("wavehax-24k", "tiny-turbo", "tiny-digits", "comp4c-tiny", "world"):
        overview, said = client.predict(name, api_name="/speed")
        assert re.search(rf"{name}: [\d.]+ × real time", said), said
    assert overview.count("× real time") >= 5


def test_only_the_documented_endpoints_are_public(client) -> None:
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {
        "/vocode",
        "/generate",
        "/effect",
        "/effects",
        "/card",
        "/speed",
    }


def test_the_page_comes_at_once(tmp_path) -> None:
    with serve(tmp_path / "bare") as server:
        assert server.seconds_to_page < 60
        wait_until_warm(server)
        html = urllib.request.urlopen(server.url, timeout=60).read().decode()
        # Without a generative model there is a line that says so, or a model that ships.
        assert "No generative model is installed" in html or "sashimi" in html.lower()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("seconds", [1.0, 2.5, 12.0])
def test_the_server_ends_at_any_moment_and_leaves_nothing(tmp_path, ending, seconds) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "GRADIO_TEMP_DIR"} | {
        "TMPDIR": str(tmp_path)
    }
    command = [sys.executable, "-m", "demo", "--port", str(free_port())]
    with open(tmp_path.parent / "end.log", "wb") as log:
        # Tests in the background of a script inherit that Ctrl-C is ignored.
        heard = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
        process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=log, stderr=log, **heard)
        time.sleep(seconds)
        process.send_signal(ending)
        # Within a second of the start Python itself may still import.
        status = process.wait(60)
    text = (tmp_path.parent / "end.log").read_text()
    assert status in (0, 130, -ending), text
    assert "terminate called" not in text
    assert not list(tmp_path.glob("ondes-demo-*"))


def test_files_of_a_visitor_go_with_him_and_those_of_the_server_stay(server, tmp_path, clip) -> None:
    client = gradio_client.Client(server.url, verbose=False, download_files=False)
    client.predict(gradio_client.handle_file(clip), "griffin-lim", api_name="/vocode")
    results = server.temporary / "results"
    assert (results / "server").is_dir()
    assert list((results / client.session_hash).rglob("*.wav"))
    client.close()
    for _ in range(600):
        if not (results / client.session_hash).exists():
            break
        time.sleep(0.1)
    assert not (results / client.session_hash).exists()
    assert (results / "server").is_dir()


def test_a_wrong_folder_of_models_ends_with_one_line(tmp_path, repository) -> None:
    command = [sys.executable, "-m", "demo", "--models", str(tmp_path / "absent")]
    result = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=180)
    assert result.returncode == 2
    assert "is not a folder" in result.stderr
    assert "Traceback" not in result.stderr
