"""Kinds of reference files about how effects were trained: SignalTrain's signals, knobs and learning rates."""

import numpy as np
import torch
from oracle import OracleFile, kind

from recipes.data.effects.settings import spread_places
from recipes.data.effects.signaltrain_signals import SIGNALS, finish, scale_peak, signaltrain_audio, sweep, time_axis
from recipes.schedule import learning_rate_factor
from recipes.sections import SchedulerConfig

EXACT, SINGLE, NETWORK = 1e-12, 2e-7, 1e-5
RATE = 44100
TONES = ("sines", "noisy_sines", "pluck", "noisy_pluck", "level_steps")
# The sweep draws its rate before its peak, in a way that is not known: as many random words, and the rate that the
# recording shows.
SWEEP_WORDS, SWEEP_RATE = 5, 11.4198792


@kind(lambda file: "out.signal.0" in file.names)
def check_signals(file: OracleFile) -> None:
    """Every signal from its seed: the same draws in the same order, hence the same samples."""
    for number, name in enumerate(SIGNALS):
        recorded = file.tensors[f"out.signal.{number}"]
        generator = np.random.RandomState(1000 + number)
        if name == "sweep":
            generator.bytes(4 * SWEEP_WORDS)
            audio = sweep(time_axis(len(recorded), RATE), SWEEP_RATE)
            audio = finish(generator, scale_peak(generator, audio))
        else:
            audio = signaltrain_audio(generator, len(recorded), RATE, name)
        # Sines of single precision may differ by a bit between processors.
        tolerance = NETWORK if name == "sweep" else SINGLE if name in TONES else EXACT
        file.compare(f"out.signal.{number}", torch.from_numpy(audio), tolerance)
    # Ours follow the same distribution, spread evenly: the difference is that of 4096 draws from it.
    recorded = file.tensors["out.random_ends_4096"].sort().values
    places = torch.from_numpy(spread_places((np.arange(len(recorded)) + 0.5) / len(recorded), 0.8))
    file.compare("out.random_ends_4096", places, len(recorded) ** -0.5, recorded)
    file.report_missing()


@kind(lambda file: "lr_max" in file.metadata and "out.lr" in file.names)
def check_schedule(file: OracleFile) -> None:
    """The learning rates of one cycle."""
    steps = len(file.tensors["out.lr"])
    config = SchedulerConfig(name="one_cycle", final=1 / 1500)
    factors = [learning_rate_factor(config, step, steps) for step in range(steps)]
    largest = file.metadata["lr_max"]
    file.compare("out.lr", torch.tensor(factors, dtype=torch.float64), EXACT, file.tensors["out.lr"] / largest)
    file.leave("out.momentum", "Adam has no momentum to schedule: the reference sets what nothing reads")
    file.report_missing()
