"""Benchmark of speed: contenders in alternation, clocks, counters, and tables of results."""
