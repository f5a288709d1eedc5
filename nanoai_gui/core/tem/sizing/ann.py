"""The founding method: 13 features, PNC-ANN and PAR-ANN (Frei, Kruis, Powder Technology 332 (2018) 120)."""

from __future__ import annotations

from nanoai_gui.core.callbacks import Cancelled, Progress, never_cancelled, no_progress
from nanoai_gui.core.tem.agglomerates import Agglomerates
from nanoai_gui.core.tem.micrograph import Micrograph
from nanoai_gui.core.tem.sizing import SizingResult
from nanoai_gui.core.tem.sizing._networks import NetworkParameters, shipped_model, size_with_networks

NAME = "ann"
TITLE = "Neural networks"
SUMMARY = "Tells number (1 to 5) and areas from 13 features of an agglomerate; larger ones are left out."


Parameters = NetworkParameters


def size(
    micrograph: Micrograph,
    agglomerates: Agglomerates,
    parameters: NetworkParameters,
    progress: Progress = no_progress,
    cancelled: Cancelled = never_cancelled,
) -> SizingResult:
    """Measure the primary particles of agglomerates of up to five with the shipped networks."""
    return size_with_networks(NAME, shipped_model("tem-ann"), agglomerates, parameters, progress, cancelled)
