"""`ondes bench`: how fast synthesis is on this machine."""

import json
import platform
import statistics
import time
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("bench")(_bench)


def _bench(
    models: Annotated[
        list[str],
        typer.Argument(help="Shipped names, folders, hub ids, or variants such as wavehax:v1 (random weights)."),
    ],
    seconds: Annotated[str, typer.Option("--seconds", help="Lengths of audio, separated by commas.")] = "1,10",
    threads: Annotated[str, typer.Option("--threads", help="Numbers of threads, separated by commas.")] = "1,2",
    steps: Annotated[int | None, typer.Option("--steps", help="Solver steps, for models of flow matching.")] = None,
    solver: Annotated[str | None, typer.Option("--solver", help="euler, midpoint, heun or rk4.")] = None,
    precision: Annotated[
        str, typer.Option("--precision", help="fp32, bf16 (by autocast) or both, separated by a comma.")
    ] = "fp32",
    runs: Annotated[int, typer.Option("--runs", min=1, help="Counted runs; the median is shown.")] = 5,
    out: Annotated[Path | None, typer.Option("--out", help="JSON file with every run.")] = None,
) -> None:
    """Synthesis from features: real-time factor (time over duration), median of several runs.

    Systems take turns within each run, so that ratios hold when the
    machine's speed drifts. The excitation is included, the analysis is not.
    For bf16, SNR is that of its waveform against the one of fp32. Calls are
    those of the velocity network of a flow model.
    """
    import torch

    from vocoders.core.atomic import atomic_file

    systems = {
        f"{name} {kind}" if kind != "fp32" else name: _System(_build(name), kind, _sampling_changes(steps, solver))
        for name in models
        for kind in _precisions(precision)
    }
    rows = []
    for count in _numbers(threads):
        torch.set_num_threads(int(count))
        for duration in _numbers(seconds):
            rows += _measure(systems, duration, int(count), runs)
    machine = {"machine": _processor(), "torch": torch.__version__, "python": platform.python_version()}
    typer.echo(f"{machine['machine']}, torch {machine['torch']}")
    typer.echo("| system | audio | threads | RTF | x real time | calls/s | SNR |\n|---|---|---|---|---|---|---|")
    for row in rows:
        speed = f"{row['rtf']:.4f} | {1 / row['rtf']:.1f}"
        calls = f"{row['calls'] / (row['rtf'] * row['seconds']):.1f}" if row["calls"] else ""
        snr = f"{row['snr']:.1f} dB" if row["snr"] is not None else ""
        typer.echo(f"| {row['system']} | {row['seconds']:g} s | {row['threads']} | {speed} | {calls} | {snr} |")
    if out is not None:
        with atomic_file(out) as temporary:
            temporary.write_text(json.dumps({**machine, "rows": rows}, indent=1), encoding="utf-8")


class _System:
    """A model with its precision and options of sampling."""

    def __init__(self, model: Any, precision: str, changes: dict[str, Any]) -> None:
        from vocoders.flow import calls_per_step

        self.model, self.precision = model, precision
        self.options: dict[str, Any] = {}
        self.calls: int | None = None
        if getattr(model, "uses_sampling", False):
            sampling = type(model.config.sampling).from_dict({**model.config.sampling.to_dict(), **changes})
            self.options = {"sampling": sampling}
            if isinstance(sampling.steps, int):
                self.calls = sampling.steps * calls_per_step(sampling.solver)

    def run(self, inputs: dict[str, Any]) -> Any:
        """Synthesise once."""
        import torch

        device = next(self.model.parameters()).device.type
        with torch.autocast(device, dtype=torch.bfloat16, enabled=self.precision == "bf16"):
            return self.model.synthesize(**inputs, **self.options)

    def snr(self, inputs: dict[str, Any]) -> float | None:
        """Return the distance in dB of the waveform to that of full precision."""
        import torch

        if self.precision == "fp32":
            return None
        exact = self.model.synthesize(**inputs, **self.options).double()
        return float(10 * torch.log10(exact.square().sum() / (self.run(inputs).double() - exact).square().sum()))


def _measure(systems: dict[str, _System], duration: float, threads: int, runs: int) -> list[dict[str, Any]]:
    times: dict[str, list[float]] = {name: [] for name in systems}
    for run in range(runs + 1):
        for name, system in systems.items():
            inputs = _features(system.model, duration)
            started = time.perf_counter()
            system.run(inputs)
            if run > 0:  # the first one warms up
                times[name].append((time.perf_counter() - started) / duration)
    return [
        {
            "system": name,
            "seconds": duration,
            "threads": threads,
            "rtf": statistics.median(values),
            "calls": systems[name].calls,
            "snr": systems[name].snr(_features(systems[name].model, duration)),
            "runs": values,
        }
        for name, values in times.items()
    ]


def _sampling_changes(steps: int | None, solver: str | None) -> dict[str, Any]:
    return {name: value for name, value in (("steps", steps), ("solver", solver)) if value is not None}


def _precisions(text: str) -> list[str]:
    from vocoders.core.errors import ConfigError

    names = text.split(",")
    if not set(names) <= {"fp32", "bf16"}:
        raise ConfigError(f"unknown precision '{text}'; expected fp32, bf16 or fp32,bf16")
    return names


def _features(model: Any, duration: float) -> dict[str, Any]:
    """Return features of a tone with vibrato; what they say does not change the time."""
    import torch

    frames = round(duration * model.sample_rate / model.hop_length)
    features = torch.full((1, model.config.mel.n_mels, frames), -4.0)
    if not getattr(model, "uses_f0", False):
        return {"features": features}
    return {"features": features, "f0": 150 + 20 * torch.sin(torch.arange(frames) / 20).view(1, 1, -1)}


def _build(name: str) -> Any:
    from vocoders.core.errors import ConfigError
    from vocoders.registry import FAMILIES, load

    family, separator, variant = name.partition(":")
    if not separator or family not in FAMILIES:
        return load(name)
    variants = FAMILIES[family].variants
    if variant not in variants:
        raise ConfigError(f"unknown variant '{variant}' of {family}; known variants: {', '.join(variants)}")
    return FAMILIES[family].model_class(variants[variant]).eval()


def _numbers(text: str) -> list[float]:
    from vocoders.core.errors import ConfigError

    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"'{text}' is no list of numbers; expected something like 1,10") from None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
