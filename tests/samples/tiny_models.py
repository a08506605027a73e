"""Configurations of models that train in seconds."""

SASHIMI = {
    "sample_rate": 8000,
    "channels": 8,
    "num_layers": 1,
    "pool": [4],
    "kernel_length": 400,
    "s4": {"d_state": 8},
    "quantiser": {"bits": 4},
}
