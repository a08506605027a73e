"""Objective measures of audio quality: metrics by name, evaluation of systems, and baselines that every table needs."""
