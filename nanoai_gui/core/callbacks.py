"""The two plain callables through which long computations speak and are stopped."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, str], None]
"""``progress(fraction, message)``: fraction of the work done in [0, 1] and one short sentence."""

Cancelled = Callable[[], bool]
"""``cancelled()``: true once the person no longer wants the result. Polled at least every 0.3 s."""


class OperationCancelled(Exception):
    """Raised by a computation that saw ``cancelled()`` become true; its partial result is dropped."""


def no_progress(fraction: float, message: str) -> None:
    """Report to nobody (the default of every core function)."""


def never_cancelled() -> bool:
    """Never stop (the default of every core function)."""
    return False


def checkpoint(cancelled: Cancelled) -> None:
    """Raise :class:`OperationCancelled` if the work is no longer wanted."""
    if cancelled():
        raise OperationCancelled


def part(progress: Progress, start: float, stop: float) -> Progress:
    """Give a sub-step the share ``[start, stop]`` of the whole progress."""

    def scaled(fraction: float, message: str) -> None:
        progress(start + (stop - start) * min(max(fraction, 0.0), 1.0), message)

    return scaled
