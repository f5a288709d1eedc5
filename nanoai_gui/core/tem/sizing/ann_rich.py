"""The networks of the founding method on a richer set of features of our own."""

from __future__ import annotations

from nanoai_gui.core.callbacks import Cancelled, Progress, never_cancelled, no_progress
from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.sizing import SizingResult
from nanoai_gui.core.tem.sizing._networks import NetworkParameters, shipped_model, size_with_networks

NAME = "ann-rich"
TITLE = "Neural networks, rich features"
SUMMARY = "The same networks on a richer description: outline, distance map and grey levels."


Parameters = NetworkParameters


def size(
    micrograph: Micrograph,
    agglomerates: Agglomerates,
    parameters: NetworkParameters,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> SizingResult:
    """Measure the primary particles of agglomerates of up to five with the shipped networks."""
    return size_with_networks(
        NAME, shipped_model("tem-ann-rich"), agglomerates, parameters, progress, cancelled
    )
