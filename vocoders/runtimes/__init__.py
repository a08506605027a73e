"""Runtimes of models: other code that computes the network of a model, chosen by name and tried before it is used."""

from vocoders.runtimes.choice import ModelRuntime

__all__ = ["ModelRuntime"]
