"""What every step of the preprocessing looks like, and the list of them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ParameterError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

STEP_MODULES: dict[str, str] = {
    name: f"nanoai_gui.core.spectra.preprocessing.{name}"
    for name in ("crop", "despike", "resample", "baseline", "smooth", "normalise", "derivative")
}
"""Name of each step and the module that holds it, in the order in which they usually follow each other."""


class Step(Protocol):
    """One module of this package, see the package's own description."""

    @property
    def NAME(self) -> str:  # noqa: D102 - constants of a module
        ...

    @property
    def TITLE(self) -> str:  # noqa: D102
        ...

    @property
    def SUMMARY(self) -> str:  # noqa: D102
        ...

    @property
    def Parameters(self) -> type[DataclassInstance]:  # noqa: D102
        ...

    def apply(
        self,
        intensities: NDArray[np.float32],
        axis: NDArray[np.float64],
        parameters: Any,  # noqa: ANN401 - an instance of the module's own Parameters
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Treat (n, k) spectra on (k,) Raman shifts; return (n, k') and (k',)."""
        ...


def get_step(name: str) -> Step:
    """Give a step by its name.

    Raises
    ------
    ParameterError
        If there is none of that name.
    """
    try:
        module = importlib.import_module(STEP_MODULES[name])
    except KeyError:
        known = ", ".join(STEP_MODULES)
        raise ParameterError(f"There is no preprocessing step {name!r}.", f"There are: {known}.") from None
    return cast(Step, module)


class _Steps(Mapping[str, Step]):
    """All steps by name; a module is imported when first looked at."""

    def __getitem__(self, name: str) -> Step:
        if name not in STEP_MODULES:
            raise KeyError(name)
        return get_step(name)

    def __iter__(self) -> Iterator[str]:
        return iter(STEP_MODULES)

    def __len__(self) -> int:
        return len(STEP_MODULES)


STEPS: Mapping[str, Step] = _Steps()
"""Every step by its name."""
