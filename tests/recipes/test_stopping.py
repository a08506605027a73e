"""A request to stop: what it interrupts, what it leaves alone, and how the run ends."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from recipes.agreement import Agreement
from recipes.stopping import LeaveAtOnce, StopRequest, TrainingStopped
from vocoders.core.errors import OndesError


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("number", "consequence"),
    [
        (signal.SIGINT, KeyboardInterrupt),
        (signal.SIGTERM, TrainingStopped),
        (signal.SIGUSR1, TrainingStopped),
        (signal.SIGHUP, TrainingStopped),
    ],
)
def test_a_signal_is_remembered_and_work_goes_on(number, consequence):
    own = signal.signal(number, signal.SIG_DFL)  # what runs the tests may ignore it
    try:
        stop = StopRequest()
        with stop.caught():
            assert not stop
            send(number)
            assert stop
        assert isinstance(stop.consequence, consequence)
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, own)


def test_under_nohup_a_closed_terminal_ends_nothing():
    own = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop = StopRequest()
        with stop.caught():
            send(signal.SIGHUP)
            assert not stop
    finally:
        signal.signal(signal.SIGHUP, own)


AT_A_TERMINAL = """
import signal, sys, time
from recipes.stopping import StopRequest
signal.signal(signal.SIGHUP, signal.SIG_DFL)
stop = StopRequest()
with stop.caught():
    print("ready", flush=True)
    while not stop:
        time.sleep(0.01)
    print("words for the terminal", file=sys.stderr, flush=True)
sys.exit(7)
"""


def test_a_run_whose_terminal_closes_can_still_speak():
    terminal, end = os.openpty()
    process = subprocess.Popen([sys.executable, "-c", AT_A_TERMINAL], stdout=subprocess.PIPE, stderr=end)
    os.close(end)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    os.close(terminal)
    process.send_signal(signal.SIGHUP)
    process.communicate()
    assert process.returncode == 7


def test_what_may_be_left_is_left_at_once():
    stop = StopRequest()

    def wait():
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        time.sleep(30)

    started = time.monotonic()
    with stop.caught():
        before = signal.signal(signal.SIGALRM, lambda number, frame: send(signal.SIGTERM))
        assert stop.attempt(lambda: 7) == 7
        assert stop.attempt(wait) is None
        assert stop
        assert stop.attempt(lambda: 7) is None
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - started < 20


def test_a_signal_that_arrives_while_an_object_is_cleaned_up_is_not_lost(capfd):
    """Python drops what a destructor raises."""

    class Cleaned:
        def __del__(self):
            send(signal.SIGTERM)

    stop, parts = StopRequest(), []

    def work():
        for number in range(3):
            stop.check()
            parts.append(number)
            Cleaned()

    with stop.caught():
        assert stop.attempt(work) is None
    assert parts == [0]
    assert "Traceback" not in capfd.readouterr().err


def test_a_lost_store_is_an_error_of_one_line():
    """It lives in another process, which may have been killed."""

    class Lost:
        def check(self, keys):
            raise torch.distributed.DistNetworkError("Failed to recv, got 0 bytes\nexception raised from")

        def set(self, key, value):
            self.check([key])

    agreement = Agreement(store=Lost())
    for ask in (agreement.check, agreement.tell_to_stop):
        with pytest.raises(OndesError, match="another process of the run has ended"):
            ask()


def test_another_process_may_end_it_too():
    stop = StopRequest()

    def leave():
        raise LeaveAtOnce

    assert stop.attempt(leave) is None
    assert not stop
    stop.follow()
    assert stop


def test_a_launcher_that_passes_ctrl_c_on_is_no_second_ctrl_c(monkeypatch):
    stop, now = StopRequest(), [0.0]
    monkeypatch.setattr("recipes.stopping.time.monotonic", lambda: now[0])
    with stop.caught():
        send(signal.SIGINT)
        send(signal.SIGINT)
        now[0] = 3.0
        send(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
