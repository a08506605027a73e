"""Parameterised neural audio effects."""
