"""Numbers as people and spreadsheets write them: ``3.5``, ``3,5``, ``-1e-3``, with a minus sign of any kind."""

import logging
import re
from decimal import Decimal, InvalidOperation

__all__ = ["exact_text", "format_number", "split_number"]

_logger = logging.getLogger(__name__)

_NUMBER = re.compile(r"([-+]?(?:[0-9]+(?:\.[0-9]*|,[0-9]+)?|[.,][0-9]+)(?:e[-+]?[0-9]+)?)\s*(.*)", re.IGNORECASE)
# A number that looks like thousands, such as 1,500; decimals rarely end in a zero.
_THOUSANDS = re.compile(r"[-+]?[1-9][0-9]{0,2},[0-9]{2}0")


def split_number(text: str) -> tuple[Decimal, str] | None:
    """Return the number at the start of ``text`` and the rest of it; ``None`` if there is not a number.

    A comma is a decimal sign; there is a warning where it may have been meant to separate thousands.
    """
    found = _NUMBER.fullmatch(text.strip().replace("\N{MINUS SIGN}", "-"))
    if found is None:
        return None
    try:
        number = Decimal(found[1].replace(",", "."))
    except InvalidOperation:  # an exponent beyond every range
        return None
    if _THOUSANDS.fullmatch(found[1]):
        _logger.warning("'%s' is read as %g; write thousands without a comma", text.strip(), number)
    return number, found[2]


def format_number(value: float) -> str:
    """Return the shortest text that reads as the finite number ``value``: digits and a point, no exponent."""
    text = f"{Decimal(repr(float(value))):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def exact_text(value: float) -> str:
    """Return a number briefly if that is exact, else with all its digits: ``8000``, ``1e-05``, ``0.123456789``."""
    brief = f"{value:g}"
    return brief if float(brief) == value else repr(value)
