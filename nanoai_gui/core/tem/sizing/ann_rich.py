"""The networks of the founding method on a richer set of features of our own."""

from __future__ import annotations

from dataclasses import dataclass

from nanoai_gui.core.tem.sizing._networks import NetworkMethod, NetworkParameters, model_parameter

NAME = "ann-rich"
TITLE = "Neural networks, rich features"
SUMMARY = "The same networks on a richer description: outline, distance map and grey levels."
FEATURES = "rich"


@dataclass(frozen=True, slots=True)
class Parameters(NetworkParameters):
    """What a person can set."""

    model: str = model_parameter(FEATURES)


size = NetworkMethod(NAME, FEATURES, shipped="tem-ann-rich")
