"""`ondes doctor`: what this installation can do, and what to do about the rest."""

from recipes.doctor.report import Section, examine

__all__ = ["Section", "examine"]
