"""The card of the model that a result names: what it was trained on, and how well it did."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nanoai_gui.core.errors import NanoAIError
from nanoai_gui.core.resources import resource

_NETWORK = re.compile(r"(?P<name>.+) \((?P<origin>shipped|trained by the user), [0-9a-f]+\)")
_DETECTOR = "particles ("


def card_of(identity: str) -> Mapping[str, Any] | None:
    """Read the card of a model that measured; ``None`` if it is no longer there, or is another one by now.

    Parameters
    ----------
    identity
        As a :class:`~nanoai_gui.core.tem.sizing.SizingResult` names it.
    """
    try:
        if identity.startswith(_DETECTOR):
            return _detector_card(identity)
        return _network_card(identity)
    except (NanoAIError, OSError, ValueError):
        return None


def _detector_card(identity: str) -> Mapping[str, Any] | None:
    card = json.loads(resource("models", "particles.json").read_text(encoding="utf-8"))
    fingerprint = str(card.get("sha256", ""))[:12] if isinstance(card, dict) else ""
    return card if fingerprint and fingerprint in identity else None


def _network_card(identity: str) -> Mapping[str, Any] | None:
    import hashlib

    from nanoai_gui.core.models import load_model
    from nanoai_gui.core.tem.networks.library import model_path
    from nanoai_gui.core.tem.networks.model import KIND

    found = _NETWORK.fullmatch(identity)
    if found is None:
        return None
    is_shipped = found["origin"] == "shipped"
    path: Path = resource("models", f"{found['name']}.zip") if is_shipped else model_path(found["name"])
    if hashlib.sha256(path.read_bytes()).hexdigest()[:12] not in identity:
        return None
    return load_model(path, KIND, card_only=True).card
