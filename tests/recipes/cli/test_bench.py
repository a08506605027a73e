"""`ondes bench` as a user calls it."""

import json
from pathlib import Path

import pytest

from vocoders.core.errors import ConfigError

QUICK = ["--seconds", "0.1", "--threads", "1", "--runs", "1", "--no-memory"]


def test_models_peers_and_effects_in_one_run(ondes, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "bench.json"
    run = ondes(
        "bench", "wavehax:v2", "--models", "wavehax:v1", "recurrent:lstm_32", "--seconds", "0.1", "0.2", "--threads",
        "1", "--blocks", "256", "512", "--against", "griffin-lim", "--runs", "2", "--no-memory", "--out", out,
    )  # fmt: skip
    assert run.code == 0, run.err
    document = json.loads(out.read_text())
    names = [row["system"] for row in document["systems"]]
    assert names == ["wavehax:v2", "wavehax:v1", "griffin-lim", "recurrent:lstm_32"]
    speeds = [(row["system"], row["seconds_asked"]) for row in document["speed"]]
    assert speeds == [(name, seconds) for seconds in (0.1, 0.2) for name in names[:3]]
    assert all(len(row["runs"]) == 2 and row["rtf"] > 0 for row in document["speed"])
    assert [row["block"] for row in document["blocks"]] == [256, 512]
    assert document["systems"][0]["macs"] > 1e8
    assert document["systems"][0]["first_chunk"] > 0
    assert document["torch"] in run.out
    assert "speed / griffin-lim" in run.out
    assert ondes("bench", "--table", out).out == run.out


def test_shipped_models_are_the_default(ondes, tiny: str, monkeypatch) -> None:
    plans = []

    def refuse(plan):
        plans.append(plan)
        raise ConfigError("measured elsewhere")

    monkeypatch.setattr("recipes.benchmark.session.run_benchmark", refuse)
    run = ondes("bench", "--against", "vocos", "--steps", "4", "--precision", "fp32", "bf16", "--device", "auto")
    assert run.err == "error: measured elsewhere\n"
    (plan,) = plans
    assert [(r.source, r.precision, r.is_peer) for r in plan.systems] == [
        ("tiny-24k", "fp32", False),
        ("tiny-24k", "bf16", False),
        ("vocos", "fp32", True),
    ]
    assert {(r.steps, r.device) for r in plan.systems[:2]} == {(4, "auto")}
    assert (plan.seconds, plan.threads, plan.blocks) == ((1, 10), (1, 2), (64, 256, 1024, 4096))


def test_a_page_is_filled_in_place(ondes, tmp_path: Path) -> None:
    out, page = tmp_path / "b.json", tmp_path / "README.md"
    assert ondes("bench", "recurrent:lstm_32", *QUICK, "--blocks", "256", "--out", out).code == 0
    page.write_text("# Speed\n<!-- table: b.json -->\n<!-- end of table -->\n")
    assert ondes("bench", "--fill", page).code == 0
    assert "| recurrent:lstm_32 | 256 | 1 |" in page.read_text()
    assert page.read_text().startswith("# Speed\n<!-- table: b.json -->\n")


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["nothing"], "no model 'nothing'"),
        (["wavehax:v9"], "unknown variant 'v9' of wavehax"),
        (["--models", "vocos"], "pass --against vocos"),
        (["wavehax:v2", "--against", "hifigan"], "'hifigan'"),
        (["wavehax:v2", "--against", "onnx-runtime"], "--against onnx-runtime"),
        (["wavehax:v2", "--seconds", "long"], "--seconds: 'long'"),
        (["wavehax:v2", "--seconds", "0"], "--seconds: found '0'"),
        (["wavehax:v2", "--threads", "1.5"], "--threads: found '1.5'"),
        (["wavehax:v2", "--precision", "fp8"], "unknown precision 'fp8'"),
        (["wavehax:v2", "--device", "cuda:99"], "cuda:99"),
        (["wavehax:v2", "--out", "."], "is a folder"),
        (["--table", "none.json"], "none.json: "),
        (["--fill", "none.md"], "none.md"),
    ],
)
def test_misuse_is_one_line(ondes, arguments: list[str], cause: str) -> None:
    run = ondes("bench", *arguments)
    assert (run.code, run.out, run.err.count("\n")) == (2, "", 1), run.err
    assert cause in run.err


def test_busy_processes_beside_are_a_second_measurement(ondes, tmp_path: Path) -> None:
    out = tmp_path / "b.json"
    run = ondes("bench", "wavehax:v2", *QUICK, "--load", "2", "--out", out)
    assert run.code == 0, run.err
    document = json.loads(out.read_text())
    (quiet,), (busy,) = document["speed"], document["busy"]
    assert (busy["load"], busy["quiet_rtf"], busy["system"]) == (2, quiet["rtf"], quiet["system"])
    assert f"| 2 | {busy['rtf']:.4f} | {quiet['rtf']:.4f} |" in run.out
