"""The networks of the founding method on a richer set of features of our own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from nanoai_gui.core.callbacks import Cancelled, Progress, never_cancelled, no_progress
from nanoai_gui.core.parameters import parameter
from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.networks.library import model_options
from nanoai_gui.core.tem.sizing import SizingResult
from nanoai_gui.core.tem.sizing._networks import MODEL_HELP, NetworkParameters, find_model, size_with_networks

NAME = "ann-rich"
TITLE = "Neural networks, rich features"
SUMMARY = "The same networks on a richer description: outline, distance map and grey levels."
FEATURES = "rich"
SHIPPED = "tem-ann-rich"


@dataclass(frozen=True, slots=True)
class Parameters(NetworkParameters):
    """What a person can set."""

    model: str = parameter("", "Model", options=partial(model_options, FEATURES), help=MODEL_HELP)


def size(
    micrograph: Micrograph,
    agglomerates: Agglomerates,
    parameters: Parameters,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
    counts: Mapping[int, int] | None = None,
) -> SizingResult:
    """Measure the primary particles of agglomerates of up to five with the networks of the chosen model."""
    model, identity = find_model(SHIPPED, FEATURES, parameters.model)
    return size_with_networks(NAME, model, identity, agglomerates, parameters, progress, cancelled, counts)
