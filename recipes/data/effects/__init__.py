"""Pairs of dry and wet audio for effects: rendered while training runs, or recorded from a device."""
