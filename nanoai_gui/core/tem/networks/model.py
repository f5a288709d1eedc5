"""The trained networks together: are there too many particles, how many, and how large."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.errors import ParameterError, ReadError
from nanoai_gui.core.models import StoredModel, load_model, save_model
from nanoai_gui.core.tem.features import get_feature_set, measured_with
from nanoai_gui.core.tem.networks.perceptron import Perceptron, softmax
from nanoai_gui.core.tem.networks.samples import LARGEST_COUNT

if TYPE_CHECKING:
    from nanoai_gui.core.tem.features import FeatureSet

KIND = "tem-ann"
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the networks say of n agglomerates.

    Parameters
    ----------
    too_many
        (n,) float64, probability that there are more particles than the networks can count.
    probabilities
        (n, 5) float64, probability of 1..5 primary particles; rows sum to 1.
    count
        (n,) int32, the most probable number, 1..5.
    shares
        (n, 5) float64, areas of the particles as shares of the silhouette's area, descending; 0 beyond
        ``count``.
    errors
        (n, 5) float64, standard error of the natural logarithm of each area; NaN beyond ``count``.
    """

    too_many: Floats
    probabilities: Floats
    count: NDArray[np.int32]
    shares: Floats
    errors: Floats


@dataclass(frozen=True, eq=False)
class TemModel:
    """PNC-ANN, the PAR-ANNs and what recognises larger agglomerates.

    Parameters
    ----------
    feature_set
        What the inputs of all networks but the gate are.
    gate
        One logit: more than five particles. It sees every feature that is measured with those of
        ``feature_set``, see :attr:`measured`: they cost nothing more.
    gate_threshold
        Probability above which an agglomerate is left out as holding more than five.
    pnc
        Five logits: one to five particles.
    par
        One network a number: natural logarithms of the area shares, descending.
    spread
        One network a number: natural logarithms of the variances of what ``par`` says.
    largest_share
        (5,) largest area share of one particle seen in training for each number. Above 1, since the
        faint rim of a translucent sphere lies below the threshold of its own silhouette.
    feature_low, feature_high
        (k,) the range that 90 % of the training agglomerates of up to five particles fall into.
    card
        What the networks were trained on and how well they do.
    """

    feature_set: FeatureSet
    gate: Perceptron
    gate_threshold: float
    pnc: Perceptron
    par: tuple[Perceptron, ...]
    spread: tuple[Perceptron, ...]
    largest_share: Floats
    feature_low: Floats
    feature_high: Floats
    card: Mapping[str, Any]

    @property
    def measured(self) -> FeatureSet:
        """What has to be measured of an agglomerate: the columns that :meth:`predict` takes."""
        return measured_with(self.feature_set)

    def predict(self, features: Floats, count: NDArray[np.int32] | None = None) -> Prediction:
        """Tell number and areas.

        Parameters
        ----------
        features
            (n, m) the features of :attr:`measured`.
        count
            (n,) numbers to take as given (by a person, or the truth, in tests) instead of the network's.
        """
        n = len(features)
        logit = self.gate(features)[:, 0] if n else np.empty(0)
        features = features[:, self.measured.columns_of(self.feature_set)]
        probabilities = softmax(self.pnc(features)) if n else np.empty((0, LARGEST_COUNT))
        if count is None:
            count = (probabilities.argmax(axis=1) + 1).astype(np.int32)
        shares = np.zeros((n, LARGEST_COUNT))
        errors = np.full((n, LARGEST_COUNT), np.nan)
        for k in range(1, LARGEST_COUNT + 1):
            rows = np.flatnonzero(count == k)
            if rows.size:
                shares[rows, :k] = possible_shares(
                    np.exp(self.par[k - 1](features[rows])), float(self.largest_share[k - 1])
                )
                errors[rows, :k] = np.exp(0.5 * np.clip(self.spread[k - 1](features[rows]), -12, 2))
        return Prediction(1 / (1 + np.exp(-np.clip(logit, -50, 50))), probabilities, count, shares, errors)


def possible_shares(shares: Floats, largest: float) -> Floats:
    """Make area shares physically possible.

    Parameters
    ----------
    shares
        (n, k) positive.
    largest
        No particle is larger than this share of the silhouette.

    Returns
    -------
    (n, k) in descending order, each within ``largest``; together they cover the silhouette: where their
    sum falls short of 1, all are enlarged alike.
    """
    out = np.sort(shares, axis=1)[:, ::-1]
    total = out.sum(axis=1, keepdims=True)
    out = out * np.maximum(1.0, 1.0 / np.maximum(total, 1e-12))
    return np.asarray(np.minimum(out, max(largest, 1.0)), dtype=np.float64)


def save_tem_model(path: Path, model: TemModel) -> None:
    """Write the networks to a model file.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    arrays: dict[str, NDArray[Any]] = {**model.gate.to_arrays("gate"), **model.pnc.to_arrays("pnc")}
    for k in range(LARGEST_COUNT):
        arrays |= model.par[k].to_arrays(f"par{k + 1}")
        arrays |= model.spread[k].to_arrays(f"spread{k + 1}")
    arrays["gate_threshold"] = np.array([model.gate_threshold])
    arrays["largest_share"] = model.largest_share
    arrays["feature_low"], arrays["feature_high"] = model.feature_low, model.feature_high
    card = {
        **model.card,
        "feature_set": {"name": model.feature_set.name, "version": model.feature_set.version},
    }
    save_model(path, StoredModel(KIND, card, arrays))


def load_tem_model(path: Path) -> TemModel:
    """Read the networks from a model file.

    Raises
    ------
    ReadError
        If it is no such file, or needs features that this NanoAI does not have.
    """
    stored = load_model(path, KIND)
    try:
        wanted = stored.card["feature_set"]
        feature_set = get_feature_set(str(wanted["name"]))
        if feature_set.version != wanted["version"]:
            raise ReadError(
                f"{path.name} needs version {wanted['version']} of the features {feature_set.name!r}; "
                f"this NanoAI has version {feature_set.version}.",
                "Train the model again.",
            )
        a = stored.arrays
        model = TemModel(
            feature_set,
            Perceptron.from_arrays(a, "gate"),
            float(a["gate_threshold"].reshape(1)[0]),
            Perceptron.from_arrays(a, "pnc"),
            tuple(Perceptron.from_arrays(a, f"par{k}") for k in range(1, LARGEST_COUNT + 1)),
            tuple(Perceptron.from_arrays(a, f"spread{k}") for k in range(1, LARGEST_COUNT + 1)),
            np.asarray(a["largest_share"], dtype=np.float64).reshape(LARGEST_COUNT),
            np.asarray(a["feature_low"], dtype=np.float64).reshape(len(feature_set.features)),
            np.asarray(a["feature_high"], dtype=np.float64).reshape(len(feature_set.features)),
            stored.card,
        )
    except (KeyError, TypeError, ValueError, ParameterError) as error:
        raise ReadError(
            f"{path.name} does not hold the networks it should.", "Choose another model, or train a new one."
        ) from error
    expected = [("gate", model.gate, 1), ("pnc", model.pnc, LARGEST_COUNT)]
    expected += [(f"par{k}", net, k) for k, net in enumerate(model.par, start=1)]
    expected += [(f"spread{k}", net, k) for k, net in enumerate(model.spread, start=1)]
    for name, net, outputs in expected:
        inputs = len((model.measured if name == "gate" else feature_set).features)
        if net.layer_sizes[0] != inputs or net.layer_sizes[-1] != outputs:
            raise ReadError(f"{path.name} does not fit its own features.", "Train the model again.")
    return model
