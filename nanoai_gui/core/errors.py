"""Errors whose cause is known: one sentence a microscopist understands, and what to do."""

from __future__ import annotations


class NanoAIError(Exception):
    """A known cause.

    Parameters
    ----------
    message
        One sentence: what happened, naming the file or the value.
    advice
        What to do about it; may be empty.
    """

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message, advice)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()


class ReadError(NanoAIError):
    """A file cannot be read, or should not be (a diffraction pattern, say)."""


class WriteError(NanoAIError):
    """A file cannot be written; whatever stood there before still stands there."""


class ParameterError(NanoAIError):
    """A parameter is outside of what makes sense."""
