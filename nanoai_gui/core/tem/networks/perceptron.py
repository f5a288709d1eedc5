"""A multilayer perceptron as plain arrays: what is left of a trained network once the trainer is gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Perceptron:
    """Standardise, one or more hidden tanh layers, a linear output layer, un-standardise.

    Parameters
    ----------
    input_mean, input_scale
        (k,) what the inputs are standardised with; standardised inputs are cut at +-``LIMIT``.
    weights, biases
        One (in, out) and one (out,) array a layer.
    output_mean, output_scale
        (m,) what turns the last layer into physical values (0 and 1 for a classifier's logits).
    """

    input_mean: Floats
    input_scale: Floats
    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]
    output_mean: Floats
    output_scale: Floats

    def __call__(self, values: Floats) -> Floats:
        """Evaluate (n, k) inputs to (n, m) outputs."""
        layer = np.clip((values - self.input_mean) / self.input_scale, -LIMIT, LIMIT)
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            layer = layer @ weight + bias
            if i < len(self.weights) - 1:
                layer = np.tanh(layer)
        return np.asarray(layer * self.output_scale + self.output_mean, dtype=np.float64)

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """Number of nodes of every layer, input and output included."""
        return (self.weights[0].shape[0], *(w.shape[1] for w in self.weights))

    def to_arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Give all arrays under names that start with ``prefix``."""
        out: dict[str, NDArray[Any]] = {
            f"{prefix}.input_mean": self.input_mean,
            f"{prefix}.input_scale": self.input_scale,
            f"{prefix}.output_mean": self.output_mean,
            f"{prefix}.output_scale": self.output_scale,
        }
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            out[f"{prefix}.weight{i}"] = weight
            out[f"{prefix}.bias{i}"] = bias
        return out

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], prefix: str) -> Perceptron:
        """Put a network together again.

        Raises
        ------
        ValueError
            If an array is missing or the shapes do not fit each other.
        """

        def get(name: str, ndim: int) -> Floats:
            try:
                array = np.asarray(arrays[f"{prefix}.{name}"], dtype=np.float64)
            except KeyError as error:
                raise ValueError(f"the network {prefix} lacks {name}") from error
            if array.ndim != ndim:
                raise ValueError(f"{prefix}.{name} has the wrong shape")
            return array

        n_layers = sum(key.startswith(f"{prefix}.weight") for key in arrays)
        made = cls(
            get("input_mean", 1),
            get("input_scale", 1),
            tuple(get(f"weight{i}", 2) for i in range(n_layers)),
            tuple(get(f"bias{i}", 1) for i in range(n_layers)),
            get("output_mean", 1),
            get("output_scale", 1),
        )
        if not made.weights:
            raise ValueError(f"the network {prefix} has no layers")
        sizes = [len(made.input_mean), *(w.shape[1] for w in made.weights)]
        fits = all(w.shape[0] == n for w, n in zip(made.weights, sizes, strict=False)) and all(
            len(b) == w.shape[1] for w, b in zip(made.weights, made.biases, strict=True)
        )
        if not fits or len(made.output_mean) != sizes[-1] or not (made.input_scale > 0).all():
            raise ValueError(f"the layers of the network {prefix} do not fit each other")
        return made


def average(nets: Sequence[Perceptron]) -> Perceptron:
    """Give one network whose output is the mean of the outputs of several.

    Parameters
    ----------
    nets
        Of one hidden layer each, trained on the same data: inputs and outputs are standardised alike. Their
        hidden nodes stand side by side in the network made of them.
    """
    first, n = nets[0], len(nets)
    if n == 1:
        return first
    return Perceptron(
        first.input_mean,
        first.input_scale,
        (
            np.concatenate([net.weights[0] for net in nets], axis=1),
            np.concatenate([net.weights[1] for net in nets]) / n,
        ),
        (
            np.concatenate([net.biases[0] for net in nets]),
            np.asarray(np.mean([net.biases[1] for net in nets], axis=0), dtype=np.float64),
        ),
        first.output_mean,
        first.output_scale,
    )


LIMIT = 8.0
"""Standardised inputs beyond this were never seen in training: no network is asked to extrapolate there."""


def softmax(logits: Floats) -> Floats:
    """Turn (n, c) logits into probabilities that sum to 1 along the last axis."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float64)
