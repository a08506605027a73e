"""Gains around an effect."""

from dataclasses import dataclass

__all__ = ["UNITY", "Levels"]


@dataclass(frozen=True)
class Levels:
    """Gains before and after an effect, in dB."""

    before_db: float = 0.0
    after_db: float = 0.0

    @property
    def before(self) -> float:
        """Factor on the input."""
        return 10 ** (self.before_db / 20)

    @property
    def after(self) -> float:
        """Factor on the output."""
        return 10 ** (self.after_db / 20)


#: No gains.
UNITY = Levels()
