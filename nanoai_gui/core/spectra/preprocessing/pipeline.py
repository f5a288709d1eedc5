"""The ordered list of steps that spectra pass."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress
from nanoai_gui.core.errors import ParameterError, ReadError
from nanoai_gui.core.parameters import check, from_mapping, to_mapping
from nanoai_gui.core.spectra.preprocessing.steps import get_step
from nanoai_gui.core.spectra.spectral_set import MapGrid, SpectralSet

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PIPELINE_FORMAT = "nanoai-preprocessing"
PIPELINE_VERSION = 1
CHUNK_VALUES = 1 << 20
"""Spectra are treated in pieces of about this many values: at most some 1 s of work, and 100 MB."""
_ADVICE = "Choose a list of steps that NanoAI has saved."


@runtime_checkable
class _MapStep(Protocol):
    """A step that may look at the next pixels of the map."""

    def apply_on_map(
        self,
        intensities: NDArray[np.float32],
        axis: NDArray[np.float64],
        parameters: Any,  # noqa: ANN401
        whole: NDArray[np.float32],
        neighbours: NDArray[np.int64],
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Treat (n, k) spectra of a map; ``neighbours`` (n, 4) are rows of ``whole``, -1 for none."""
        ...


class _SlowStep(Protocol):
    """A step that may take longer than 0.3 s for a piece, and can be stopped in between."""

    def apply(
        self,
        intensities: NDArray[np.float32],
        axis: NDArray[np.float64],
        parameters: Any,  # noqa: ANN401
        cancelled: Cancelled,
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Treat (n, k) spectra; raise :class:`OperationCancelled` if they are no longer wanted."""
        ...


@dataclass(frozen=True, eq=False, slots=True)
class Trace:
    """One spectrum before and after one step.

    Parameters
    ----------
    name
        Name of the step.
    axis_before, before, axis, after
        Raman shifts in cm-1 and intensities.
    baseline
        What a baseline step takes away, on ``axis_before``; ``None`` for other steps.
    """

    name: str
    axis_before: NDArray[np.float64]
    before: NDArray[np.float32]
    axis: NDArray[np.float64]
    after: NDArray[np.float32]
    baseline: NDArray[np.float32] | None


@dataclass(frozen=True)
class Pipeline:
    """Steps in the order in which they are applied; may be empty.

    Parameters
    ----------
    steps
        Pairs of the name of a step and its parameters.

    Raises
    ------
    ParameterError
        If a step does not exist, or a parameter is outside of its limits.
    """

    steps: tuple[tuple[str, DataclassInstance], ...] = ()

    def __post_init__(self) -> None:
        for name, parameters in self.steps:
            if not isinstance(parameters, get_step(name).Parameters):
                raise ParameterError(f"These are no parameters of the step {name}.")
            check(parameters)

    @classmethod
    def of(cls, *steps: str | tuple[str, Mapping[str, Any]]) -> Pipeline:
        """Make one from names, or names with values: ``Pipeline.of("despike", ("crop", {"low": 400}))``."""
        pairs = [(step, {}) if isinstance(step, str) else step for step in steps]
        return cls(tuple((name, from_mapping(get_step(name).Parameters, values)) for name, values in pairs))

    def __len__(self) -> int:
        return len(self.steps)

    def apply(
        self,
        spectra: SpectralSet,
        progress: Progress = no_progress,
        cancelled: Cancelled = never_cancelled,
    ) -> SpectralSet:
        """Treat a whole set.

        Works through pieces of the set, so that besides the set itself and the result only some 100 MB are
        in memory (one more array of the set's size if a step that looks at the map is not the first).

        Parameters
        ----------
        spectra
            Finite intensities. Where it is one map, spikes are also judged by the next pixels.
        progress, cancelled
            Called for every piece.

        Returns
        -------
        The same spectra, with their columns, on the axis that the last step leaves.

        Raises
        ------
        ParameterError
            If a value is not finite, or the parameters do not fit the spectra.
        AxisError
            If the spectra do not cover the range a step needs.
        OperationCancelled
            If ``cancelled()`` became true.
        """
        values, axis = self.apply_to(
            spectra.intensities, spectra.axis, spectra.grid, progress=progress, cancelled=cancelled
        )
        return spectra.with_intensities(values, axis)

    def apply_to(
        self,
        intensities: NDArray[np.float32],
        axis: NDArray[np.float64],
        grid: MapGrid | None = None,
        *,
        progress: Progress = no_progress,
        cancelled: Cancelled = never_cancelled,
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Treat plain arrays, (n, k) on (k,): see :meth:`apply`."""
        stages = self._stages(grid is not None)
        neighbours = None if grid is None else next_pixels(grid)
        total = max(intensities.shape[0], 1) * max(len(stages), 1)
        done = 0

        def advance(rows: int) -> None:
            nonlocal done
            done += rows
            progress(done / total, f"Preprocessing {min(done, total)} of {total} spectra")

        for stage in stages:
            intensities, axis = _run_stage(stage, intensities, axis, neighbours, advance, cancelled)
        return intensities, axis

    def _stages(self, on_map: bool) -> list[tuple[tuple[str, DataclassInstance], ...]]:
        """Cut the list before every step that needs whole maps: its neighbours must have come equally far."""
        stages: list[list[tuple[str, DataclassInstance]]] = []
        for name, parameters in self.steps:
            if not stages or (on_map and isinstance(get_step(name), _MapStep)):
                stages.append([])
            stages[-1].append((name, parameters))
        return [tuple(stage) for stage in stages]

    def axis_after(self, axis: NDArray[np.float64]) -> NDArray[np.float64]:
        """Tell the axis (k',) that spectra on ``axis`` (k,) will have.

        Raises
        ------
        AxisError, ParameterError
            As :meth:`apply`.
        """
        return self.apply_to(np.zeros((1, axis.size), np.float32), axis)[1]

    def trace(self, spectrum: NDArray[np.float32], axis: NDArray[np.float64]) -> tuple[Trace, ...]:
        """Follow one spectrum (k,) through all steps, for the view of before and after."""
        traces = []
        values = np.ascontiguousarray(spectrum, np.float32)[None, :]
        _check_finite(values, 0)
        for name, parameters in self.steps:
            step = get_step(name)
            after, axis_after = step.apply(values, axis, parameters)
            estimate: Callable[..., NDArray[np.float32]] | None = getattr(step, "estimate", None)
            curve = None if estimate is None else estimate(values, axis, parameters)[0]
            traces.append(Trace(name, axis, values[0], axis_after, after[0], curve))
            values, axis = after, axis_after
        return tuple(traces)

    def to_mapping(self) -> dict[str, Any]:
        """Give plain JSON values, for files and model cards."""
        steps = [{"step": name, "parameters": to_mapping(parameters)} for name, parameters in self.steps]
        return {"format": PIPELINE_FORMAT, "version": PIPELINE_VERSION, "steps": steps}

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any]) -> Pipeline:
        """Read what :meth:`to_mapping` gave.

        Raises
        ------
        ReadError
            If it is something else, or of a newer NanoAI.
        ParameterError
            If a step does not exist here or a value is impossible.
        """
        if not isinstance(content, Mapping) or content.get("format") != PIPELINE_FORMAT:
            raise ReadError("This is not a list of preprocessing steps.", _ADVICE)
        if content.get("version") != PIPELINE_VERSION:
            raise ReadError("These preprocessing steps were saved by another version of NanoAI.", _ADVICE)
        try:
            pairs = [(str(entry["step"]), dict(entry["parameters"])) for entry in content["steps"]]
        except (KeyError, TypeError, ValueError) as error:
            raise ReadError("This list of preprocessing steps is damaged.", _ADVICE) from error
        return cls.of(*pairs)

    def to_json(self) -> str:
        """Write the list as text."""
        return json.dumps(self.to_mapping(), indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Pipeline:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        ReadError, ParameterError
            As :meth:`from_mapping`.
        """
        try:
            content = json.loads(text)
        except ValueError as error:
            raise ReadError("This is not a list of preprocessing steps.", _ADVICE) from error
        return cls.from_mapping(content)


def next_pixels(grid: MapGrid) -> NDArray[np.int64]:
    """Give (n, 4), the spectra left, right, above and below each one on its map, -1 where there is none."""
    at = np.full((grid.n_rows + 2, grid.n_columns + 2), -1, np.int64)
    at[1:-1, 1:-1] = grid.spectrum_at()
    rows, columns = grid.rows + 1, grid.columns + 1
    places = ((rows, columns - 1), (rows, columns + 1), (rows - 1, columns), (rows + 1, columns))
    return np.stack([at[r, c] for r, c in places], axis=1)


def _run_stage(
    steps: Iterable[tuple[str, DataclassInstance]],
    intensities: NDArray[np.float32],
    axis: NDArray[np.float64],
    neighbours: NDArray[np.int64] | None,
    advance: Callable[[int], None],
    cancelled: Cancelled,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    loaded = [(get_step(name), parameters) for name, parameters in steps]
    n = intensities.shape[0]
    rows = max(1, CHUNK_VALUES // max(intensities.shape[1], 1))
    result: NDArray[np.float32] | None = None
    new_axis = axis
    # An empty set passes too, as a piece of no spectra: it gets its axis, and parameters are judged.
    for start in range(0, max(n, 1), rows):
        checkpoint(cancelled)
        stop = min(start + rows, n)
        piece, new_axis = intensities[start:stop], axis
        _check_finite(piece, start)
        for number, (step, parameters) in enumerate(loaded):
            if number == 0 and neighbours is not None and isinstance(step, _MapStep):
                piece, new_axis = step.apply_on_map(
                    piece, new_axis, parameters, intensities, neighbours[start:stop]
                )
            elif getattr(step, "TAKES_CANCELLED", False):
                piece, new_axis = cast(_SlowStep, step).apply(piece, new_axis, parameters, cancelled)
            else:
                piece, new_axis = step.apply(piece, new_axis, parameters)
        if result is None:
            result = np.empty((n, new_axis.size), np.float32)
        result[start:stop] = piece
        advance(stop - start)
    assert result is not None
    return result, new_axis


def _check_finite(values: NDArray[np.float32], start: int) -> None:
    if np.isfinite(values).all():
        return
    row = int(np.argmax(~np.isfinite(values).all(axis=1)))
    raise ParameterError(
        f"Spectrum {start + row + 1} holds values that are not numbers.", "Remove it, or read it again."
    )
