"""A trained classifier of Raman spectra with all that belongs to it, on disk and in use.

The file (see :mod:`nanoai_gui.core.models`) holds arrays and a JSON card; loading it runs no code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress, part
from nanoai_gui.core.errors import NanoAIError, ParameterError, ReadError
from nanoai_gui.core.models import StoredModel, load_model, save_model
from nanoai_gui.core.spectra.classifier import Classifier
from nanoai_gui.core.spectra.network import ReluNetwork
from nanoai_gui.core.spectra.pca import Floats, PrincipalComponents
from nanoai_gui.core.spectra.preprocessing import Pipeline
from nanoai_gui.core.spectra.rejection import (
    NOT_NUMBERS,
    REASONS,
    Measures,
    Thresholds,
    distances,
    judge,
    signal_to_noise,
)
from nanoai_gui.core.spectra.spectral_set import AxisError, SpectralSet, same_axis

KIND = "spectra"
CHUNK_ROWS = 2048
"""Spectra are classified in pieces of so many: some 0.1 s and 30 MB each."""
_THRESHOLDS = ("t2", "q", "signal", "probability")


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says of n spectra.

    Parameters
    ----------
    classes
        Names of the c classes.
    probabilities
        (n, c) float64, rows sum to 1; all alike for a spectrum that holds no numbers.
    measures
        T2, Q, signal-to-noise and maximum probability of every spectrum.
    reason
        (n,) uint8, why a spectrum is not classified, see
        :data:`~nanoai_gui.core.spectra.rejection.REASONS`; 0: it is.
    """

    classes: tuple[str, ...]
    probabilities: Floats
    measures: Measures
    reason: NDArray[np.uint8]

    @property
    def best(self) -> NDArray[np.int64]:
        """(n,) number of the most probable class, also of rejected spectra."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def rejected(self) -> NDArray[np.bool_]:
        """(n,) whether a spectrum is not classified."""
        return np.asarray(self.reason > 0)

    def with_thresholds(self, thresholds: Thresholds) -> Predictions:
        """Judge the same spectra by other thresholds, without classifying them anew."""
        return replace(self, reason=judge(self.measures, thresholds))


@dataclass(frozen=True, eq=False)
class SpectraModel:
    """Everything from a measured spectrum to its class.

    Parameters
    ----------
    classes
        Names of the classes, in the order of the network's outputs.
    axis
        (k,) Raman shifts in cm-1 that spectra are brought to first; they must cover it.
    preprocessing
        Steps that follow.
    features_axis
        (k',) Raman shifts after preprocessing, those of the loadings.
    classifier
        The fitted arrays.
    thresholds
        Where classification ends.
    card
        JSON values: what the model was trained on, settings, date, versions, measured accuracy.
    """

    classes: tuple[str, ...]
    axis: Floats
    preprocessing: Pipeline
    features_axis: Floats
    classifier: Classifier
    thresholds: Thresholds = field(default_factory=Thresholds)
    card: Mapping[str, Any] = field(default_factory=dict)

    def check_range(self, axis: Floats) -> None:
        """Refuse spectra that do not cover what the model looks at.

        Raises
        ------
        AxisError
            Naming both ranges.
        """
        needed = f"{self.axis[0]:.6g} to {self.axis[-1]:.6g} cm⁻¹"
        if axis.size < 2:
            raise AxisError(f"A spectrum of one point cannot be classified; {needed} are needed.")
        # One of their own steps beyond the end is what resampling bridges.
        if (
            self.axis[0] < axis[0] - 1.001 * (axis[1] - axis[0])
            or self.axis[-1] > axis[-1] + 1.001 * (axis[-1] - axis[-2])
        ):  # fmt: skip
            raise AxisError(
                f"The spectra reach from {axis[0]:.6g} to {axis[-1]:.6g} cm⁻¹, but the model needs {needed}.",
                "Classify spectra with that range, or train a model on the range that all share.",
            )

    def prepare(
        self,
        spectra: SpectralSet,
        progress: Progress = no_progress,
        cancelled: Cancelled = never_cancelled,
    ) -> SpectralSet:
        """Bring spectra to the axis of the model and through its preprocessing.

        Raises
        ------
        AxisError
            If their range is too short.
        """
        self.check_range(spectra.axis)
        return self.preprocessing.apply(spectra.resample(self.axis), progress, cancelled)

    def predict(
        self,
        spectra: SpectralSet,
        progress: Progress = no_progress,
        cancelled: Cancelled = never_cancelled,
    ) -> Predictions:
        """Classify measured spectra.

        Works through pieces, so that besides the set some 100 MB are in memory; a map that a step must see
        as a whole is preprocessed as a whole.

        Raises
        ------
        AxisError
            If the range of the spectra is too short.
        OperationCancelled
            If ``cancelled()`` became true.
        """
        self.check_range(spectra.axis)
        n, c = spectra.n_spectra, len(self.classes)
        probabilities = np.full((n, c), 1.0 / c)
        t2, q = np.full(n, np.inf), np.full(n, np.inf)
        signal = np.zeros(n)
        for rows, raw, features in self._pieces(spectra, progress, cancelled):
            signal[rows] = signal_to_noise(raw)
            standardised = self.classifier.components.standardised(features)
            scores, t2[rows], q[rows] = distances(self.classifier.components, standardised)
            found = self.classifier.probabilities(scores).astype(np.float64)
            probabilities[rows] = found / found.sum(axis=1, keepdims=True)
            progress(float(rows[-1] + 1) / n, f"Classified {int(rows[-1]) + 1} of {n} spectra")
        measures = Measures(t2, q, signal, probabilities.max(axis=1))
        reason = judge(measures, self.thresholds)
        return Predictions(self.classes, probabilities, measures, reason)

    def _pieces(
        self, spectra: SpectralSet, progress: Progress, cancelled: Cancelled
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]]:
        """Rows, intensities on the model's axis, and features of what can be classified, piece by piece."""
        whole: SpectralSet | None = None
        kept = np.arange(spectra.n_spectra)
        if spectra.grid is not None and len(self.preprocessing):
            kept = np.flatnonzero(np.isfinite(spectra.intensities).all(axis=1))
            good = spectra if kept.size == spectra.n_spectra else spectra.select(kept)
            spectra = good.resample(self.axis)
            whole = self.preprocessing.apply(spectra, part(progress, 0.0, 0.9), cancelled)
            progress = part(progress, 0.9, 1.0)
        same = same_axis(spectra.axis, self.axis)
        for start in range(0, kept.size, CHUNK_ROWS):
            checkpoint(cancelled)
            stop = min(start + CHUNK_ROWS, kept.size)
            raw = spectra.intensities[start:stop]
            if whole is not None:
                yield kept[start:stop], raw, whole.intensities[start:stop]
                continue
            rows = kept[start:stop]
            # The sum is finite only if every value is, and is a tenth of the work; it may also overflow.
            if not np.isfinite(raw.sum()):
                finite = np.isfinite(raw).all(axis=1)
                raw, rows = raw[finite], rows[finite]
                if not rows.size:
                    continue
            if not same:
                raw = SpectralSet(raw, spectra.axis).resample(self.axis).intensities
            features = self.preprocessing.apply_to(raw, self.axis)[0] if len(self.preprocessing) else raw
            yield rows, raw, features

    def with_thresholds(self, thresholds: Thresholds) -> SpectraModel:
        """Return the same model with other thresholds."""
        return replace(self, thresholds=thresholds)


def input_axis(axis: Floats, preprocessing: Pipeline) -> Floats:
    """Tell what part of the training axis a model needs.

    If the first step, but for the removal of spikes, cuts the spectra, nothing outside is ever looked at:
    spectra that were measured over that range only can be classified too.
    """
    for name, parameters in preprocessing.steps:
        if name == "crop":
            low, high = parameters.low, parameters.high  # type: ignore[attr-defined]
            inside = (axis >= low) & (axis <= high)
            return axis[inside] if inside.sum() >= 2 else axis
        if name != "despike":
            break
    return axis


def save_spectra_model(path: Path, model: SpectraModel) -> None:
    """Write a model file, whole or not at all.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    save_model(path, stored_model(model))


def stored_model(model: SpectraModel) -> StoredModel:
    """Give the arrays and the card that a model file holds."""
    arrays: dict[str, NDArray[Any]] = {
        "axis": model.axis,
        "features_axis": model.features_axis,
        "input_scale": model.classifier.input_scale,
        "temperature": np.array([model.classifier.temperature]),
        **model.classifier.components.to_arrays("pca"),
    }
    for number, network in enumerate(model.classifier.networks):
        arrays |= network.to_arrays(f"network{number}")
    # A threshold that never rejects is infinite, which a model file does not take: it is left out.
    for name in _THRESHOLDS:
        value = getattr(model.thresholds, name)
        if np.isfinite(value):
            arrays[f"threshold.{name}"] = np.array([value])
    card = {
        **model.card,
        "classes": list(model.classes),
        "preprocessing": model.preprocessing.to_mapping(),
        "n_networks": len(model.classifier.networks),
    }
    return StoredModel(KIND, card, arrays)


def load_spectra_model(path: Path) -> SpectraModel:
    """Read a model file.

    Raises
    ------
    ReadError
        If it is missing, damaged, for something else, or of another version.
    """
    return model_from_stored(load_model(path, KIND), path.name)


def model_from_stored(stored: StoredModel, name: str) -> SpectraModel:
    """Put a model together from what a model file holds; ``name`` is for the sentence, should it be damaged.

    Raises
    ------
    ReadError
        If it does not hold what a model of spectra should.
    """
    a = stored.arrays
    try:
        classes = tuple(str(name) for name in stored.card["classes"])
        networks = tuple(
            ReluNetwork.from_arrays(a, f"network{i}") for i in range(int(stored.card["n_networks"]))
        )
        components = PrincipalComponents.from_arrays(a, "pca")
        axis = np.asarray(a["axis"], np.float64)
        features_axis = np.asarray(a["features_axis"], np.float64)
        scale = np.asarray(a["input_scale"], np.float64)
        temperature = float(a["temperature"].reshape(1)[0])
        given = {name: a[f"threshold.{name}"] for name in _THRESHOLDS if f"threshold.{name}" in a}
        thresholds = Thresholds(**{name: float(value.reshape(1)[0]) for name, value in given.items()})
        model = SpectraModel(
            classes,
            axis,
            Pipeline.from_mapping(stored.card["preprocessing"]),
            features_axis,
            Classifier(components, scale, networks, temperature),
            thresholds,
            stored.card,
        )
        _check_fit(model)
    except (KeyError, TypeError, ValueError, ParameterError) as error:
        raise ReadError(
            f"{name} does not hold what a model of spectra should.",
            "Choose another model, or train a new one.",
        ) from error
    return model


def _check_fit(model: SpectraModel) -> None:
    """Raise ``ValueError`` if the parts do not fit each other."""
    m, k = model.classifier.components.components.shape
    if len(set(model.classes)) != len(model.classes) or len(model.classes) < 2:
        raise ValueError("there are no two classes")
    for axis in (model.axis, model.features_axis):
        if axis.ndim != 1 or axis.size < 2 or not (np.diff(axis) > 0).all():
            raise ValueError("an axis does not ascend")
    scale = model.classifier.input_scale
    if scale.shape != (m,) or not (scale > 0).all() or not model.classifier.temperature > 0:
        raise ValueError("the scale of the inputs is damaged")
    if not model.classifier.networks or any(
        net.layer_sizes[0] != m or net.layer_sizes[-1] != len(model.classes)
        for net in model.classifier.networks
    ):
        raise ValueError("the networks do not fit the components")
    try:
        after = model.preprocessing.axis_after(model.axis)
    except NanoAIError as error:
        raise ValueError("the preprocessing does not fit the axis") from error
    if model.features_axis.shape != (k,) or not same_axis(after, model.features_axis):
        raise ValueError("the preprocessing does not lead to the features")


__all__ = [
    "CHUNK_ROWS",
    "KIND",
    "NOT_NUMBERS",
    "REASONS",
    "Predictions",
    "SpectraModel",
    "input_axis",
    "load_spectra_model",
    "model_from_stored",
    "save_spectra_model",
    "stored_model",
]
