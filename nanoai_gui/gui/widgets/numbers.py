"""Numbers as people read them: significant digits, a real minus sign, a dash for what is not known."""

from __future__ import annotations

import math

DASH = "–"


def significant(value: float, digits: int = 3) -> str:
    """Write ``value`` with ``digits`` significant digits and never in powers of ten below a million.

    Not a number and infinity become a dash: a table says "not known" with it.
    """
    if not math.isfinite(value):
        return DASH
    if value == 0:
        return "0"
    if abs(value) >= 1e6:
        return f"{value:.{max(digits - 1, 0)}e}".replace("-", "−")
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    return f"{value:.{decimals}f}".replace("-", "−")


def interval(low: float, high: float, digits: int = 3) -> str:
    """Write a 95 % interval as ``23.1 … 26.8`` (both ends with the same decimals)."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return DASH
    largest = max(abs(low), abs(high))
    decimals = 0 if largest == 0 else max(digits - 1 - math.floor(math.log10(largest)), 0)
    return f"{low:.{decimals}f} … {high:.{decimals}f}".replace("-", "−")


def count(n: int, singular: str, plural: str = "") -> str:
    """Write ``1 particle`` or ``1 204 particles``, thousands parted by a thin space."""
    return f"{grouped(n)} {singular if n == 1 else plural or singular + 's'}"


def grouped(n: int) -> str:
    """Write a whole number with thousands parted by a narrow no-break space."""
    return f"{n:,}".replace(",", "\u202f")
