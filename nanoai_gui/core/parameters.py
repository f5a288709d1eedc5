"""Parameters that describe themselves, so that window and command line can offer them without science.

A set of parameters is a frozen dataclass whose fields are made with :func:`parameter`; the window
builds its form from :func:`describe`, and :func:`from_mapping` reads one back from JSON.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from nanoai_gui.core.errors import ParameterError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

P = TypeVar("P", bound="DataclassInstance")

Options = Callable[[], Sequence[tuple[str, str]]]
"""Gives the values a text can take just now, each with the words shown for it."""


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """What a form needs to know of one parameter.

    ``unit`` is shown behind the value (``px``, ``%`` ...); ``choices`` is set for enumerations;
    ``minimum``, ``maximum`` and ``step`` for numbers; ``options`` for texts, asked whenever they are offered,
    since they may come and go; ``advanced`` ones hide behind "More".
    """

    name: str
    type: type
    default: Any
    label: str
    unit: str
    minimum: float
    maximum: float
    step: float
    choices: tuple[enum.Enum, ...]
    help: str
    advanced: bool
    options: Options | None = None


def parameter(
    default: Any,  # noqa: ANN401 - bool, int, float, text or Enum
    label: str,
    *,
    unit: str = "",
    minimum: float = -math.inf,
    maximum: float = math.inf,
    step: float = 1.0,
    help: str = "",  # noqa: A002 - the word forms use
    advanced: bool = False,
    options: Options | None = None,
) -> Any:  # noqa: ANN401 - dataclasses.field is typed so
    """Declare a field of a parameter dataclass together with its description."""
    return dataclasses.field(
        default=default,
        metadata={
            "label": label, "unit": unit, "minimum": minimum, "maximum": maximum,
            "step": step, "help": help, "advanced": advanced, "options": options,
        },
    )  # fmt: skip


def describe(kind: type[DataclassInstance]) -> tuple[ParameterSpec, ...]:
    """Describe every field of a parameter dataclass, in order."""
    hints = get_type_hints(kind)
    specs = []
    for field in dataclasses.fields(kind):
        meta = field.metadata
        hint = hints[field.name]
        choices = tuple(hint) if isinstance(hint, type) and issubclass(hint, enum.Enum) else ()
        specs.append(
            ParameterSpec(
                name=field.name,
                type=hint,
                default=field.default,
                label=meta["label"],
                unit=meta["unit"],
                minimum=meta["minimum"],
                maximum=meta["maximum"],
                step=meta["step"],
                choices=choices,
                help=meta["help"],
                advanced=meta["advanced"],
                options=meta["options"],
            )
        )
    return tuple(specs)


def check(values: DataclassInstance) -> None:
    """Raise :class:`ParameterError` naming the first value outside its limits."""
    for spec in describe(type(values)):
        value = getattr(values, spec.name)
        if isinstance(value, bool | enum.Enum | str):
            continue
        if not math.isfinite(value) or not spec.minimum <= value <= spec.maximum:
            limits = f"between {spec.minimum:g} and {spec.maximum:g} {spec.unit}".strip()
            raise ParameterError(
                f"{spec.label} is {value:g}, which is not possible.", f"Choose a value {limits}."
            )


def to_mapping(values: DataclassInstance) -> dict[str, Any]:
    """Turn a parameter set into plain JSON values."""
    return {
        name: value.value if isinstance(value, enum.Enum) else value
        for name, value in dataclasses.asdict(values).items()
    }


def from_mapping(kind: type[P], values: Mapping[str, Any]) -> P:
    """Read a parameter set from JSON values; unknown names are ignored, missing ones take the default.

    Raises
    ------
    ParameterError
        If a value is of the wrong kind or outside its limits.
    """
    known: dict[str, Any] = {}
    for spec in describe(kind):
        if spec.name not in values:
            continue
        if spec.type is str and not isinstance(values[spec.name], str):
            raise ParameterError(f"{spec.label} cannot be {values[spec.name]!r}.")
        try:
            known[spec.name] = spec.type(values[spec.name])
        except (TypeError, ValueError) as error:
            raise ParameterError(f"{spec.label} cannot be {values[spec.name]!r}.") from error
    made = kind(**known)
    check(made)
    return made
