"""The parts of a network; torch's own iterators build the name of each, which costs more than a short synthesis."""

from collections.abc import Iterator

from torch import Tensor, nn

__all__ = ["parameters_of", "submodules"]


def submodules(module: nn.Module) -> Iterator[nn.Module]:
    """Yield a module and all its parts, in any order; a part that is used twice may come twice."""
    left = [module]
    while left:
        part = left.pop()
        yield part
        left.extend(child for child in part._modules.values() if child is not None)


def parameters_of(module: nn.Module) -> Iterator[Tensor]:
    """Yield the parameters of a module and of all its parts, in the order of :func:`submodules`."""
    for part in submodules(module):
        yield from (value for value in part._parameters.values() if value is not None)
