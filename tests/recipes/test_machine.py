"""What a run computes on is checked, chosen and said."""

import pytest
import torch

from recipes.launcher import Launch
from recipes.machine import check_gpus, choose_threads
from recipes.trainer import Trainer
from vocoders.core.errors import ConfigError
from vocoders.core.threads import usable_cores


@pytest.fixture(autouse=True)
def threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_gpu_that_is_not_there_is_an_error_and_not_the_cpu(corpus, make_config, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.accelerator.is_available", lambda: False)
    for wanted in (1, 4):
        with pytest.raises(ConfigError, match=f"{wanted} GPUs wanted.*finds 0.*--n_gpus 0"):
            Trainer(make_config(corpus), tmp_path, gpus=wanted)
    check_gpus(None)
    assert Trainer(make_config(corpus), tmp_path, gpus=0).accelerator.device.type == "cpu"
    monkeypatch.setattr("torch.accelerator.is_available", lambda: True)
    monkeypatch.setattr("torch.accelerator.device_count", lambda: 2)
    check_gpus(2)
    with pytest.raises(ConfigError, match="finds 2"):
        check_gpus(3)


def test_threads_are_a_share_of_the_cores_unless_somebody_chose(monkeypatch):
    monkeypatch.setattr("recipes.machine.usable_cores", lambda: 12)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    agent = Launch(0, 4, 0, "localhost", 1, has_agent=True)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    for wanted, launch, on_gpu, expected in (
        (5, None, False, 5),
        (None, None, False, 12),
        (None, None, True, 4),
        (None, agent, False, 3),
    ):
        choose_threads(wanted, launch, on_gpu)
        assert torch.get_num_threads() == expected
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    choose_threads(None, None, False)  # as torch took it from the environment
    assert torch.get_num_threads() == 3
    choose_threads(None, agent, False)  # torchrun's own 1
    assert torch.get_num_threads() == 3
    assert usable_cores() >= 1


def test_the_log_begins_with_device_size_data_and_versions(corpus, make_config, tmp_path, caplog):
    with caplog.at_level("INFO"):
        Trainer(make_config(corpus, max_steps=1), tmp_path).run()
    text = caplog.text
    for words in ("wavehax on the CPU", "1 process, precision float32", "1 CPU threads", "parameters: generator"):
        assert words in text
    for words in ("5 utterances, 0.00 h; batch of 4 x 0.10 s", "1.2 steps in an epoch", "MiB", torch.__version__):
        assert words in text
    assert "step 1 of 1, 0 s left" in text
