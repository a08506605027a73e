"""Computation for the tabs. These modules import torch; the page imports them at their first use."""
