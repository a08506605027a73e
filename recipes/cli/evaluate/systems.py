"""Names of the rows of an evaluation."""

from pathlib import Path

__all__ = ["name_systems"]


def name_systems(option: str, sources: list[str]) -> dict[str, str]:
    """Name each system by the text before ``=``, else by the shortest distinct part of its path."""
    from vocoders.core.errors import ConfigError

    given, unnamed = {}, []
    for source in sources:
        name, separator, location = source.partition("=")
        if separator and name and not Path(source).exists():
            if name in given:
                raise ConfigError(f"{option}: two systems are called '{name}'; give them different names")
            given[name] = location
        else:
            unnamed.append(source)
    parts = [Path(source).resolve().parts for source in unnamed]
    if len(set(parts)) < len(parts):
        raise ConfigError(f"{option}: one system occurs twice; give each once")
    names: list[str] = []
    for depth in range(1, max(map(len, parts), default=0) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names) and not given.keys() & set(names):
            break
    by_source = dict(zip(unnamed, names, strict=True))
    named = {}
    # Rows are in the order of the command line.
    for source in sources:
        name = by_source.get(source) or source.partition("=")[0]
        if name in named:
            raise ConfigError(f"{option}: two systems are called '{name}'; give them different names")
        named[name] = given.get(name) or source
    return named
