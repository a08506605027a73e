"""PeriodWave's estimator in compiled loops on the CPU."""

from vocoders.periodwave.compiled.network import open_compiled

__all__ = ["open_compiled"]
