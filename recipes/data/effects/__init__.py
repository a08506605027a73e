"""Pairs of dry and wet audio for effects: rendered during training, or recorded from a device."""
