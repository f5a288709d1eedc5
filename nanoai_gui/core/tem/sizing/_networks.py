"""What the two network methods share: features in, particles out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, Progress, checkpoint, never_cancelled, no_progress, part
from nanoai_gui.core.errors import ReadError
from nanoai_gui.core.parameters import check, parameter
from nanoai_gui.core.resources import resource
from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.features import extract
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.networks.library import METHOD_OF_FEATURES, find_file, model_options
from nanoai_gui.core.tem.networks.model import TemModel, load_tem_model
from nanoai_gui.core.tem.networks.placement import place_circles
from nanoai_gui.core.tem.networks.samples import LARGEST_COUNT
from nanoai_gui.core.tem.particles import Particles
from nanoai_gui.core.tem.sizing import Description, SizingResult

TOO_MANY = f"more than {LARGEST_COUNT} particles"
"""Reason of exclusion: the networks of the founding method count no further."""
MODEL_HELP = "The shipped networks, or networks that you trained (Analyse, Train networks)."


@dataclass(frozen=True, slots=True)
class NetworkParameters:
    """What a person can set of the network methods."""

    too_many_percent: float = parameter(
        0.0, "Left out above", unit="%", minimum=0, maximum=100, step=1, advanced=True,
        help="Probability of more than five particles above which an agglomerate is left out; "
        "0 takes the limit that the model found in training.",
    )  # fmt: skip
    model: str = ""


def model_parameter(feature_set: str) -> Any:  # noqa: ANN401 - as parameter()
    """Declare the field of a method's parameters that names the model, among those of its features."""
    return parameter("", "Model", options=partial(model_options, feature_set), help=MODEL_HELP)


@dataclass(frozen=True)
class NetworkMethod:
    """``size`` of a network method: which features it computes, and the model that ships for them."""

    name: str
    feature_set: str
    shipped: str

    def __call__(
        self,
        micrograph: Micrograph,
        agglomerates: Agglomerates,
        parameters: NetworkParameters,
        progress: Progress = no_progress,
        cancelled: Cancelled = never_cancelled,
        counts: Mapping[int, int] | None = None,
    ) -> SizingResult:
        """Measure the primary particles of agglomerates of up to five with the chosen model.

        Raises
        ------
        ReadError
            If the model is missing, damaged, or made for other features.
        OperationCancelled
            If ``cancelled()`` became true.
        """
        model, identity = find_model(self.shipped, self.feature_set, parameters.model)
        return size_with_networks(
            self.name, model, identity, agglomerates, parameters, progress, cancelled, counts
        )


@lru_cache(maxsize=8)
def _load(path: Path, modified: int) -> tuple[TemModel, str]:
    return load_tem_model(path), hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def find_model(shipped: str, feature_set: str, chosen: str) -> tuple[TemModel, str]:
    """Load the model that ships with NanoAI, or one the user trained (kept in memory once loaded).

    Parameters
    ----------
    shipped
        Name of the shipped model.
    feature_set
        Name of the features the method computes.
    chosen
        Name of a model of the user, or a model file; empty takes the shipped one.

    Returns
    -------
    model, identity
        ``identity`` tells it from every other model: its name and the start of its file's SHA-256.

    Raises
    ------
    ReadError
        If it is missing, damaged, or made for other features.
    ParameterError
        If no model can have the name ``chosen``.
    """
    path = find_file(chosen) if chosen else resource("models", f"{shipped}.zip")
    try:
        modified = path.stat().st_mtime_ns
    except OSError as error:
        raise ReadError(
            f"The model {chosen or shipped} is not there.",
            "Choose another in the settings of the method.",
        ) from error
    model, digest = _load(path, modified)
    if model.feature_set.name != feature_set:
        raise ReadError(
            f"The model {chosen or shipped} was trained on other features ({model.feature_set.title}).",
            f"Use it with the method {METHOD_OF_FEATURES[model.feature_set.name]}.",
        )
    return model, f"{path.stem} ({'trained by the user' if chosen else 'shipped'}, {digest})"


def size_with_networks(
    method: str,
    model: TemModel,
    identity: str,
    agglomerates: Agglomerates,
    parameters: NetworkParameters,
    progress: Progress,
    cancelled: Cancelled,
    counts: Mapping[int, int] | None = None,
) -> SizingResult:
    """Measure the agglomerates with the networks of a model.

    Parameters
    ----------
    model, identity
        From :func:`find_model`.
    counts
        Numbers of particles that a person gave, by agglomerate; the networks know 1 to 5.

    Raises
    ------
    OperationCancelled
        If ``cancelled()`` became true.
    """
    check(parameters)
    table = extract(agglomerates, model.measured, None, part(progress, 0.0, 0.7), cancelled)
    given = np.array([(counts or {}).get(int(i), 0) for i in table.ids], dtype=np.int32)
    given[given > LARGEST_COUNT] = 0
    prediction = model.predict(table.values)
    if given.any():
        number = np.where(given > 0, given, prediction.count).astype(np.int32)
        prediction = model.predict(table.values, number)
    limit = parameters.too_many_percent / 100 or model.gate_threshold
    rows = np.flatnonzero(agglomerates.measured)
    probabilities = np.full((len(agglomerates), LARGEST_COUNT), np.nan)
    probabilities[rows] = prediction.probabilities
    excluded = list(agglomerates.excluded)
    columns: list[NDArray[np.float64]] = []
    for i, row in enumerate(rows):
        if i % 32 == 0:
            checkpoint(cancelled)
            progress(0.7 + 0.3 * i / len(rows), "Placing particles")
        if prediction.too_many[i] > limit and not given[i]:
            excluded[row] = TOO_MANY
            continue
        n = int(prediction.count[i])
        area = prediction.shares[i, :n] * agglomerates.area_px[row]
        y0, x0, y1, x1 = (int(v) for v in agglomerates.boxes[row])
        mask = agglomerates.labels[y0:y1, x0:x1] == agglomerates.ids[row]
        xy = place_circles(mask, np.sqrt(area / np.pi)) + np.array([x0, y0])
        diameter = np.sqrt(4 / np.pi * area)
        columns.append(
            np.column_stack(
                [
                    np.full(n, agglomerates.ids[row]),
                    xy,
                    area,
                    np.full(n, prediction.probabilities[i, n - 1]),
                    # d goes with the square root of the area: half the relative error.
                    0.5 * prediction.errors[i, :n] * diameter,
                ]
            )
        )
    table_of = np.concatenate(columns) if columns else np.empty((0, 6))
    particles = Particles.from_areas(
        table_of[:, 0].astype(np.int32), table_of[:, 1], table_of[:, 2], table_of[:, 3], score=table_of[:, 4],
        uncertainty_px=table_of[:, 5],
    )  # fmt: skip
    progress(1.0, "Measuring particles")
    result = SizingResult.from_particles(method, agglomerates, particles, probabilities, tuple(excluded))
    description = Description(table.choose(model.feature_set), model.feature_low, model.feature_high)
    return replace(result, model=identity, description=description)
