"""How fast models are: systems that run side by side, clocks, counters, and tables of the results."""
