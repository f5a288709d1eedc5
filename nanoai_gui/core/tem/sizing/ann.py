"""The founding method: 13 features, PNC-ANN and PAR-ANN (Frei, Kruis, Powder Technology 332 (2018) 120)."""

from __future__ import annotations

from dataclasses import dataclass

from nanoai_gui.core.tem.sizing._networks import NetworkMethod, NetworkParameters, model_parameter

NAME = "ann"
TITLE = "Neural networks"
SUMMARY = "Tells number (1 to 5) and areas from 13 features of an agglomerate; larger ones are left out."
FEATURES = "region-13"


@dataclass(frozen=True, slots=True)
class Parameters(NetworkParameters):
    """What a person can set."""

    model: str = model_parameter(FEATURES)


size = NetworkMethod(NAME, FEATURES, shipped="tem-ann")
