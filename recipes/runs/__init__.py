"""Seeing runs: their logs, curves, pages and comparison."""
