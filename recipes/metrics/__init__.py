"""Objective measures of audio quality: metrics by name, and the evaluation of systems."""
