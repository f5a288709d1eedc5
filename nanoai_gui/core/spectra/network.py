"""A network with ReLU layers as plain arrays, and its training.

scikit-learn trains; only the weights are kept, and NumPy evaluates them. No layer at all is a linear
classifier: that is how linear discriminant analysis is stored.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nanoai_gui.core.callbacks import Cancelled, checkpoint, never_cancelled
from nanoai_gui.core.errors import ParameterError

Floats = NDArray[np.float64]
STEPS_PER_EPOCH = 20
"""Spectra a step are fewer than asked for where an epoch would have less steps than this."""
FEWEST_BATCH = 8
Loss = Callable[[int, int, float], None]
"""``loss(member, epoch, cross_entropy)``: for the live curve."""


@dataclass(frozen=True, eq=False)
class ReluNetwork:
    """Dense layers: ReLU after all but the last, whose c outputs are logits.

    Parameters
    ----------
    weights, biases
        One (in, out) and one (out,) array a layer.
    """

    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]

    def __call__(self, values: NDArray[Any]) -> NDArray[Any]:
        """Evaluate (n, m) inputs to (n, c) logits, in the precision of the inputs."""
        layer = values
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            layer = layer @ weight.astype(values.dtype) + bias.astype(values.dtype)
            if i < len(self.weights) - 1:
                np.maximum(layer, 0, out=layer)
        return layer

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """Number of nodes of every layer, input and output included."""
        return (self.weights[0].shape[0], *(w.shape[1] for w in self.weights))

    def to_arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Give all arrays under names that start with ``prefix``."""
        named: dict[str, NDArray[Any]] = {}
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            named[f"{prefix}.weight{i}"], named[f"{prefix}.bias{i}"] = weight, bias
        return named

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], prefix: str) -> ReluNetwork:
        """Put a network together again.

        Raises
        ------
        ValueError
            If an array is missing or the layers do not fit each other.
        """
        n_layers = sum(name.startswith(f"{prefix}.weight") for name in arrays)
        try:
            weights = tuple(np.asarray(arrays[f"{prefix}.weight{i}"], np.float64) for i in range(n_layers))
            biases = tuple(np.asarray(arrays[f"{prefix}.bias{i}"], np.float64) for i in range(n_layers))
        except KeyError as error:
            raise ValueError(f"the model lacks {error.args[0]}") from error
        pairs = list(zip(weights, biases, strict=True))
        if not pairs or any(w.ndim != 2 or b.shape != (w.shape[1],) for w, b in pairs):
            raise ValueError(f"the layers of {prefix} are damaged")
        if any(a.shape[1] != b.shape[0] for a, b in itertools.pairwise(weights)):
            raise ValueError(f"the layers of {prefix} do not fit each other")
        return cls(weights, biases)


def softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """Turn (n, c) logits into probabilities that sum to 1 along the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def train_network(
    inputs: NDArray[Any],
    labels: NDArray[np.int64],
    n_classes: int,
    *,
    hidden: tuple[int, ...] = (25, 25),
    solver: str = "adam",
    learning_rate: float = 0.003,
    epochs: int = 60,
    weight_decay: float = 1.0,
    batch: int = 64,
    seed: int = 0,
    cancelled: Cancelled = never_cancelled,
    loss: Callable[[int, float], None] | None = None,
) -> ReluNetwork:
    """Train one network with cross-entropy; classes count alike, however many spectra each has.

    Parameters
    ----------
    inputs, labels
        (n, m) and (n,) class numbers below ``n_classes``; each class occurs.
    weight_decay
        Sum of the squared weights times this / 2n is added to the loss (scikit-learn's ``alpha``).
    loss
        Called as ``loss(epoch, cross_entropy)`` after every epoch.

    Raises
    ------
    ParameterError
        If the weights grow beyond all bounds: the learning rate is too high.
    OperationCancelled
        If ``cancelled()`` became true.
    """
    from sklearn.neural_network import MLPClassifier

    net = MLPClassifier(
        hidden,
        activation="relu",
        solver=solver,
        alpha=weight_decay,
        # Small sets in small steps, as an epoch of two steps teaches little.
        batch_size=min(batch, max(FEWEST_BATCH, len(inputs) // STEPS_PER_EPOCH)),
        learning_rate_init=learning_rate,
        max_iter=epochs,
        random_state=seed,
        momentum=0.9,
    )
    # Half the width is plenty for weights, and nearly twice as fast.
    inputs = inputs.astype(np.float32)
    classes = np.arange(n_classes)
    random = np.random.default_rng(seed)
    with warnings.catch_warnings(), np.errstate(over="ignore", invalid="ignore"):
        warnings.simplefilter("ignore")
        for epoch in range(epochs):
            checkpoint(cancelled)
            rows = balanced_rows(labels, n_classes, random)
            # The rate falls to a tenth, so that the last epochs settle.
            rate = learning_rate * 0.1 ** (epoch / max(epochs - 1, 1))
            if hasattr(net, "_optimizer"):
                net._optimizer.learning_rate_init = rate
                net._optimizer.learning_rate = rate
            try:
                net.partial_fit(inputs[rows], labels[rows], classes=classes)
                value = float(net.loss_)
            except ValueError as error:  # scikit-learn's word for weights that are no longer finite
                raise _diverged(learning_rate) from error
            if not np.isfinite(value):
                raise _diverged(learning_rate)
            if loss is not None:
                loss(epoch, value)
    weights = [np.array(w, np.float64) for w in net.coefs_]
    biases = [np.array(b, np.float64) for b in net.intercepts_]
    if weights[-1].shape[1] < n_classes:
        # Two classes: one logit z of the second is the same as the logits 0 and z.
        weights[-1] = np.hstack([np.zeros_like(weights[-1]), weights[-1]])
        biases[-1] = np.concatenate([np.zeros(1), biases[-1]])
    return ReluNetwork(tuple(weights), tuple(biases))


def balanced_rows(
    labels: NDArray[np.int64], n_classes: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Give every row once, and rows of the rarer classes again until all classes are equally frequent.

    A weight a spectrum would serve as well, but older versions of scikit-learn take none here.
    """
    most = int(np.bincount(labels, minlength=n_classes).max())
    parts = [np.arange(len(labels))]
    for number in range(n_classes):
        own = np.flatnonzero(labels == number)
        if 0 < own.size < most:
            whole, rest = divmod(most - own.size, own.size)
            parts += [np.tile(own, whole), random.choice(own, rest, replace=False)]
    return np.concatenate(parts)


def _diverged(learning_rate: float) -> ParameterError:
    return ParameterError(
        f"The training diverged at the learning rate {learning_rate:g}.", "Choose a smaller learning rate."
    )


def train_discriminant(inputs: Floats, labels: NDArray[np.int64], n_classes: int) -> ReluNetwork:
    """Fit linear discriminant analysis, with equal priors, as a network without hidden layers.

    The shared covariance is shrunk towards a multiple of the identity as far as O. Ledoit and M. Wolf
    (J. Multivar. Anal. 88 (2004) 365) give, after every input was brought to unit variance.
    """
    means = np.stack([inputs[labels == c].mean(axis=0) for c in range(n_classes)])
    inside = inputs - means[labels]
    scale = inside.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    inside = inside / scale
    n, m = inside.shape
    covariance = inside.T @ inside / n
    level = np.trace(covariance) / m
    distance = float(((covariance - level * np.eye(m)) ** 2).sum())
    # Sum over spectra of |x x' - S|^2 = sum |x|^4 - n |S|^2
    noise = (float(((inside**2).sum(axis=1) ** 2).sum()) / n - float((covariance**2).sum())) / n
    shrinkage = min(1.0, max(0.0, noise / distance)) if distance > 0 else 1.0
    shrunk = (1 - shrinkage) * covariance + shrinkage * level * np.eye(m)
    shrunk += 1e-9 * np.eye(m)
    weights = np.linalg.solve(shrunk, (means / scale).T)
    biases = -0.5 * np.einsum("cm,mc->c", means / scale, weights)
    return ReluNetwork((weights / scale[:, None],), (biases,))
