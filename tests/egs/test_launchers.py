"""Launchers of jobs: what is asked of Slurm, jobs that end with their script, time limits, several nodes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

EGS = Path(__file__).resolve().parents[2] / "egs"
UTILS = EGS / "utils"

# Runs the command once for each node, side by side, with the environment and the log of Slurm.
SRUN = """#!/usr/bin/env bash
printf '%s\\n' "$@" >>"$FAKE_CALLS"
nodes=1 log=/dev/null
while [[ "$1" == -* ]]; do
  case "$1" in
    --nodes) nodes="$2"; shift 2 ;;
    --output) log="$2"; shift 2 ;;
    --kill-on-bad-exit) shift ;;
    *) shift 2 ;;
  esac
done
export SLURM_JOB_ID=$$ SLURM_JOB_NODELIST=127.0.0.1 SLURM_STEP_NUM_TASKS="$nodes"
pids=()
for ((node = 0; node < nodes; node++)); do
  SLURM_PROCID=$node "$@" >>"$log" 2>&1 &
  pids+=($!)
done
status=0
for pid in "${pids[@]}"; do wait "$pid" || status=$?; done
exit "$status"
"""
SCONTROL = "#!/usr/bin/env bash\necho 127.0.0.1\n"


@pytest.fixture
def cluster(tmp_path):
    """Environment of a machine with a Slurm that starts everything here; the calls of srun are in `calls`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    path = f"{folder}:{Path(sys.executable).parent}:/usr/bin:/bin"
    return {"PATH": path, "FAKE_CALLS": str(tmp_path / "calls")}


def value_of(calls: str, option: str) -> str:
    words = calls.splitlines()
    return words[words.index(option) + 1]


def test_each_kind_of_job_has_its_own_slurm_options(cluster, tmp_path, shell):
    options = {"SLURM_OPTIONS": "--account me", "SLURM_OPTIONS_train": "--time 9", "SLURM_OPTIONS_cpu": "--mem 4G"}
    for kind, nodes, own, foreign in (("train", 2, "--time", "--mem"), ("cpu", 1, "--mem", "--time")):
        (tmp_path / "calls").unlink(missing_ok=True)
        words = ["--kind", kind, "--nodes", nodes, "--gpus", 2, "log", "true"]
        assert shell(UTILS / "slurm.sh", *words, cwd=tmp_path, **cluster, **options).returncode == 0
        calls = (tmp_path / "calls").read_text()
        assert value_of(calls, "--account") == "me"
        assert own in calls
        assert foreign not in calls
        assert value_of(calls, "--nodes") == value_of(calls, "--ntasks") == str(nodes)
        assert ("USR1@120" in calls) == (kind == "train")


@pytest.mark.skipif(not Path("/usr/bin/setpriv").exists(), reason="no setpriv on this machine")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("launcher", ["local.sh", "slurm.sh"])
def test_a_job_ends_when_its_script_is_killed(cluster, tmp_path, launcher, number):
    code = "import os, pathlib, time; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(60)"
    if launcher == "slurm.sh":
        (tmp_path / "bin/srun").write_text("#!/bin/sh\nexec python3 -c '" + code.replace("'", '"') + "'\n")
    script = subprocess.Popen(
        [UTILS / launcher, "log", sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | cluster,
        # What runs the tests may ignore it, and so would the script.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    pid, deadline = tmp_path / "pid", time.monotonic() + 20
    while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    script.send_signal(number)
    script.wait()
    while Path(f"/proc/{pid.read_text()}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid.read_text()}").exists()


# Stops at a time limit until it is called for the third time; then fails, or stops where it was.
TRAIN = """#!/usr/bin/env bash
[ "$1" = train ] || exit 0
n="$(grep -c . count 2>/dev/null || true)"
echo "$*" >>count
mkdir -p exp/train
if [ "${n:-0}" -lt 2 ]; then
  echo "{\\"signal\\": \\"${FAKE_SIGNAL:-SIGUSR1}\\", \\"step\\": ${FAKE_STEP:-$n}}" >exp/train/stopped.json
  exit 75
fi
"""


@pytest.mark.parametrize(
    ("variables", "calls", "code"),
    [({}, 3, 0), ({"FAKE_SIGNAL": "SIGTERM"}, 1, 75), ({"FAKE_STEP": "7"}, 2, 75)],
    ids=["time limit", "ended by hand", "no progress"],
)
def test_a_training_is_queued_again_at_a_time_limit(cluster, copy_recipe, shell, tmp_path, variables, calls, code):
    folder = copy_recipe("mini/wavehax")
    fake = tmp_path / "bin/ondes"
    fake.write_text(TRAIN)
    fake.chmod(0o755)
    words = ["./run.sh", "--stage", "2", "--stop_stage", "2", "--backend", "slurm"]
    result = shell(*words, cwd=folder, **cluster, **variables)
    assert result.returncode == code, result.stderr
    lines = (folder / "count").read_text().splitlines()
    assert len(lines) == calls
    assert all("--resume" in line for line in lines[1:])


def test_several_nodes_need_a_cluster_with_gpus(copy_recipe, shell):
    folder = copy_recipe("mini/wavehax")
    for options in (["--nodes", "2", "--n_gpus", "1"], ["--nodes", "2", "--backend", "slurm"]):
        result = shell("./run.sh", *options, "--stage", "2", cwd=folder)
        assert result.returncode == 2
        assert "--nodes 2" in result.stderr


@pytest.mark.slow
def test_two_nodes_train_as_one_process_with_the_whole_batch(cluster, tmp_path, shell, write_tone):
    """Through srun and torchrun's rendezvous, over TCP between two launchers."""
    from recipes.data.corpora import find_folder
    from recipes.data.preparation import prepare

    for index in range(4):
        write_tone(tmp_path / f"wav/{index}.wav", 100 + 40 * index)
    prepare(find_folder(tmp_path / "wav"), tmp_path / "data")
    config = {
        "family": "periodwave",
        "model": {"mel": "bigvgan_24k", "hidden_channels": 16, "energy": None},
        "data": {"train": "data", "segment_length": 8192, "num_workers": 0, "batch_size": 2},
        "objective": {"name": "flow_matching", "weighting": "none"},
        "trainer": {"max_steps": 4, "log_every": 1, "num_threads": 1},
    }
    (tmp_path / "conf.yaml").write_text(json.dumps(config))
    train = ["ondes", "train", "--config", "conf.yaml", "--gpus", "0"]
    own = {"PYTHONPATH": str(EGS.parent), "GLOO_SOCKET_IFNAME": "lo"}
    one = shell(*train, "--exp", "one", cwd=tmp_path, **own)
    assert one.returncode == 0, one.stderr
    words = [UTILS / "slurm.sh", "--kind", "train", "--nodes", "2", "log"]
    torchrun = [UTILS / "torchrun.sh", "--nodes", "2", "--processes", "1"]
    two = shell(*words, *torchrun, *train, "--exp", "two", "data.batch_size=1", cwd=tmp_path, **cluster, **own)
    assert two.returncode == 0, (tmp_path / "log").read_text()[-3000:]
    lines = {run: (tmp_path / run / "metrics.jsonl").read_text().splitlines() for run in ("one", "two")}
    for name in ("gradient/generator", "loss/flow_matching"):
        values = [[json.loads(line)[name] for line in lines[run]] for run in ("one", "two")]
        assert values[0] == pytest.approx(values[1], rel=1e-3)
    assert "2 processes" in (tmp_path / "log").read_text()


def test_options_and_changes_mix_and_help_shows_defaults(copy_recipe, shell, cluster, tmp_path):
    folder = copy_recipe("mini/wavehax")
    fake = tmp_path / "bin/ondes"
    fake.write_text('#!/usr/bin/env bash\necho "$*" >>calls\n')
    fake.chmod(0o755)
    words = ["./run.sh", "--stage", "2", "trainer.max_steps=3", "--stop_stage", "2", "trainer.seed=4", "--tag", "x"]
    result = shell(*words, cwd=folder, **cluster)
    assert result.returncode == 0, result.stderr
    assert f"log: {folder}/exp/x/log/train.log" in result.stdout
    [call] = (folder / "calls").read_text().splitlines()
    for word in ("trainer.max_steps=3", "trainer.seed=4", "--exp exp/x", "--gpus 0"):
        assert word in call
    text = shell("./run.sh", "--help", cwd=folder).stdout
    assert "[train-mini]" in text
    assert "[conf/train.yaml]" in text


@pytest.mark.parametrize(
    ("options", "reason"),
    [(["data.segment_length=7000", "--n_gpus", "0"], "segment_length 7000"), (["--n_gpus", "99"], "99 GPUs wanted")],
)
def test_what_would_stop_the_training_shows_before_the_first_stage(copy_recipe, shell, tmp_path, options, reason):
    folder = copy_recipe("template/vocoder")
    result = shell("./run.sh", "--audio_dir", tmp_path, *options, cwd=folder)
    assert result.returncode == 2
    assert reason in result.stderr
    assert not (folder / "data").exists()


@pytest.mark.parametrize(("recipe", "command"), [("sc09/sashimi", "generate"), ("comp4c/tcn", "effect")])
def test_recipes_end_with_the_command_for_their_kind_of_model(copy_recipe, shell, cluster, tmp_path, recipe, command):
    """And pack once: stages 3 and 5 need the same model."""
    folder = copy_recipe(recipe)
    fake = tmp_path / "bin/ondes"
    fake.write_text('#!/usr/bin/env bash\necho "$1" >>calls\n')
    fake.chmod(0o755)
    (folder / "data/test").mkdir(parents=True)
    (folder / "data/test/wav.scp").write_text("a /a.wav\n")
    (folder / "exp/x/generated").mkdir(parents=True)
    result = shell("./run.sh", "--stage", "3", "--tag", "x", "--n_gpus", "0", cwd=folder, **cluster)
    assert f"ondes {command} --model {folder}/exp/x/model" in result.stdout, result.stderr
    assert (folder / "calls").read_text().count("pack") == 1
    assert "--predicted" not in shell("./run.sh", "--help", cwd=folder).stdout


def test_a_configuration_of_accelerate_starts_the_processes(shell, tmp_path):
    fake = tmp_path / "bin/accelerate"
    fake.parent.mkdir()
    fake.write_text('#!/usr/bin/env bash\necho "$@"\n')
    fake.chmod(0o755)
    own = {
        "ACCELERATE_CONFIG_FILE": "cluster.yaml",
        "MASTER_ADDR": "node7",
        "MASTER_PORT": "29111",
        "SLURM_NODEID": "1",
    }
    own["PATH"] = f"{fake.parent}:/usr/bin:/bin"
    called = shell(UTILS / "torchrun.sh", "--nodes", "2", "--processes", "4", "ondes", "train", cwd=tmp_path, **own)
    assert called.returncode == 0, called.stderr
    words = called.stdout.split()
    options = dict(zip(words, words[1:], strict=False))
    assert words[0] == "launch"
    assert words[-3:] == ["--no_python", "ondes", "train"]
    expected = {"config_file": "cluster.yaml", "num_machines": "2", "num_processes": "8", "machine_rank": "1"}
    expected |= {"main_process_ip": "node7", "main_process_port": "29111"}
    assert {name: options[f"--{name}"] for name in expected} == expected
